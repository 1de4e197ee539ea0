"""Files of C-PAC and of ABIDE: which are read, and which column is which ROI, or refused or asked about."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from tiny_pcp import ATLAS, made, opened, read

from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError, DataError, UnknownTRError
from semantoks.signals.prepare import prepare
from semantoks.signals.sources.pcp import is_pcp
from semantoks.simulation.abide import write_abide


def cpac_file(root, name, series):
    """A file of C-PAC 1.8."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ",".join(f"#{i}" for i in range(1, series.shape[1] + 1))
    np.savetxt(path, series, fmt="%.9g", delimiter=",", header=f"# CPAC 1.8.7\n{header}", comments="")
    return path


# Several answers in one folder
def test_the_atlas_of_our_name_is_read_among_several(tmp_path):
    write_abide([made()], tmp_path, ATLAS)
    write_abide([made(rois=116, seed=1)], tmp_path, get_atlas("aal"))
    np.testing.assert_array_equal(read(tmp_path)[0].series, made().series)
    np.testing.assert_array_equal(read(tmp_path, get_atlas("AAL:one"))[0].series, made(rois=116, seed=1).series)
    assert opened(tmp_path).notes()[-1] == "other atlases left out: aal (1 file)"
    own = Atlas(name="mine", labels=tuple("abc"), networks=tuple("abc"))
    with pytest.raises(
        ConfigError, match=r"several atlases, none of them called mine.*aal \(1 file\), cc200 \(1 file\)"
    ):
        opened(tmp_path, own)


def test_the_only_atlas_is_read_whatever_it_is_called_if_it_has_as_many_rois(tmp_path):
    own = Atlas(name="mine", labels=tuple("abc"), networks=tuple("abc"))
    np.savetxt(tmp_path / "NYU_0050952_rois_ez.1D", made(rois=3).series, fmt="%.9g")
    np.testing.assert_array_equal(read(tmp_path, own)[0].series, made(rois=3).series)
    with pytest.raises(
        DataError, match=r"wrong number of ROIs\. It is time x ROI, 140 x 3, and the atlas cc200 has 200"
    ):
        read(tmp_path)


def test_strategies_and_pipelines_are_asked_about_and_one_folder_of_them_is_read(tmp_path):
    write_abide([made(), made("NYU_0050952", seed=1)], tmp_path, ATLAS)
    write_abide([made(band=(0.01, 0.1), seed=2)], tmp_path, ATLAS)
    message = r"several ways of processing .* cpac filt_noglobal \(1 file\), cpac nofilt_noglobal \(2 files\)\. Choose"
    with pytest.raises(ConfigError, match=message):
        opened(tmp_path)
    (filtered,) = read(tmp_path / "cpac" / "filt_noglobal")
    np.testing.assert_array_equal(filtered.series, read(tmp_path, variant="filt_noglobal")[0].series)
    assert filtered.band == (0.01, 0.1)
    assert read(tmp_path / "cpac" / "nofilt_noglobal")[0].band is None
    shutil.copytree(tmp_path / "cpac" / "filt_noglobal", tmp_path / "two" / "dparsf" / "filt_noglobal")
    shutil.move(tmp_path / "cpac" / "filt_noglobal", tmp_path / "two" / "cpac" / "filt_noglobal")
    with pytest.raises(ConfigError, match="several ways of processing"):
        opened(tmp_path / "two")


def test_forks_of_c_pac_are_asked_about(tmp_path):
    stem = "sub-01/func/sub-01_task-rest_atlas-CC200_space-MNI152NLin6ASym"
    cpac_file(tmp_path, f"{stem}_desc-Mean-1_timeseries.1D", made().series)
    cpac_file(tmp_path, f"{stem}_desc-Mean-2_timeseries.1D", made(seed=1).series)
    with pytest.raises(ConfigError, match=r"desc-Mean-1 \(1 file\), desc-Mean-2 \(1 file\)"):
        opened(tmp_path, tr=2.0)
    for path in tmp_path.rglob("*Mean-2*"):
        path.rename(path.with_name(path.name.replace("_desc-Mean-2", "_reg-36parameter_desc-Mean-1")))
    with pytest.raises(ConfigError, match=r"desc-Mean-1 \(1 file\), reg-36parameter desc-Mean-1 \(1 file\)"):
        opened(tmp_path, tr=2.0)


def test_the_same_recording_twice_is_refused(tmp_path):
    write_abide([made()], tmp_path, ATLAS)
    shutil.copytree(tmp_path / "cpac" / "nofilt_noglobal", tmp_path / "copy" / "cpac" / "nofilt_noglobal")
    with pytest.raises(ConfigError, match="several versions of a run, for example sub-CMU_a_0050642"):
        opened(tmp_path)


# C-PAC's own names
def test_c_pacs_names_say_participant_session_and_run(tmp_path):
    tail = "atlas-CC200_space-MNI152NLin6ASym_desc-Mean-1_timeseries.1D"
    for seed, run in enumerate(("1", "2")):
        name = f"output/pipeline_default/sub-007/ses-b/func/sub-007_ses-b_task-rest_run-{run}_{tail}"
        cpac_file(tmp_path, name, made(seed=seed).series)
    source = opened(tmp_path, tr=2.0)
    assert [item.key for item in source.items()] == [f"sub-007_ses-b_task-rest_run-{run}" for run in "12"]
    assert source.notes() == ["atlas CC200, processing pipeline_default desc-Mean-1"]
    for seed, item in enumerate(source.items()):
        found = source.read(item)
        np.testing.assert_array_equal(found.series, made(seed=seed).series)
        assert (found.participant, found.session, found.run) == ("007", "b", str(seed + 1))
    with pytest.raises(UnknownTRError, match="no repetition time"):
        opened(tmp_path)
    with pytest.raises(ConfigError, match="has no sub-008; it has 007"):
        opened(tmp_path, tr=2.0, participant_label=("008",))
    assert is_pcp(tmp_path)


@pytest.mark.parametrize(
    ("written", "atlas", "refused"),
    [
        ("Schaefer2018p100n17", "schaefer100", "in the order of 17 networks"),
        ("Schaefer2018p100n7", "schaefer100-17", "in the order of 7 networks"),
        ("Schaefer2018p100n7", "schaefer100", ""),
        ("Schaefer100", "schaefer100", ""),
        ("Schaefer2018p100n17", "schaefer100-17", ""),
        ("Schaefer2018100Parcels17NetworksOrder", "schaefer100-17", ""),
        ("Schaefer2018100Parcels17NetworksOrder", "schaefer100", "in the order of 17 networks"),
        ("Schaefer2018100Parcels7NetworksOrder", "schaefer100", ""),
        ("Schaefer7n100p", "schaefer100-17", "in the order of 7 networks"),
    ],
)
def test_the_other_order_of_networks_in_the_name_of_the_atlas_is_refused(tmp_path, written, atlas, refused):
    cpac_file(tmp_path, f"sub-1_task-rest_atlas-{written}_desc-Mean-1_timeseries.1D", made(rois=100).series)
    if not refused:
        np.testing.assert_array_equal(read(tmp_path, get_atlas(atlas), tr=2.0)[0].series, made(rois=100).series)
        return
    with pytest.raises(DataError, match=refused):
        opened(tmp_path, get_atlas(atlas), tr=2.0)


def test_other_files_of_c_pac_and_of_others_are_not_taken(tmp_path):
    for name in (
        *("sub-1_task-rest_atlas-CC200_desc-PearsonNilearn_correlations.tsv", "sub-1_task-rest_timeseries.1D"),
        *("sub-1_task-rest_atlas-4S456Parcels_timeseries.tsv", "NYU_0050952_rois_cc200.tsv", "rois_cc200.1D"),
    ):
        (tmp_path / name).touch()
    assert not is_pcp(tmp_path)


# What is in the files
@pytest.mark.parametrize("delimiter", ["\t", ",", " "])
def test_the_numbers_of_the_header_are_no_frame_and_no_labels(tmp_path, delimiter):
    header = delimiter.join(f"#{2001 + 10 * i}" for i in range(200))
    np.savetxt(
        tmp_path / "NYU_0050952_rois_cc200.1D",
        made().series,
        delimiter=delimiter,
        header=header,
        comments="",
        fmt="%.9g",
    )
    np.testing.assert_array_equal(read(tmp_path)[0].series, made().series)


def test_labels_in_the_header_decide(tmp_path):
    atlas = get_atlas("aal")
    order = np.random.default_rng(0).permutation(116)
    frame = pd.DataFrame(made(rois=116).series, columns=list(atlas.labels)).iloc[:, order[:-1]]
    frame.to_csv(tmp_path / "NYU_0050952_rois_aal.1D", sep="\t", index=False, float_format="%.9g")
    (found,) = read(tmp_path, atlas)
    kept = np.sort(order[:-1])
    np.testing.assert_array_equal(found.series[:, kept], made(rois=116).series[:, kept])
    assert np.isnan(found.series[:, order[-1]]).all()
    frame.rename(columns=lambda name: f"Other{name}").to_csv(
        tmp_path / "NYU_0050952_rois_aal.1D", sep="\t", index=False
    )
    with pytest.raises(DataError, match="none of its 115 labels is a label of the atlas aal"):
        read(tmp_path, atlas)


def test_as_many_frames_as_rois_are_never_taken_for_the_rois(tmp_path):
    square = made(frames=200)
    write_abide([square], tmp_path / "square", ATLAS)
    np.testing.assert_array_equal(read(tmp_path / "square")[0].series, square.series)
    np.savetxt(tmp_path / "NYU_0050952_rois_ez.1D", made(frames=200, rois=116).series)
    with pytest.raises(DataError, match=r"It is time x ROI, 200 x 116"):
        opened(tmp_path, participant_label=("NYU_0050952",)).read(
            opened(tmp_path, participant_label=("NYU_0050952",)).items()[0]
        )


@pytest.mark.parametrize("zeros", [0.0, np.nan])
def test_rois_of_zeros_or_nan_are_missing(tmp_path, zeros):
    one = made()
    one.series[:, [3, 150]] = zeros
    write_abide([one], tmp_path / "pcp", ATLAS)
    cohort = prepare(opened(tmp_path / "pcp"), out=tmp_path / "c", atlas=ATLAS)
    assert np.flatnonzero(cohort.missing[0]).tolist() == [3, 150]


def test_one_damaged_file_is_listed_and_the_others_are_prepared(tmp_path):
    write_abide([made(f"NYU_005095{i}", seed=i) for i in range(4)], tmp_path / "pcp", ATLAS)
    paths = sorted(tmp_path.rglob("*.1D"))
    paths[0].write_text("")
    paths[1].write_bytes(b"\xff\xfe\x00")
    paths[2].write_text(re.sub(r"\d\n", "x\n", paths[2].read_text(), count=5))
    cohort = prepare(opened(tmp_path / "pcp"), out=tmp_path / "c", atlas=ATLAS)
    assert cohort.recordings["participant_id"].tolist() == ["NYU_0050953"]
    assert all(".1D" in reason for reason in cohort.excluded["reason"])


def test_text_series_of_halfpipe_are_not_its(tmp_path):
    (tmp_path / "sub-01_task-rest_feature-corr_atlas-mine_timeseries.txt").touch()
    assert not is_pcp(tmp_path)
    (tmp_path / "sub-01_task-rest_atlas-mine_timeseries.1D").touch()
    assert is_pcp(tmp_path)


def save(root, series, numbers, name="NYU_0050952_rois_cc200.1D"):
    header = "\t".join(f"#{number}" for number in numbers)
    np.savetxt(root / name, series, fmt="%.9g", delimiter="\t", header=header, comments="")


@pytest.mark.parametrize("beyond", [[], [201]])
def test_a_number_that_the_header_skips_is_an_roi_that_is_missing(tmp_path, beyond):
    numbers = [*range(1, 5), *range(6, 201), *beyond]
    series = made(rois=len(numbers)).series
    save(tmp_path, series, numbers)
    found = read(tmp_path)[0].series
    assert np.flatnonzero(np.isnan(found).all(axis=0)).tolist() == [4]
    np.testing.assert_array_equal(found[:, :4], series[:, :4])
    np.testing.assert_array_equal(found[:, 5:], series[:, 4:199])


def test_numbers_name_no_roi_where_the_atlas_has_words_as_labels(tmp_path):
    series = made(rois=116).series
    save(tmp_path, series, [2001, 2002, *range(2101, 2215)], "NYU_0050952_rois_aal.1D")
    np.testing.assert_array_equal(read(tmp_path, get_atlas("aal"))[0].series, series)


def test_series_of_another_packaged_atlas_with_as_many_rois_are_refused_by_name(tmp_path):
    (tmp_path / "NYU_0050952_rois_cc200.1D").write_text("\n".join("\t".join(["1"] * 200) for _ in range(30)) + "\n")
    with pytest.raises(DataError, match="has series of the atlas cc200, not of schaefer200: choose --atlas cc200"):
        opened(tmp_path, get_atlas("schaefer200"))
