"""Filtered framewise displacement beside the plain one: said, chosen by an option, never taken for it."""

import numpy as np
import pandas as pd
import pytest
import tiny_fmriprep
import tiny_xcpd

from semantoks.errors import ConfigError, DataError
from semantoks.signals.files.motion import FD, FILTERED_FD
from semantoks.simulation.derivatives import write_xcpd

pytestmark = pytest.mark.slow

PLAIN, FILTERED = np.linspace(0.2, 0.4, 160), np.linspace(0.05, 0.1, 160)


def xcpd(root, name):
    write_xcpd([tiny_xcpd.made(fd=PLAIN)], root, tiny_xcpd.ATLAS, version="26.1.1")
    (motion,) = tiny_xcpd.files(root, "*_motion.tsv")
    if name:
        pd.DataFrame({FD: PLAIN, name: FILTERED}).to_csv(motion, sep="\t", index=False)
    return root


def fmriprep(root, name):
    table = tiny_fmriprep.confounds_of(tiny_fmriprep.FRAMES, fd=PLAIN[:120])
    if name:
        table[name] = FILTERED[:120]
    return tiny_fmriprep.write_fmriprep(root, [tiny_fmriprep.made()], confounds=table)


@pytest.mark.parametrize("name", FILTERED_FD)
def test_xcp_d_s_filtered_displacement_is_named_and_read_only_if_asked_for(tmp_path, name):
    root = xcpd(tmp_path, name)
    assert f"motion: {FD} is read; {name}, without respiration, is there too (--filtered-fd)" in (
        tiny_xcpd.opened(root).notes()
    )
    assert tiny_xcpd.read(root)[0].mean_fd == pytest.approx(PLAIN.mean())
    assert tiny_xcpd.read(root, filtered_fd=True)[0].mean_fd == pytest.approx(FILTERED.mean())
    assert f"motion: {name} is read (--filtered-fd), not {FD}" in tiny_xcpd.opened(root, filtered_fd=True).notes()


@pytest.mark.parametrize("name", FILTERED_FD)
def test_fmriprep_s_filtered_displacement_is_named_and_read_only_if_asked_for(tmp_path, name):
    root = fmriprep(tmp_path / "d", name)
    labels = tiny_fmriprep.write_labels(tmp_path / "labels.nii.gz", tiny_fmriprep.labels_of(5))
    assert any("(--filtered-fd)" in note for note in tiny_fmriprep.opened(root, labels).notes())
    assert tiny_fmriprep.read(root, labels)[0].mean_fd == pytest.approx(PLAIN[:120].mean())
    assert tiny_fmriprep.read(root, labels, filtered_fd=True)[0].mean_fd == pytest.approx(FILTERED[:120].mean())


def test_a_filtered_displacement_that_is_not_there_is_refused_and_the_plain_one_needs_no_words(tmp_path):
    root = xcpd(tmp_path, "")
    assert not any("motion" in note for note in tiny_xcpd.opened(root).notes())
    with pytest.raises(DataError, match=r"_motion\.tsv has no column .*leave --filtered-fd out"):
        tiny_xcpd.read(root, filtered_fd=True)
    tiny_xcpd.files(root, "*_motion.tsv")[0].unlink()
    assert np.isnan(tiny_xcpd.read(root)[0].mean_fd)
    with pytest.raises(DataError, match=r"there is no motion\.tsv"):
        tiny_xcpd.read(root, filtered_fd=True)


def test_sources_that_have_no_such_choice_refuse_it(tmp_path):
    np.save(tmp_path / "sub-01_timeseries.npy", np.zeros((50, 457), np.float32))
    for path in (tmp_path, tmp_path / "sub-01_timeseries.npy"):
        with pytest.raises(ConfigError, match="is neither: leave it out"):
            tiny_xcpd.opened(path, tr=2.0, filtered_fd=True)
    assert len(tiny_xcpd.opened(tmp_path, tr=2.0).items()) == 1


@pytest.mark.parametrize("choice", ["parcellation", "fetch_parcellation", "confounds", "global_signal"])
@pytest.mark.parametrize("xcpd", [False, True])
def test_choices_for_images_are_refused_by_sources_without_images(tmp_path, choice, xcpd):
    (tmp_path / "x").mkdir()
    if xcpd:
        write_xcpd([tiny_xcpd.made()], tmp_path / "x", tiny_xcpd.ATLAS)
    else:
        np.save(tmp_path / "x" / "sub-01_timeseries.npy", np.zeros((50, 457), np.float32))
    (tmp_path / "lab.nii.gz").write_bytes(b"x")
    given = {"parcellation": tmp_path / "lab.nii.gz", "confounds": "compcor"}.get(choice, True)
    with pytest.raises(ConfigError, match=rf"--{choice.replace('_', '-')} is for fMRIPrep.* leave it out"):
        tiny_xcpd.opened(tmp_path / "x", tr=None if xcpd else 2.0, **{choice: given})
