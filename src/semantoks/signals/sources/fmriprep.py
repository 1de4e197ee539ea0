"""fMRIPrep 1.4 to 25.x: images averaged over the ROIs of a parcellation, nuisance regressed, motion kept beside."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.cifti import Grayordinates, read_dlabel
from semantoks.signals.files.label_image import SPACE, LabelImage, fetch_parcellation, image_tr, read_label_image
from semantoks.signals.files.names import BidsFile, chosen_runs, scan
from semantoks.signals.files.nuisance import load_nuisance, regress_out
from semantoks.signals.files.stated import StatedTR, agreed, generated_by, ptseries_tr, stated_number
from semantoks.signals.files.text_table import read_column, read_header
from semantoks.signals.reading_config import EVERYTHING, ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.conn import is_conn
from semantoks.signals.sources.dpabi import is_dpabi
from semantoks.signals.sources.pcp import is_pcp
from semantoks.signals.sources.runs import by_run, run_items, run_key
from semantoks.signals.sources.source import FactTable, Item
from semantoks.types import Series

FD = "framewise_displacement"
SERIES = (".tsv", ".txt")
"""What time series of ROIs end with: a folder that has them was made by another tool, out of fMRIPrep's."""
VOLUMES, AROMA, DENSE = "preproc", "smoothAROMAnonaggr", ".dtseries.nii"


class FmriprepSource:
    """One recording a run: means over the ROIs of a parcellation, less the confounds of one of nilearn's presets.

    A label image is averaged over volumes (``space-MNI..._desc-preproc_bold``; of ica_aroma,
    ``desc-smoothAROMAnonaggr_bold``), onto whose grid it is brought; a ``.dlabel.nii`` over ``_bold.dtseries.nii``.

    Non-steady-state frames, and with ``scrubbing`` those of motion, stay in the series and are marked as not good: the
    regression is fitted without them, and ``prepare`` bridges them. Slow drift is regressed by fMRIPrep's cosines
    (``high_pass`` in all of nilearn's presets: periods over 128 s); there is no other filter here, and the band-pass of
    ``prepare`` comes on top, at its own corners. The repetition time is ``RepetitionTime`` of the image's sidecar,
    which the image's header may not contradict.

    Raises
    ------
    ConfigError
        Without a parcellation, when runs lie in several spaces or versions, or when what is asked for is not there.
    DataError
        When the parcellation is not of the atlas, or there are no images of its kind.
    """

    def __init__(
        self,
        path: Path,
        *,
        atlas: Atlas,
        tr: float | None,
        participants: pd.DataFrame | None,
        reading: ReadingConfig = EVERYTHING,
    ) -> None:
        if reading.parcellation is None and reading.fetch_parcellation:
            reading = replace(reading, parcellation=fetch_parcellation(atlas))
        self.path = path
        self._table, self._reading = participants, reading
        self._facts = FactTable(participants, tr, files_say=True)
        version = dict(generated_by(path)).get("fMRIPrep", "")
        self.kind = f"fMRIPrep {version}".strip()
        files = list(scan(path))
        dense = _is_dense(reading, path, atlas)
        assert reading.parcellation is not None
        images = [one for one in files if _is_image(one, dense=dense, aroma=reading.confounds == "ica_aroma")]
        if not images:
            raise DataError(_no_images(path, files, dense, reading))
        self._rois: Grayordinates | LabelImage
        if dense:
            self._rois = read_dlabel(reading.parcellation, atlas, reorder=reading.reorder)
        else:
            self._rois = read_label_image(reading.parcellation, atlas)
        self._atlas = atlas
        self._images = {key: one for key, (one,) in by_run(chosen_runs(images, reading, path), path).items()}
        self._confounds = _confounds(files)

    def items(self) -> list[Item]:
        """One item a run."""
        return run_items(list(self._images.values()))

    def participants(self) -> pd.DataFrame | None:
        """The participants table that was given."""
        return self._table

    def notes(self) -> list[str]:
        """Say where the ROIs come from, and what is regressed."""
        first = next(iter(self._images.values()))
        space = first.entities.get("space", "")
        where = f"images in space-{space}" if space else "images in the space of each run"
        onto = "" if isinstance(self._rois, Grayordinates) else ", brought onto their grid, within the brain mask"
        added = " and the global signal" if self._reading.global_signal else ""
        found = [
            f"{where}, averaged over {self._rois.path.name}{onto}: {self._rois.labelled} of {self._atlas.n_rois} ROIs",
            f"nuisance: {self._reading.confounds} of nilearn{added}, fitted on the good frames",
            self._high_pass(),
        ]
        if self._reading.fetch_parcellation and space != SPACE:
            found.append(f"the parcellation was fetched and is in {SPACE}, the images are not: ROIs are off by some mm")
        return found

    def _high_pass(self) -> str:
        """Say how slow drift is removed, by the first run whose table of confounds can be read."""
        cosines = 0
        for key in self._images:
            with suppress(KeyError, DataError):  # a run without a table, or with a damaged one, is told when it is read
                cosines = sum(name.startswith("cosine") for name in read_header(self._confounds[key]))
                break
        if not cosines:
            return "high-pass: no cosines among the confounds; only the band-pass of prepare"
        return f"high-pass: {cosines} cosines of fMRIPrep (128 s) among the confounds; the band-pass of prepare on top"

    def read(self, item: Item) -> Recording:
        """Average, clean and describe one run; DataError when it cannot be read or its repetition time is unknown."""
        if item.key not in self._confounds:
            raise DataError(
                f"{item.key} has no table of confounds (..._desc-confounds_timeseries.tsv; _regressors before 20.2), "
                "and fMRIPrep's images are not denoised: put it beside the image."
            )
        image, confounds = self._images[item.key], self._confounds[item.key]
        facts = self._facts.of(item, _stated_tr(image))
        nuisance = load_nuisance(image.path, self._reading.confounds, global_signal=self._reading.global_signal)
        return facts.recording(
            item,
            regress_out(self._means(image), nuisance, item.path.name),
            good=nuisance.good,
            fd=read_column(confounds, FD) if FD in read_header(confounds) else None,
            source=str(item.path),
        )

    def _means(self, image: BidsFile) -> Series:
        if isinstance(self._rois, Grayordinates):
            return self._rois.means(image.path)[0]
        mask = image.path.with_name(f"{_stem(image).rpartition('_desc-')[0]}_desc-brain_mask{image.extension}")
        return self._rois.means(image.path, mask=mask if mask.is_file() else None)


def is_fmriprep(path: Path) -> bool:
    """Tell a folder that fMRIPrep wrote: it says so, or it has images, confounds and nobody else's name or series."""
    tools = generated_by(path)
    if tools:
        return tools[0][0].lower() == "fmriprep"
    images = confounds = False
    for one in scan(path):
        images |= any(_is_image(one, dense=dense, aroma=False) for dense in (False, True))
        confounds |= _is_confounds(one)
        if one.suffix == "timeseries" and not _is_confounds(one) and one.extension in SERIES:
            return False
    return images and confounds and not any(is_of(path) for is_of in (is_pcp, is_conn, is_dpabi))


def _is_image(one: BidsFile, *, dense: bool, aroma: bool) -> bool:
    if dense:
        return one.suffix == "bold" and one.extension == DENSE and "desc" not in one.entities
    desc = AROMA if aroma else VOLUMES
    return one.suffix == "bold" and one.extension in (".nii.gz", ".nii") and one.entities.get("desc") == desc


def _is_confounds(one: BidsFile) -> bool:
    named = one.suffix in ("timeseries", "regressors") and one.extension == ".tsv"
    return named and one.entities.get("desc") == "confounds"


def _is_dense(reading: ReadingConfig, path: Path, atlas: Atlas) -> bool:
    """Tell by the parcellation whether dense series are to be read; ConfigError where it is missing or does not fit."""
    if reading.parcellation is None:
        raise ConfigError(
            f"{path} holds images of fMRIPrep, which have to be averaged over ROIs: pass --parcellation IMAGE, a label "
            f"image (.nii.gz) in the space of the images whose value k is ROI k of {atlas.name}, or, for its dense "
            "series, a .dlabel.nii with the atlas's labels; or let nilearn fetch Schaefer's: --fetch-parcellation."
        )
    dense = reading.parcellation.name.endswith(".dlabel.nii")
    if dense and reading.confounds == "ica_aroma":
        raise ConfigError(
            "--confounds ica_aroma needs volumes and a label image, not a .dlabel.nii: fMRIPrep wrote AROMA's only."
        )
    return dense


def _no_images(path: Path, files: Sequence[BidsFile], dense: bool, reading: ReadingConfig) -> str:
    wanted = (
        "_bold.dtseries.nii" if dense else f"_desc-{AROMA if reading.confounds == 'ica_aroma' else VOLUMES}_bold.nii.gz"
    )
    there = sorted(
        {f"_desc-{one.entities['desc']}" if "desc" in one.entities else "" for one in files if one.suffix == "bold"}
    )
    hint = " fMRIPrep left AROMA out with 23.1: choose other --confounds." if reading.confounds == "ica_aroma" else ""
    return (
        f"{path} has no {wanted}, which {reading.parcellation} is for; its images are called "
        f"{' '.join(f'{desc}_bold' for desc in there) or 'nothing of the kind'}.{hint}"
    )


def _confounds(files: Sequence[BidsFile]) -> dict[str, Path]:
    """Table of confounds of each run, by its key."""
    return {run_key(one): one.path for one in files if _is_confounds(one)}


def _stem(image: BidsFile) -> str:
    return image.path.name.removesuffix(image.extension)


def _stated_tr(image: BidsFile) -> StatedTR:
    """Take the sidecar's repetition time, which the header may not contradict; alone, only CIFTI's is trusted."""
    sidecar = image.path.with_name(_stem(image) + ".json")
    seconds = stated_number(sidecar, "RepetitionTime")
    dense = image.extension == DENSE
    header = StatedTR(
        seconds=ptseries_tr(image.path) if dense else image_tr(image.path), where=f"the header of {image.path.name}"
    )
    if seconds is not None:
        return agreed([StatedTR(seconds=seconds, where=sidecar.name), header])
    if dense:
        return header
    return StatedTR(seconds=None, where=f"no RepetitionTime in {sidecar.name}, and a header alone is not trusted")
