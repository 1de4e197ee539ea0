from pathlib import Path

import pytest

from semantoks.signals.files.names import identify, parse, schaefer_order, walk


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01_ses-2_task-rest_run-3_timeseries.tsv", ("01", "2", "3")),
        ("sub-0050642_bold.npy", ("0050642", "", "")),
        ("sub-01_ses-pre", ("01", "pre", "")),
        ("CMU_a_0050642_rois_cc200.1D", ("CMU_a_0050642", "", "")),
        ("CMU_a_0050642_rois_cc200_timeseries.csv", ("CMU_a_0050642", "", "")),
        ("0050642_timeseries_bold.txt", ("0050642", "", "")),
        ("John.Doe.csv", ("John.Doe", "", "")),
        ("John.Doe", ("John.Doe", "", "")),
        ("sub-1.2_x", ("1.2", "", "")),
        ("_bold.npy", ("_bold", "", "")),
        ("subject7_session-2.npy", ("subject7_session-2", "", "")),
    ],
)
def test_the_name_tells_participant_session_and_run(name: str, expected: tuple[str, str, str]) -> None:
    got = identify(name)
    assert (got.participant, got.session, got.run) == expected


def test_folders_add_what_the_name_lacks_and_never_overrule_it() -> None:
    got = identify("rest_bold.npy", ("data", "sub-09", "ses-b"))
    assert (got.participant, got.session) == ("09", "b")
    got = identify("sub-01_bold.npy", ("sub-09", "ses-b"))
    assert (got.participant, got.session) == ("01", "b")


def test_other_entities_are_kept_beside() -> None:
    assert identify("sub-1_task-rest_dir-AP_bold.npy").entities == {"task": "rest", "dir": "AP"}


def test_words_without_a_hyphen_do_not_hide_whose_a_file_is():
    name = "sub-NDAR1_ses-2Y_task-rest_bold_atlas-Gordon2014_desc-filtered_timeseries.ptseries.nii"
    found = parse(Path(name))
    assert found is not None
    assert found.entities == {"sub": "NDAR1", "ses": "2Y", "task": "rest", "atlas": "Gordon2014", "desc": "filtered"}
    other = parse(Path("sub-1_task-rest_clean_bold.dtseries.nii"))
    assert other is not None
    assert other.entities["word"] == "clean"


@pytest.mark.parametrize(
    ("name", "parcels", "networks"),
    [
        ("Schaefer2018100Parcels17NetworksOrder", "100", "17"),
        ("Schaefer2018_400Parcels_7Networks_order_FSLMNI152_2mm", "400", "7"),
        ("Schaefer2018p1000n17", "1000", "17"),
        ("schaefer7n400p", "400", "7"),
        ("Schaefer400", "400", ""),
        ("CC200", "", ""),
    ],
)
def test_names_of_schaefer_atlases_say_parcels_and_networks(name, parcels, networks):
    assert schaefer_order(name) == (parcels, networks)


def walked(root: Path, depth: int | None = None) -> list[str]:
    return [Path(folder, name).relative_to(root).as_posix() for folder, name in walk(root, depth=depth)]


def touched(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_links_to_folders_are_followed_in_the_order_of_their_names(tmp_path: Path) -> None:
    root, other = tmp_path / "in", tmp_path / "else"
    touched(root / "sub-1" / "a.tsv", root / "sub-3" / "a.tsv", other / "sub-2" / "ses-1" / "a.tsv", other / "b.tsv")
    (root / "sub-2").symlink_to(other / "sub-2")
    assert walked(root) == ["sub-1/a.tsv", "sub-2/ses-1/a.tsv", "sub-3/a.tsv"]
    assert walked(root, depth=2) == ["sub-1/a.tsv", "sub-3/a.tsv"]
    (tmp_path / "link").symlink_to(root)
    assert walked(tmp_path / "link") == walked(root)


def test_a_folder_is_walked_once_however_many_links_lead_to_it(tmp_path: Path) -> None:
    root, other = tmp_path / "in", tmp_path / "else"
    touched(root / "sub-1" / "a.tsv", root / ".store" / "sub-4" / "a.tsv", other / "sub-2" / "a.tsv")
    (root / "0-alias").symlink_to("sub-1")
    (root / "sub-1" / "loop").symlink_to("..")
    (root / "sub-1" / "itself").symlink_to("itself")
    (root / "up").symlink_to(tmp_path)
    (root / "sub-2").symlink_to(other / "sub-2")
    (root / "sub-2-again").symlink_to(other)
    (root / "sub-4").symlink_to(".store/sub-4")
    (other / "sub-2" / "back").symlink_to(root)
    (other / "sub-2" / "loop").symlink_to(".")
    assert walked(root) == ["sub-1/a.tsv", "sub-1/itself", "sub-2/a.tsv", "sub-4/a.tsv"]
