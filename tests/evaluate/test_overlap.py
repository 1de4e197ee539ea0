"""Whom the encoder saw: recordings say so; ids only where recordings bear them out."""

import dataclasses

import numpy as np
import pytest

from semantoks.errors import DataError
from semantoks.evaluate.plans import open_study
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.overlap import overlap
from semantoks.evaluate.study.people import people_of
from semantoks.model.card import hash_participant, read_card
from tiny_people import save_model


def hashes(names):
    return tuple(sorted(hash_participant("salt", str(name)) for name in names))


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    return read_card(save_model(tmp_path_factory.mktemp("model")))


def found(card, cohort, *, ids=(), recordings=(), **options):
    known = dataclasses.replace(card, participants=hashes(ids), recordings=hashes(recordings))
    return overlap(known, cohort, people_of(cohort), **options)


def checksums(cohort, *people):
    return cohort.recordings.loc[cohort.recordings["participant_id"].isin(people), "sha256"]


def test_other_people_with_the_same_ids_were_not_seen_and_the_note_says_why(card, cohort):
    names = [f"{i:02d}" for i in range(40)]
    one = found(card, cohort, ids=names, recordings=["of", "others"])
    assert one.seen.sum() == 0
    assert one.words() == [
        "0 of 40 people were seen, without labels, in pretraining",
        "40 of 40 people have ids that occur in pretraining, but no recording of theirs does: they count as other "
        "people. If they are the same, in other sessions, give --trust-ids.",
    ]
    trusted = found(card, cohort, ids=names, recordings=["of", "others"], trust_ids=True)
    assert trusted.seen.all()
    assert trusted.words() == [
        "40 of 40 people were seen, without labels, in pretraining (0 by a recording, 40 by their id alone)"
    ]


def test_the_same_recordings_under_other_ids_were_seen(card, cohort):
    one = found(card, cohort, ids=["somebody"], recordings=checksums(cohort, "03", "07"))
    assert np.flatnonzero(one.seen).tolist() == [3, 7]
    assert one.words() == ["2 of 40 people were seen, without labels, in pretraining (by a recording, under other ids)"]


def test_where_recordings_bear_ids_out_a_new_session_of_a_known_id_was_seen_too(card, cohort):
    one = found(card, cohort, ids=["03", "04"], recordings=checksums(cohort, "03"))
    assert np.flatnonzero(one.seen).tolist() == [3, 4]
    assert one.words() == [
        "2 of 40 people were seen, without labels, in pretraining (1 by a recording, 1 by their id alone)"
    ]


def test_an_encoder_without_checksums_says_that_ids_alone_spoke(card, cohort):
    one = found(card, cohort, ids=["03"])
    assert np.flatnonzero(one.seen).tolist() == [3]
    assert one.words() == [
        "1 of 40 people was seen, without labels, in pretraining (told by their ids alone: this encoder stores no "
        "checksums of recordings)"
    ]
    assert not found(card, cohort).known


def test_leaving_everybody_out_is_refused_with_what_told_that_they_were_seen(cohort, tmp_path):
    model = save_model(tmp_path / "m", people=tuple(f"{i:02d}" for i in range(40)))
    config = ProbeConfig(exclude_pretrained=True)
    with pytest.raises(DataError, match=r"leaves nobody: 40 of 40 .*\(told by their ids alone"):
        open_study(model, cohort, ["sex"], config, device="cpu", out=tmp_path)
