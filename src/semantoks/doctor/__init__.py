"""What is wrong with a source of recordings; called, it looks at one (``semantoks.checkup``)."""

from semantoks.called import as_function

as_function(__name__, "semantoks.doctor.checkup:checkup")
