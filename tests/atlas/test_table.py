import numpy as np
import pytest

from semantoks.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import DataError


def written(tmp_path, text: str):
    path = tmp_path / "mine.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_label_and_network_alone_make_an_atlas(tmp_path):
    atlas = Atlas.from_tsv(written(tmp_path, "label\tnetwork\n1\tA\nNA\tB\n"))
    assert (atlas.name, atlas.labels, atlas.networks) == ("mine", ("1", "NA"), ("A", "B"))
    assert atlas.hemisphere == ("n/a", "n/a")
    assert np.isnan(atlas.centroids).all()


def test_columns_may_stand_in_any_order_beside_others(tmp_path):
    text = "z\tnetwork\tcolour\tx\tlabel\themisphere\n3\tA\tred\t-1.5\ta\tL\nn/a\tB\tblue\t\tb\t\n"
    atlas = Atlas.from_tsv(str(written(tmp_path, text)))
    assert atlas.labels == ("a", "b")
    assert atlas.hemisphere == ("L", "n/a")
    np.testing.assert_array_equal(atlas.centroids, [[-1.5, np.nan, 3], [np.nan] * 3])


def test_a_byte_order_mark_windows_line_ends_and_blank_lines_do_no_harm(tmp_path):
    atlas = Atlas.from_tsv(written(tmp_path, "\ufefflabel\tnetwork\r\n a \tA\r\n\r\nb\tB\r\n\t\r\n"))
    assert atlas.labels == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"lacks label and network; its header is \[\]"),
        ("region,net\na,A\n", r"but lacks label and network; its header is \['region', 'net'\]"),
        ("label\tNetwork\na\tA\n", r"lacks network; its header is \['label', 'Network'\]"),
        ("label\tnetwork\n", "no rows"),
        ("label\tlabel\tnetwork\na\tb\tA\n", "more than one column label"),
        ("label\tnetwork\na\tA\n\tB\n", "line 3: the label is empty"),
        ("label\tnetwork\na\n", "line 2: the network is empty"),
        ("label\tnetwork\na\tn/a\n", "line 2: the network is n/a"),
        ("label\tnetwork\na\tA\n\nb\tB\na\tB\n", "line 5: the label 'a' occurs already at line 2"),
        ("label\tnetwork\na\tA\tB\n", "line 2: 3 cells, but the header names 2"),
        ("label\tnetwork\themisphere\na\tA\tboth\n", "line 2: hemisphere has to be L, R or n/a, not 'both'"),
        ("label\tnetwork\tx\na\tA\tleft\n", "line 2: x has to be a number of millimetres or n/a, not 'left'"),
        ("label\tnetwork\ty\na\tA\tinf\n", "line 2: y has to be a number"),
    ],
)
def test_a_faulty_table_is_refused_with_its_name_and_line(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as caught:
        Atlas.from_tsv(written(tmp_path, text))
    assert "mine.tsv" in str(caught.value)


def test_of_many_faulty_rows_five_are_named_and_the_rest_counted(tmp_path):
    path = written(tmp_path, "label\tnetwork\n" + "\tA\n" * 7)
    with pytest.raises(DataError, match=r"line 2: the label is empty.*line 4: .*and \d+ more"):
        Atlas.from_tsv(path)


def test_a_missing_file_and_a_file_that_is_no_text_are_named(tmp_path):
    with pytest.raises(DataError, match=r"there is no atlas table .*absent\.tsv"):
        Atlas.from_tsv(tmp_path / "absent.tsv")
    path = tmp_path / "image.tsv"
    path.write_bytes(b"\x1f\x8b\x08\xff\xfe\n")
    with pytest.raises(DataError, match=r"image\.tsv cannot be read as a table in UTF-8"):
        Atlas.from_tsv(path)


def test_a_dseg_table_of_xcpd_is_an_atlas_whose_parts_outside_of_the_cortex_are_networks(tmp_path):
    (tmp_path / "atlas-4S_dseg.tsv").write_text(
        "index\tlabel\tnetwork_label\tlabel_7network\tatlas_name\n"
        "1\tLH_Vis_1\tVis\tLH_Vis_1\t4S\n2\tLH-Pu\tn/a\tn/a\tCIT168\n3\tCerebellar_Region1\t\tn/a\tCerebellum\n"
    )
    atlas = Atlas.from_tsv(tmp_path / "atlas-4S_dseg.tsv")
    assert atlas.labels == ("LH_Vis_1", "LH-Pu", "Cerebellar_Region1")
    assert atlas.networks == ("Vis", "CIT168", "Cerebellum")


def test_a_dseg_table_of_bids_has_names_and_its_background_is_no_roi(tmp_path):
    (tmp_path / "dseg.tsv").write_text(
        "index\tname\tnetwork_label\n0\tBackground\tn/a\n1\tUnknown_area\tVis\n2\tb\tVis\n"
    )
    assert Atlas.from_tsv(tmp_path / "dseg.tsv").labels == ("Unknown_area", "b")


@pytest.mark.parametrize(("mark", "encoding"), [(",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"), (",", "utf-16")])
def test_commas_semicolons_and_utf_16_are_read_as_tabs_are(tmp_path, mark, encoding):
    text = "label\tnetwork\nV1\tVis\nM1\tMot\n".replace("\t", mark)
    (tmp_path / "own.csv").write_bytes(text.encode(encoding))
    atlas = get_atlas(str(tmp_path / "own.csv"))
    assert (atlas.labels, atlas.networks) == (("V1", "M1"), ("Vis", "Mot"))


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\u202eb", "a\x9b"])
def test_a_label_that_a_table_cannot_hold_or_a_terminal_obeys_is_refused(name):
    with pytest.raises(DataError, match="tab, line break or control character"):
        Atlas(name="a", labels=(name, "b"), networks=("x", "y"))
