"""Which recordings of a source are read, and how: the user's choices where a folder has more than one answer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from semantoks.config import check_fields
from semantoks.errors import ConfigError

Strategy = Literal["simple", "scrubbing", "compcor", "ica_aroma"]


@dataclass(frozen=True, kw_only=True)
class ReadingConfig:
    """Which recordings of a source are read, and how images become time series.

    No participants or sessions named means all; no tasks named, those with ``rest`` in their label, if there are any.

    Parameters
    ----------
    participant_label
        Read only these participants, with or without the prefix sub-.
    session_label
        Read only these sessions, with or without the prefix ses-.
    task_label
        Read only these tasks, with or without the prefix task-.
    space
        The space entity to read, if runs come in several; "none" for files that name none.
    variant
        Which of several versions of each recording to read, by words of their names: desc-gsr, echo-2, no-res, or a
        value alone (giga_connectome's strategy, HALFpipe's feature); for C-PAC and DPABI, folders of the processing.
    parcellation
        Image of the ROIs (.nii, .nii.gz, .dlabel.nii), for sources of images: value 1 is the first ROI of the atlas,
        and so on.
    fetch_parcellation
        If no parcellation is given, let nilearn download Schaefer's label image of the atlas.
    confounds
        Confounds to regress out of fMRIPrep's images (nilearn's presets): simple = 24 motion parameters, 2 tissue
        signals, high-pass.
    global_signal
        Also regress out the global signal.
    filtered_fd
        Take the framewise displacement without respiration where XCP-D or fMRIPrep's confounds have both.
    reorder
        Reorder labelled columns that follow Schaefer's other network order (7 or 17) instead of refusing them.

    Raises
    ------
    ConfigError
        If the parcellation is not a file.
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
    filtered_fd: bool = False
    reorder: bool = False

    @property
    def selects(self) -> list[str]:
        """Name the fields by which recordings are chosen."""
        names = ("participant_label", "session_label", "task_label", "space", "variant")
        return [name for name in names if getattr(self, name)]

    def __post_init__(self) -> None:
        """Check that the parcellation exists."""
        check_fields(self)
        if self.parcellation is not None and not self.parcellation.is_file():
            raise ConfigError(f"there is no parcellation image {self.parcellation}.")


EVERYTHING = ReadingConfig()
