"""fMRIPrep 1.4 to 25.x: images averaged over the ROIs of a parcellation, nuisance regressed out, motion kept."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.cifti import Grayordinates, cifti_tr, read_dlabel
from semantoks.signals.files.label_image import SPACE, LabelImage, fetch_parcellation, image_tr, read_label_image
from semantoks.signals.files.motion import fd_note, read_fd
from semantoks.signals.files.names import BidsFile, scan
from semantoks.signals.files.nuisance import load_nuisance, regress_out
from semantoks.signals.files.stated import UNTRUSTED, StatedTR, generated_by, lacking, over_headers, stated_tr
from semantoks.signals.files.text_table import read_header
from semantoks.signals.reading_config import ReadingConfig
from semantoks.signals.recording import Recording
from semantoks.signals.sources.conn import is_conn
from semantoks.signals.sources.dpabi import is_dpabi
from semantoks.signals.sources.pcp import is_pcp
from semantoks.signals.sources.runs import chosen_runs, run_items
from semantoks.signals.sources.source import FactTable, Item, OpenedSource, Request
from semantoks.signals.sources.versions import beside, one_per_run, run_key
from semantoks.types import Series

SERIES = (".tsv", ".txt")
"""What time series of ROIs end with: a folder with them was made by another tool from fMRIPrep's output."""
VOLUMES, AROMA, DENSE = "preproc", "smoothAROMAnonaggr", ".dtseries.nii"


def open_fmriprep(request: Request) -> OpenedSource:
    """Open fMRIPrep's output, one recording per run: means over ROIs, less the confounds of one of nilearn's presets.

    A label image is averaged over volumes (``space-MNI..._desc-preproc_bold``; for ica_aroma,
    ``desc-smoothAROMAnonaggr_bold``), onto whose grid it is resampled; a ``.dlabel.nii`` over ``_bold.dtseries.nii``.

    Non-steady-state frames, and with ``scrubbing`` those of motion, stay in the series and are marked as not good: the
    regression is fitted without them, and ``prepare`` bridges them. Slow drift is regressed out by fMRIPrep's cosines
    (``high_pass`` in all of nilearn's presets: periods over 128 s); there is no other filter here, and the band-pass of
    ``prepare`` comes on top, at its own corners. The repetition time is ``RepetitionTime`` of the image's sidecar,
    which the image's header may not contradict.

    Raises
    ------
    ConfigError
        Without a parcellation, when runs are in several spaces or versions, or when what was asked for does not exist.
    DataError
        When the parcellation is not of the atlas, or there are no images for it.
    """
    reading, path, atlas = request.reading, request.path, request.atlas
    if reading.parcellation is None and reading.fetch_parcellation:
        reading = replace(reading, parcellation=fetch_parcellation(atlas))
    facts = request.facts(files_say=True)
    files = list(scan(path))
    dense = _is_dense(reading, request)
    assert reading.parcellation is not None
    images = [one for one in files if _is_image(one, dense=dense, aroma=reading.confounds == "ica_aroma")]
    if not images:
        raise DataError(_no_images(path, files, dense, reading))
    rois: Grayordinates | LabelImage
    if dense:
        rois = read_dlabel(reading.parcellation, atlas, reorder=reading.reorder)
    else:
        rois = read_label_image(reading.parcellation, atlas)
    chosen, left_out = chosen_runs(images, reading, path)
    kept = one_per_run(chosen, path)
    runs = _Runs(reading=reading, facts=facts, rois=rois, images=kept, confounds=_confounds(kept, files))
    version = dict(generated_by(path)).get("fMRIPrep", "")
    return OpenedSource(
        request,
        kind=f"fMRIPrep {version}".strip(),
        items=run_items(runs.images.values()),
        facts=facts,
        read=runs.read,
        notes=[*runs.notes(atlas.n_rois), *left_out],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Runs:
    """Image and table of confounds of each run by its key, and how they are read."""

    reading: ReadingConfig
    facts: FactTable
    rois: Grayordinates | LabelImage
    images: Mapping[str, BidsFile]
    confounds: Mapping[str, Path]

    def notes(self, n_rois: int) -> list[str]:
        """Say where the ROIs come from, and what is regressed out."""
        space = next(iter(self.images.values())).entities.get("space", "")
        where = f"images in space-{space}" if space else "images in the space of each run"
        onto = "" if isinstance(self.rois, Grayordinates) else ", resampled onto their grid, within the brain mask"
        added = " and the global signal" if self.reading.global_signal else ""
        found = [
            f"{where}, averaged over {self.rois.path.name}{onto}: {self.rois.labelled} of {n_rois} ROIs",
            f"nuisance: {self.reading.confounds} of nilearn{added}, fitted on the good frames",
            self._high_pass(),
            *self._motion(),
            *self._header(),
        ]
        if self.reading.fetch_parcellation and space != SPACE:
            found.append(f"the parcellation was fetched in {SPACE}, the images are not in it: ROIs are off by some mm")
        return found

    def _high_pass(self) -> str:
        """Say how slow drift is removed, by the first run whose table of confounds can be read."""
        cosines = 0
        for key in self.images:
            with suppress(KeyError, DataError):  # reading a run without a table, or with a damaged one, says so
                cosines = sum(name.startswith("cosine") for name in read_header(self.confounds[key]))
                break
        if not cosines:
            return "high-pass: no cosines among the confounds; only the band-pass of prepare"
        return f"high-pass: {cosines} cosines of fMRIPrep (128 s) among the confounds; the band-pass of prepare on top"

    def _motion(self) -> list[str]:
        """Say which framewise displacement is read, by the first run whose table of confounds can be read."""
        for key in self.images:
            with suppress(KeyError, DataError):
                return fd_note(self.confounds[key], filtered=self.reading.filtered_fd)
        return []

    def _header(self) -> list[str]:
        """Say of the first run that its header's repetition time is not trusted, if so."""
        with suppress(DataError):  # reading this run says what is wrong
            stated = _stated_tr(next(iter(self.images.values())))
            if stated.where.endswith(UNTRUSTED):
                return [f"repetition time {stated.seconds:g} s from {stated.where}"]
        return []

    def read(self, item: Item) -> Recording:
        """Average, clean and describe one run; DataError when it cannot be read or its repetition time is unknown."""
        if item.key not in self.confounds:
            raise DataError(
                f"{item.key} has no table of confounds (..._desc-confounds_timeseries.tsv; _regressors before 20.2), "
                "and fMRIPrep's images are not denoised: put it beside the image."
            )
        image, confounds = self.images[item.key], self.confounds[item.key]
        facts = self.facts.of(item, _stated_tr(image))
        nuisance = load_nuisance(image.path, self.reading.confounds, global_signal=self.reading.global_signal)
        return facts.recording(
            item,
            regress_out(self._means(image), nuisance, item.path.name),
            good=nuisance.good,
            fd=read_fd(confounds, filtered=self.reading.filtered_fd),
            source=str(item.path),
        )

    def _means(self, image: BidsFile) -> Series:
        if isinstance(self.rois, Grayordinates):
            return self.rois.means(image.path)[0]
        mask = image.path.with_name(f"{_stem(image).rpartition('_desc-')[0]}_desc-brain_mask{image.extension}")
        return self.rois.means(image.path, mask=mask if mask.is_file() else None)


def is_fmriprep(path: Path) -> bool:
    """Recognise fMRIPrep's output: it says so, or it has images, confounds and no other tool's name or series."""
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


def _confounds(images: Mapping[str, BidsFile], files: Sequence[BidsFile]) -> dict[str, Path]:
    """Find the table of confounds of each image, of its version if there are several; key -> table."""
    near: dict[str, list[BidsFile]] = defaultdict(list)
    for one in filter(_is_confounds, files):
        near[run_key(one)].append(one)
    found = {key: beside(image, near[key]) for key, image in images.items()}
    return {key: tables[0].path for key, tables in found.items() if tables}


def _is_dense(reading: ReadingConfig, request: Request) -> bool:
    """Tell by the parcellation whether dense series are to be read; ConfigError where it is missing or does not fit."""
    if reading.parcellation is None:
        raise ConfigError(
            f"{request.path} has images of fMRIPrep, which have to be averaged over ROIs: pass --parcellation IMAGE, a "
            f"label image (.nii.gz) in the space of the images whose value k is ROI k of {request.atlas.name}, or, for "
            "its dense series, a .dlabel.nii with the atlas's labels; or let nilearn fetch Schaefer's: "
            "--fetch-parcellation."
        )
    dense = reading.parcellation.name.endswith(".dlabel.nii")
    if dense and reading.confounds == "ica_aroma":
        raise ConfigError(
            "--confounds ica_aroma needs volumes and a label image, not a .dlabel.nii: fMRIPrep wrote AROMA's only."
        )
    return dense


def _no_images(path: Path, files: Sequence[BidsFile], dense: bool, reading: ReadingConfig) -> str:
    desc = AROMA if reading.confounds == "ica_aroma" else VOLUMES
    wanted = "_bold.dtseries.nii" if dense else f"_desc-{desc}_bold.nii.gz"
    there = sorted(
        {f"_desc-{one.entities['desc']}" if "desc" in one.entities else "" for one in files if one.suffix == "bold"}
    )
    hint = " fMRIPrep dropped AROMA in 23.1: choose other --confounds." if reading.confounds == "ica_aroma" else ""
    return (
        f"{path} has no {wanted}, which {reading.parcellation} is for; its images are called "
        f"{' '.join(f'{desc}_bold' for desc in there) or 'nothing of the kind'}.{hint}"
    )


def _stem(image: BidsFile) -> str:
    return image.path.name.removesuffix(image.extension)


def _stated_tr(image: BidsFile) -> StatedTR:
    """Take the sidecar's repetition time, which the header may not contradict; alone, only CIFTI's is trusted."""
    sidecar = image.path.with_name(_stem(image) + ".json")
    nothing = StatedTR(seconds=None, where=lacking(sidecar, "RepetitionTime"))
    stated = stated_tr(sidecar, sidecar.name) or nothing
    if stated.wrong:
        return stated
    dense = image.extension == DENSE
    header = StatedTR(
        seconds=cifti_tr(image.path) if dense else image_tr(image.path), where=f"the header of {image.path.name}"
    )
    if stated.seconds is not None or dense:
        return over_headers(stated, [header])
    return replace(stated, where=f"{stated.where}, and a header alone is not trusted")
