"""semantoks: resting-state fMRI recordings in, representations of the person out.

The public names are in ``__init__.pyi``, with their modules; each is imported when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
