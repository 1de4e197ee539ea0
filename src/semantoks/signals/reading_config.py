"""What of a source is read, and how: the choices that a user has where a folder holds more than one answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semantoks.errors import ConfigError

Strategy = Literal["simple", "scrubbing", "compcor", "ica_aroma"]


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """Which recordings of a source are read, and how images become time series.

    Parameters
    ----------
    participant_label
        Only these participants, with or without ``sub-``; none named = all.
    session_label
        Only these sessions, with or without ``ses-``; none named = all.
    task_label
        Only these tasks, with or without ``task-``; none named = those with ``rest`` in their label, if there are any.
    space
        The ``space`` entity to read, where runs lie in several.
    variant
        Which of several versions of each recording: giga_connectome's strategy, HALFpipe's feature, C-PAC's fork.
    parcellation
        Image of the ROIs (.nii, .nii.gz, .dlabel.nii), for sources of images: value 1 is the first ROI of the atlas,
        and so on.
    fetch_parcellation
        Without a parcellation: let nilearn fetch Schaefer's label image of the atlas from the network.
    confounds
        What is regressed out of fMRIPrep's images (nilearn's presets): simple = 24 motion, 2 tissue signals, high-pass.
    global_signal
        Regress the global signal, too.
    reorder
        Bring labelled columns of Schaefer's other order of networks (7 or 17) into the atlas's, not refuse them.

    Raises
    ------
    ConfigError
        When the parcellation is no file.
    """

    participant_label: tuple[str, ...] = ()
    session_label: tuple[str, ...] = ()
    task_label: tuple[str, ...] = ()
    space: str = ""
    variant: str = ""
    parcellation: Path | None = None
    fetch_parcellation: bool = False
    confounds: Strategy = "simple"
    global_signal: bool = False
    reorder: bool = False

    def __post_init__(self) -> None:
        """Check that there is what is named."""
        if self.parcellation is not None and not self.parcellation.is_file():
            raise ConfigError(f"there is no parcellation image {self.parcellation}.")


EVERYTHING = ReadingConfig()
