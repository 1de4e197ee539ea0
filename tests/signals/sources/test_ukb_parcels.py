"""UK Biobank's scales and orders of parcels: found by label, and never taken for one another."""

import shutil

import numpy as np
import pandas as pd
import pytest
from tiny_ukb import ATLAS, CORTEX, SCHAEFER_FILE, TIAN, TIAN_FILE, made, missing, opened, read, rewrite

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError
from semantoks.signals.sources.ukb import wanted_files
from semantoks.simulation.ukb import write_ukb

pytestmark = pytest.mark.slow


# Which scale
def test_of_several_scales_that_of_the_atlas_is_read(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    for other in ("schaefer200", "tian-s2", "tian-s4"):
        write_ukb([made(atlas=get_atlas(other), seed=9)], tmp_path, get_atlas(other))
    assert len(list(tmp_path.rglob("*.gz"))) == 5
    np.testing.assert_array_equal(read(tmp_path)[0].series, made().series)
    assert read(tmp_path, get_atlas("schaefer200"))[0].series.shape == (340, 200)


def test_another_scale_is_never_taken_for_that_of_the_atlas_although_labels_are_equal(tmp_path):
    small = get_atlas("tian-s2")
    assert set(small.labels) & set(TIAN.labels)
    write_ukb([made(atlas=small)], tmp_path, small)
    source = opened(tmp_path, TIAN)
    assert "1 of 1 unpacked recordings have no fMRI.Tian_Subcortex_S3_3T" in source.notes()[1]
    with pytest.raises(
        DataError, match=r"sub-1000012_ses-2 has no fMRI\.Tian_Subcortex_S3_3T; it has fMRI\.Tian_Subcortex_S2_3T"
    ):
        source.read(source.items()[0])


def test_an_instance_without_tian_lacks_the_subcortex_and_the_notes_count_it(tmp_path):
    write_ukb([made(), made("1000013", seed=1)], tmp_path, ATLAS)
    shutil.rmtree(tmp_path / "1000013_31019_2_0")
    whole, half = read(tmp_path)
    assert len(missing(whole)) == 7
    assert missing(half) == [*TIAN.labels, *get_atlas("buckner7").labels]
    assert opened(tmp_path).notes()[1] == ("1 of 2 unpacked recordings have no fMRI.Tian_Subcortex_S3_3T")


def test_the_other_order_of_networks_is_brought_over_on_request_only(tmp_path):
    seventeen = get_atlas("schaefer100-17")
    write_ukb([made(atlas=seventeen)], tmp_path, seventeen)
    with pytest.raises(DataError, match="--reorder"):
        read(tmp_path, CORTEX)
    (found,) = read(tmp_path, CORTEX, reorder=True)
    place = [np.flatnonzero((seventeen.centroids == centre).all(axis=1))[0] for centre in CORTEX.centroids]
    np.testing.assert_array_equal(found.series, made(atlas=seventeen).series[:, place])
    write_ukb([made(atlas=CORTEX, seed=5)], tmp_path, CORTEX)
    np.testing.assert_array_equal(read(tmp_path, CORTEX)[0].series, made(atlas=CORTEX, seed=5).series)


def test_few_rois_that_several_scales_have_are_asked_about(tmp_path):
    few = get_atlas("schaefer100").select(["LH_Vis_1", "RH_Vis_1"])
    scales = [scale[0] for scale in wanted_files(few)[0]]
    assert {"fMRI.Schaefer7n100p", "fMRI.Schaefer7n400p"} <= set(scales)
    write_ukb([made()], tmp_path, ATLAS)
    np.testing.assert_array_equal(read(tmp_path, few)[0].series, made().series[:, [0, 50]])
    write_ukb([made(atlas=get_atlas("schaefer200"))], tmp_path, get_atlas("schaefer200"))
    with pytest.raises(DataError, match=r"few ROIs are in fMRI\.Schaefer7n100p and fMRI\.Schaefer7n200p"):
        read(tmp_path, few)


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("schaefer400+tian-s3+buckner7", [("fMRI.Schaefer7n400p", "fMRI.Schaefer17n400p"), "Tian_Subcortex_S3_3T"]),
        ("schaefer1000-17", [("fMRI.Schaefer17n1000p", "fMRI.Schaefer7n1000p")]),
        ("4s456", [("fMRI.Schaefer7n400p", "fMRI.Schaefer17n400p")]),
        ("cc200", []),
    ],
)
def test_which_files_an_atlas_wants(name, files):
    expected = [[one if isinstance(one, tuple) else (f"fMRI.{one}",)] for one in files]
    assert wanted_files(get_atlas(name)) == expected


def test_parcels_of_no_packaged_atlas_are_found_by_the_labels_of_a_table(tmp_path):
    labels = ["L_V1_ROI", "R_V1_ROI", "L_MST_ROI"]
    own = tmp_path / "glasser.tsv"
    pd.DataFrame({"label": labels[::-1], "network": "Vis"}).to_csv(own, sep="\t", index=False)
    values = np.random.default_rng(0).normal(size=(3, 340)).astype(np.float32)
    folder = tmp_path / "bulk" / "1000012_31016_2_0"
    folder.mkdir(parents=True)
    table = pd.DataFrame(values, index=labels, columns=[f"timepoint_{i}" for i in range(340)])
    table.to_csv(folder / "fMRI.Glasser.csv", index_label="label_name", float_format="%.9g")
    (found,) = read(tmp_path / "bulk", get_atlas(own))
    np.testing.assert_array_equal(found.series, values[::-1].T)
    with pytest.raises(DataError, match=r"has no fMRI\.Schaefer7n100p"):
        read(tmp_path / "bulk", CORTEX)
    with pytest.raises(DataError, match="none of its 3 labels is a label of the atlas cc200"):
        read(tmp_path / "bulk", get_atlas("cc200"))


# What is in the files
def test_rows_are_found_by_label_and_a_row_of_nan_or_none_is_missing(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)

    def change(text):
        header, *lines = text.splitlines()
        lines[3] = "7Networks_LH_Vis_4" + "," * 340
        lines[4] = "7Networks_LH_Vis_5" + ",nan" * 340
        return "\n".join([header, *reversed(lines[1:])]) + "\n"

    rewrite(next(tmp_path.rglob(SCHAEFER_FILE)), change)
    (found,) = read(tmp_path)
    assert missing(found)[:3] == ["LH_Vis_1", "LH_Vis_4", "LH_Vis_5"]
    kept = [i for i, label in enumerate(ATLAS.labels) if label not in missing(found)]
    assert len(kept) == 147
    np.testing.assert_array_equal(found.series[:, kept], made().series[:, kept])


def test_the_three_labels_that_xcpd_cuts_short_are_known_here_too(tmp_path):
    write_ukb([made()], tmp_path, ATLAS)
    rewrite(next(tmp_path.rglob(TIAN_FILE)), lambda text: text.replace("HIP-body-lh", "HIP-body-l"))
    np.testing.assert_array_equal(read(tmp_path)[0].series, made().series)
