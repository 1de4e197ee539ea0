"""fMRIPrep's folders: parcellated, cleaned and described right, or refused with what to do."""

import gzip
import pickle
import shutil

import nibabel as nib
import numpy as np
import pytest
from families import only
from nilearn.interfaces.fmriprep import load_confounds_strategy
from tiny_cifti import places, write_dlabel
from tiny_fmriprep import (
    AFFINE,
    ATLAS,
    FRAMES,
    LABELS,
    SHAPE,
    confounds_of,
    labels_of,
    made,
    opened,
    read,
    reasons,
    residual,
    write_fmriprep,
    write_labels,
)

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError, DataError
from semantoks.signals.prepare import prepare
from semantoks.signals.recording import Recording
from semantoks.signals.sources.fmriprep import is_fmriprep
from semantoks.signals.sources.memory import MemorySource
from semantoks.simulation.derivatives import described, write_json, write_table, write_xcpd

pytestmark = pytest.mark.slow


@pytest.fixture
def labels(tmp_path):
    return write_labels(tmp_path / "labels.nii.gz", labels_of(5))


# Parcels, regression, frames
def test_a_run_is_its_roi_means_less_nilearns_confounds(tmp_path, labels):
    given = [made("01", session="a", run="1"), made("01", session="a", run="2", seed=1), made("0042", seed=2)]
    write_fmriprep(tmp_path / "d", given)
    source = opened(tmp_path / "d", labels)
    assert source.kind.startswith("fMRIPrep")
    assert source.kind == "fMRIPrep 25.2.0"
    assert source.notes() == [
        "images in space-MNI152NLin2009cAsym, averaged over labels.nii.gz, resampled onto their grid, within the brain "
        "mask: 5 of 5 ROIs",
        "nuisance: simple of nilearn, fitted on the good frames",
        "high-pass: 3 cosines of fMRIPrep (128 s) among the confounds; the band-pass of prepare on top",
    ]
    assert [item.key for item in source.items()] == [
        "sub-0042_task-rest",
        "sub-01_ses-a_task-rest_run-1",
        "sub-01_ses-a_task-rest_run-2",
    ]
    found = [source.read(item) for item in source.items()]
    for one, expected in zip(found, [given[2], *given[:2]], strict=True):
        table, mask = load_confounds_strategy(one.source, denoise_strategy="simple")
        assert table.shape[1] == 24 + 2 + 3
        assert mask is None
        assert one.good is None
        left = residual(expected.series, table.to_numpy(), slice(None))
        np.testing.assert_allclose(one.series, left, rtol=0, atol=2e-3)
        assert (one.tr, one.participant, one.session, one.run) == (
            2.0,
            expected.participant,
            expected.session,
            expected.run,
        )
        assert one.tr_from.endswith("_desc-preproc_bold.json")
        assert one.mean_fd == pytest.approx(0.1)
        assert np.isnan(one.fd[0])
        assert one.band is None


def test_without_cosines_the_notes_say_that_only_the_band_pass_is_left(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()], confounds=confounds_of(FRAMES, cosines=0))
    assert opened(tmp_path / "d", labels).notes()[-1].startswith("high-pass: no cosines")
    write_fmriprep(tmp_path / "d", [made("00"), made()])
    only(tmp_path / "d", "sub-00*confounds_timeseries.tsv").write_text("")
    assert opened(tmp_path / "d", labels).notes()[-1].startswith("high-pass: 3 cosines")


def test_a_source_goes_through_prepare_like_the_same_recordings_in_memory(tmp_path, labels):
    fd = np.r_[np.nan, np.full(FRAMES - 1, 0.1)]
    fd[60] = 0.9
    given = [made("01"), made("02", seed=1)]
    write_fmriprep(tmp_path / "d", given, confounds=confounds_of(FRAMES, non_steady=2, fd=fd))
    source = pickle.loads(pickle.dumps(opened(tmp_path / "d", labels, confounds="scrubbing")))
    direct = MemorySource([source.read(item) for item in source.items()], atlas=ATLAS)
    cohorts = [prepare(one, out=tmp_path / name, atlas=ATLAS) for name, one in (("images", source), ("memory", direct))]
    for index in range(2):
        np.testing.assert_array_equal(cohorts[0].series(index), cohorts[1].series(index))
    assert cohorts[0].recordings["bad_frames"].tolist() == ["0-1,60"] * 2


# Which images
def test_tables_of_before_20_2_are_called_regressors(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()], version="1.5.9", names="regressors")
    (found,) = read(tmp_path / "d", labels)
    assert found.mean_fd == pytest.approx(0.1)


def test_without_a_parcellation_it_is_said_what_to_pass(tmp_path):
    write_fmriprep(tmp_path, [made()])
    with pytest.raises(ConfigError, match=r"pass --parcellation IMAGE.*value k is ROI k of five.*\.dlabel\.nii"):
        opened(tmp_path, None)


def test_several_spaces_or_versions_are_asked_about(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    write_fmriprep(tmp_path / "d", [made()], space="T1w")
    with pytest.raises(ConfigError, match=r"several spaces \(MNI152NLin2009cAsym, T1w\): choose one with --space"):
        opened(tmp_path / "d", labels)
    assert len(read(tmp_path / "d", labels, space="T1w")) == 1
    image = only(tmp_path / "d", "*T1w_desc-preproc_bold.nii.gz")
    shutil.copy(image, image.with_name(image.name.replace("T1w", "T1w_res-2")))
    with pytest.raises(ConfigError, match="several versions of a run, for example sub-01_task-rest: no res or res-2"):
        opened(tmp_path / "d", labels, space="T1w")


def test_aroma_reads_its_own_images_and_says_where_there_are_none(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    with pytest.raises(DataError, match=r"no _desc-smoothAROMAnonaggr_bold.*called _desc-preproc_bold.*23\.1"):
        opened(tmp_path / "d", labels, confounds="ica_aroma")
    write_fmriprep(tmp_path / "d", [made()], desc="smoothAROMAnonaggr")
    (found,) = read(tmp_path / "d", labels, confounds="ica_aroma")
    table, _ = load_confounds_strategy(found.source, denoise_strategy="ica_aroma")
    left = residual(made().series, table.to_numpy(), slice(None))
    np.testing.assert_allclose(found.series, left, rtol=0, atol=2e-3)


# The repetition time
def test_sidecar_and_header_have_to_agree_on_the_repetition_time(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    write_json(only(tmp_path / "d", "*preproc_bold.json"), {"RepetitionTime": 0.8})
    assert "bold.json says a repetition time of 0.8 s, but the header of" in reasons(tmp_path / "d", labels)


def test_a_header_alone_is_not_trusted(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    for text in ("{}", '{"RepetitionTime": "2.0 s"}', '{"RepetitionTime": true}', '{"RepetitionTime": 1e999}'):
        only(tmp_path / "d", "*preproc_bold.json").write_text(text)
        assert "no RepetitionTime in sub-01_task-rest_space" in reasons(tmp_path / "d", labels)
    only(tmp_path / "d", "*preproc_bold.json").unlink()
    assert "a header alone is not trusted" in reasons(tmp_path / "d", labels)
    assert read(tmp_path / "d", labels, tr=2.0)[0].tr_from == "--tr"


def test_a_header_in_milliseconds_says_the_same(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    path = only(tmp_path / "d", "*preproc_bold.nii.gz")
    image = nib.load(path)
    data = image.get_fdata(dtype=np.float32)
    for zoom, unit in ((2000.0, "msec"), (1.0, "unknown"), (0.0, "sec")):
        other = nib.Nifti1Image(data, AFFINE)
        other.header.set_zooms((3, 3, 3, zoom))
        other.header.set_xyzt_units("mm", unit)
        nib.save(other, path)
        assert read(tmp_path / "d", labels)[0].tr == 2.0


# Dense series
def test_dense_series_are_averaged_over_a_dlabel_and_cleaned_alike(tmp_path):
    axis = places()
    keys = np.r_[np.repeat([1, 2], 5), np.repeat([3, 4], 5), np.full(4, 5)]
    series = made().series
    dense = Recording(series=series[:, keys - 1], tr=2.0, participant="01", source="made")
    write_fmriprep(tmp_path / "d", [dense], dense=axis)
    dlabel = write_dlabel(tmp_path / "five.dlabel.nii", keys, dict(enumerate(("???", *LABELS))), axis)
    (found,) = read(tmp_path / "d", dlabel)
    table, _ = load_confounds_strategy(found.source, denoise_strategy="simple")
    np.testing.assert_allclose(found.series, residual(series, table.to_numpy(), slice(None)), rtol=0, atol=2e-3)
    only(tmp_path / "d", "*bold.json").unlink()
    assert read(tmp_path / "d", dlabel)[0].tr == 2.0
    with pytest.raises(ConfigError, match="ica_aroma needs volumes"):
        opened(tmp_path / "d", dlabel, confounds="ica_aroma")
    with pytest.raises(DataError, match=r"no _desc-preproc_bold\.nii\.gz.*its images are called _bold"):
        opened(tmp_path / "d", write_labels(tmp_path / "labels.nii.gz", labels_of(5)))


# What cannot be used
def test_images_that_are_cut_off_or_something_else_are_a_reason(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made()])
    path = only(tmp_path / "d", "*preproc_bold.nii.gz")
    whole = path.read_bytes()
    for held in (b"", b"garbage", whole[:200], whole[: len(whole) // 2], whole[:-400]):
        path.write_bytes(held)
        assert "preproc_bold.nii.gz" in reasons(tmp_path / "d", labels)
    nib.save(nib.Nifti1Image(np.zeros(SHAPE, np.float32), AFFINE), path)
    assert "has to be a 4-D image, but is 12 x 12 x 12" in reasons(tmp_path / "d", labels)
    path.unlink()
    path.symlink_to("../../.git/annex/objects/not-here")
    assert "datalad get" in reasons(tmp_path / "d", labels)


def test_one_damaged_run_is_listed_and_the_others_are_prepared(tmp_path, labels):
    write_fmriprep(tmp_path / "d", [made("01"), made("02", seed=1)])
    path = only(tmp_path / "d", "sub-01*preproc_bold.nii.gz")
    path.write_bytes(path.read_bytes()[:5000])
    cohort = prepare(opened(tmp_path / "d", labels), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["02"]
    assert cohort.excluded["participant_id"].tolist() == ["01"]


# Whose folder it is
def test_its_folders_are_told_with_and_without_a_description(tmp_path):
    assert is_fmriprep(write_fmriprep(tmp_path / "a", [made()]))
    assert is_fmriprep(write_fmriprep(tmp_path / "b", [made()], version=""))
    images = write_fmriprep(tmp_path / "c", [made()], version="")
    only(images, "*confounds_timeseries.tsv").unlink()
    assert not is_fmriprep(images)


def test_folders_of_other_tools_are_not_its(tmp_path):
    write_xcpd([made_for_xcpd()], tmp_path / "xcpd", XCPD)
    assert not is_fmriprep(tmp_path / "xcpd")
    later = write_fmriprep(tmp_path / "later", [made()])
    described(later, "C-PAC", [("C-PAC", "1.8.7"), ("fMRIPrep", "25.2.0")])
    assert not is_fmriprep(later)
    both = write_fmriprep(tmp_path / "both", [made()], version="")
    name = "sub-01_task-rest_seg-Schaefer2018100Parcels7Networks_desc-denoiseSimple_timeseries.tsv"
    write_table(both / name, ["0", "1"], np.zeros((3, 2)))
    assert not is_fmriprep(both)
    (tmp_path / "empty").mkdir()
    assert not is_fmriprep(tmp_path / "empty")


@pytest.mark.parametrize(
    "series",
    [
        "sub-01_task-rest_atlas-CC200_space-MNI152NLin6ASym_desc-Mean-1_timeseries.1D",
        "sub-01_task-rest_feature-corr_atlas-mine_timeseries.txt",
        "ROISignals_sub-01.mat",
        "conn_project/results/preprocessing/ROI_Subject001_Condition000.mat",
    ],
)
def test_images_beside_the_series_of_another_tool_are_what_it_began_with(tmp_path, series):
    both = write_fmriprep(tmp_path / "both", [made()], version="")
    assert is_fmriprep(both)
    (both / series).parent.mkdir(parents=True, exist_ok=True)
    (both / series).touch()
    assert not is_fmriprep(both)


XCPD = Atlas(name="two", labels=("LH_Vis_1", "LH_Vis_2"), networks=("Vis", "Vis"))


def made_for_xcpd():
    return Recording(series=np.ones((9, 2), np.float32), tr=0.8, participant="01", source="made")


def test_headers_that_nibabel_mends_are_read_without_a_word(tmp_path, caplog, labels):
    write_fmriprep(tmp_path / "d", [made()])
    for path in (only(tmp_path / "d", "*preproc_bold.nii.gz"), only(tmp_path / "d", "*brain_mask.nii.gz"), labels):
        header = bytearray(gzip.decompress(path.read_bytes()))
        header[80:84] = np.float32(-3).tobytes()  # pixdim[1]
        path.write_bytes(gzip.compress(bytes(header)))
    assert len(read(tmp_path / "d", labels)) == 1
    assert caplog.records == []
    nib.load(labels)  # outside, nibabel speaks as ever
    assert "pixdim" in caplog.text
