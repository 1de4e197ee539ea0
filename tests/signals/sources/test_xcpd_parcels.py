"""XCP-D's atlases: parcels are found by label, and never taken for others."""

import numpy as np
import pandas as pd
import pytest
from tiny_xcpd import ATLAS, CORTEX, HALF, files, made, opened, read

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.prepare import prepare
from semantoks.simulation.derivatives import write_table, write_xcpd

pytestmark = pytest.mark.slow


# Trap 3, 4: which columns are what
def test_the_subcortex_of_4s_is_never_taken_for_tians(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    for path in files(tmp_path, "*atlas-Tian_*"):
        path.unlink()
    (path,) = files(tmp_path, "*4S456Parcels*.tsv")
    table = pd.read_csv(path, sep="\t")
    table.iloc[:, 400:] = 7 * np.arange(160)[:, None] + np.arange(56)
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    (found,) = read(tmp_path)
    assert np.isfinite(found.series[:, :400]).all()
    assert np.isnan(found.series[:, 400:]).all()


def test_other_scales_of_4s_are_not_used_although_their_labels_are_spelled_the_same(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    (path,) = files(tmp_path, "*4S456Parcels*.tsv")
    small = get_atlas("schaefer100")
    write_table(path.with_name(path.name.replace("4S456", "4S156")), small.labels, np.zeros((160, 100)))
    source = opened(tmp_path)
    assert source.notes()[1] == "not used, no label of schaefer400+tian-s3+buckner7: 4S156Parcels"
    assert np.isfinite(source.read(source.items()[0]).series[HALF]).all()


def test_without_any_atlas_of_ours_it_is_said_which_there_are(tmp_path):
    write_xcpd([made()], tmp_path, ATLAS)
    with pytest.raises(DataError, match=r"no atlas of XCP-D \(4S456Parcels, Tian\) has labels of cc200"):
        opened(tmp_path, get_atlas("cc200"))


# Trap 5, 6: label versions, and the other order of networks
def test_the_other_order_of_networks_is_named_and_brought_over_on_request(tmp_path):
    write_xcpd([made()], tmp_path, CORTEX_ONLY := CORTEX)
    seventeen = get_atlas("schaefer400-17")
    with pytest.raises(DataError, match="--reorder"):
        opened(tmp_path, seventeen)
    (found,) = read(tmp_path, seventeen, reorder=True)
    (plain,) = read(tmp_path, CORTEX_ONLY)
    place = [np.flatnonzero((CORTEX.centroids == centre).all(axis=1))[0] for centre in seventeen.centroids]
    np.testing.assert_array_equal(found.series, plain.series[:, place])


def test_prefixed_labels_are_the_same_and_labels_of_before_2019_are_refused(tmp_path):
    write_xcpd([made()], tmp_path, CORTEX)
    (path,) = files(tmp_path, "*4S456Parcels*.tsv")
    text = path.read_text()
    path.write_text(text.replace("LH_", "7Networks_LH_").replace("RH_", "7Networks_RH_"))
    assert np.isfinite(read(tmp_path, CORTEX)[0].series).all()
    path.write_text(text.replace("LH_Cont_PFCl_1\t", "LH_Cont_PFCold_1\t"))
    with pytest.raises(DataError, match="not the same set"):
        opened(tmp_path, CORTEX)


# Trap 7: missing parcels
@pytest.mark.parametrize("written", ["n/a", "", "0", "3.5"])
def test_a_parcel_that_is_na_empty_or_constant_is_missing(tmp_path, written):
    write_xcpd([made()], tmp_path / "x", ATLAS)
    (path,) = files(tmp_path / "x", "*4S456Parcels*.tsv")
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    for line in lines[1:]:
        line[0] = line[7] = written
    path.write_text("\n".join("\t".join(line) for line in lines) + "\n")
    cohort = prepare(tmp_path / "x", out=tmp_path / "c", atlas=ATLAS)
    assert cohort.missing[0, [0, 7]].all()
    assert cohort.missing[0, :450].sum() == 2
    assert (cohort.series(0)[:, [0, 7]] == 0).all()


def test_hashes_of_the_multiverse_layout_are_taken_off(tmp_path):
    write_xcpd([made(fd=np.full(160, 0.1))], tmp_path, ATLAS)
    for path in files(tmp_path, "*.tsv"):
        header, _, rest = path.read_text().partition("\n")
        path.write_text("\t".join(f"{label}_hash-a1b2" for label in header.split("\t")) + "\n" + rest)
    (found,) = read(tmp_path)
    np.testing.assert_array_equal(found.series, made().series)
    assert found.mean_fd == pytest.approx(0.1)
