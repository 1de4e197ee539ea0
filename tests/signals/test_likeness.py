"""Near copies under other ids are found however they were changed; strangers are not, and second visits are named."""

import numpy as np
import pandas as pd
import pytest

from semantoks.evaluate.study.people import people_of, people_with_families
from semantoks.signals import likeness
from semantoks.signals.likeness import agreement, find_alike, nearest, warn_quickly
from semantoks.signals.prepare import prepare
from tiny_people import ATLAS, RAW, write_cohort

ROIS = 8


def person(rng, frames=120):
    """Slow signals that go together."""
    sources = np.cumsum(rng.normal(size=(frames, ROIS)), axis=0)
    sources = sources - np.linspace(0, 1, frames)[:, None] * sources[-1]
    return sources @ rng.normal(size=(ROIS, ROIS)) + rng.normal(size=(frames, ROIS))


def cohort_of(tmp_path, people):
    return write_cohort(tmp_path, {f"sub-{name}": series for name, series in people.items()})


def pairs(cohort, found):
    names = cohort.recordings["participant_id"]
    return {(names[i], names[j]) for i, j in found}


CHANGES = {
    "identical": lambda x, _: x,
    "rescaled": lambda x, _: x * 1.7 + 3,
    "noisy": lambda x, rng: x + 0.3 * x.std() * rng.normal(size=x.shape),
    "a frame less": lambda x, _: x[1:],
    "twenty frames less": lambda x, _: x[:-20],
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_copy_under_another_id_is_found_and_tied_to_its_original(tmp_path, change):
    rng = np.random.default_rng(0)
    people = {f"a{i}": person(rng) for i in range(12)}
    people |= {f"z{i}": CHANGES[change](people[f"a{i}"], rng) for i in range(3)}
    cohort = cohort_of(tmp_path, people)
    found = find_alike(cohort)
    assert pairs(cohort, found.copies) == {("a0", "z0"), ("a1", "z1"), ("a2", "z2")}
    assert found.visits == ()
    tied = people_of(cohort, None, found.copies)
    group = dict(zip(tied.ids, tied.groups.tolist(), strict=True))
    assert all(group[f"a{i}"] == group[f"z{i}"] for i in range(3))
    assert len(set(tied.groups)) == 12


def test_strangers_are_neither_copies_nor_visits(tmp_path):
    rng = np.random.default_rng(1)
    cohort = cohort_of(tmp_path, {f"{i:02d}": person(rng) for i in range(30)})
    found = find_alike(cohort)
    assert (found.copies, found.visits) == ((), ())
    assert found.words(cohort.recordings, names=True) == found.listed(cohort.recordings) == []


def test_second_visits_under_other_ids_are_named_and_the_remedy_ties_them(tmp_path):
    rng = np.random.default_rng(2)
    mixing = [rng.normal(size=(ROIS, ROIS)) for _ in range(12)]
    people = {f"{visit}{i:02d}": rng.normal(size=(300, ROIS)) @ one for visit in "az" for i, one in enumerate(mixing)}
    cohort = cohort_of(tmp_path, people)
    found = find_alike(cohort)
    assert found.copies == ()
    assert len(found.visits) >= 8
    assert all(a[1:] == z[1:] for a, z in pairs(cohort, found.visits))
    (note,) = found.words(cohort.recordings, names=False)
    assert note.startswith(f"{len(found.visits)} pairs of recordings under different ids: as alike as two visits")
    assert "family_id in participants.tsv" in note
    assert "a01" not in note
    assert "sub-a01 and sub-z01" in found.listed(cohort.recordings)[0]
    ids = [*people]
    table = pd.DataFrame({"participant_id": ids, "family_id": [name[1:] for name in ids]})
    table.to_csv(cohort.path / "participants.tsv", sep="\t", index=False)
    tied, _ = people_with_families(cohort, "auto")
    assert len(set(tied.groups)) == 12


def test_recordings_of_one_id_are_nobody_elses(tmp_path):
    rng = np.random.default_rng(3)
    one = person(rng)
    cohort = cohort_of(tmp_path, {"a_ses-1": one, "a_ses-2": one * 2, **{f"b{i}": person(rng) for i in range(4)}})
    assert find_alike(cohort).copies == ()


def test_agreement_is_the_highest_correlation_over_lags_with_overlap_enough():
    rng = np.random.default_rng(4)
    one, other = rng.normal(size=(40, 3)).astype(np.float32), rng.normal(size=(31, 3)).astype(np.float32)
    other[:20] += one[12:32]
    values = []
    for lag in range(-30, 40):
        a, b = one[max(0, lag) : lag + 31], other[max(0, -lag) : 40 - lag]
        if len(a) >= 21:
            values.append((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))
    assert agreement(one, other) == pytest.approx(max(values), abs=1e-5)
    assert agreement(other, one) == pytest.approx(max(values), abs=1e-5)
    assert agreement(one, one) == pytest.approx(1)


def test_one_person_has_nobody_to_be_like(tmp_path):
    cohort = cohort_of(tmp_path, {"a": person(np.random.default_rng(5))})
    assert find_alike(cohort).copies == ()


def test_prepare_names_copies_at_its_end_and_says_nothing_where_there_are_none(tmp_path):
    rng = np.random.default_rng(6)
    people = {f"a{i}": person(rng) for i in range(4)}
    told = []
    for name, some in (("alone", people), ("copied", {**people, "z0": 2 * people["a0"][1:]})):
        (tmp_path / name).mkdir()
        cohort = cohort_of(tmp_path / name, some)
        told.append([])
        again = {"out": cohort.path, "atlas": ATLAS, "tr": 2.0, "cleaning": RAW}
        prepare(tmp_path / name / "raw", **again, tell=told[-1].append)
    assert not any("under different ids" in line for line in told[0])
    assert told[1][-1].startswith("1 pair of recordings under different ids: copies of one recording")
    assert "; sub-a0 and sub-z0. The probe keeps their people on one side of every split." in told[1][-1]


def test_among_very_many_recordings_identical_ones_alone_are_named_and_that_is_said(tmp_path, monkeypatch):
    rng = np.random.default_rng(7)
    people = {f"a{i}": person(rng) for i in range(4)}
    cohort = cohort_of(tmp_path, {**people, "z0": people["a0"], "z1": 2 * people["a1"][1:]})
    monkeypatch.setattr(likeness, "QUICK", 5)
    monkeypatch.setattr(likeness, "find_alike", None)
    identical, said = warn_quickly(cohort)
    assert "sub-a0 and sub-z0. " in identical
    assert "z1" not in identical
    assert said.startswith("6 recordings are too many to look for near copies in passing: only identical ones")
    assert "`semantoks info COHORT --verify` looks at all" in said


def test_the_nearest_are_those_of_a_naive_search_however_pairs_are_cut(monkeypatch):
    monkeypatch.setattr(likeness, "BLOCK", 16)
    rng = np.random.default_rng(9)
    prints = (rng.normal(size=(50, 28)) + 2 * rng.normal(size=28)).astype(np.float32)
    owner = rng.integers(0, 25, 50)
    whole = np.corrcoef(prints.astype(float))
    special = np.corrcoef(prints.astype(float) - prints.astype(float).mean(axis=0))
    for found, similar in zip(nearest(prints, owner), (whole, special), strict=True):
        similar[owner[:, None] == owner] = -np.inf
        order = similar.argsort(axis=1)[:, -likeness.NEIGHBOURS :]
        assert np.array_equal(found.places, order)
        assert found.similar == pytest.approx(np.take_along_axis(similar, order, axis=1), abs=1e-6)


def test_there_is_no_word_on_visits_of_a_handful_of_people(tmp_path):
    rng = np.random.default_rng(8)
    mixing = [rng.normal(size=(ROIS, ROIS)) for _ in range(5)]
    people = {f"{visit}{i}": rng.normal(size=(300, ROIS)) @ one for visit in "az" for i, one in enumerate(mixing)}
    assert find_alike(cohort_of(tmp_path, people)).visits == ()
