"""What others may see of a card: hashes of recordings, which nobody can guess, and none of ids, which anybody can."""

import json

import pytest
from test_weights import ATLAS, SIZE

from semantoks.errors import WeightsError
from semantoks.model.card import EncoderCard, hashes, published, read_card, write_card
from semantoks.model.convert import _patch_of

IDS, SUMS = [f"{number:04d}" for number in range(1000, 1060)], [f"{number:064x}" for number in range(60)]


def made(**known):
    return EncoderCard(encoder=SIZE, atlas=ATLAS, tr=2.0, band=None, **known)


def test_no_four_digit_id_can_be_found_out_from_a_published_card_and_overlap_still_can(tmp_path):
    card = made(salt="ab", participants=hashes("ab", IDS), recordings=hashes("ab", SUMS))
    write_card(tmp_path, published(card))
    text, found = (tmp_path / "config.json").read_text(), read_card(tmp_path)
    assert not any(one in text for one in card.participants)
    guessed = {
        name for name in map("{:04d}".format, range(10_000)) for one in hashes(found.salt, [name]) if one in text
    }
    assert guessed == set()
    assert set(hashes(found.salt, SUMS)) == set(found.recordings)


def test_a_card_that_knows_no_recordings_is_published_without_its_salt():
    assert published(made(salt="ab", participants=hashes("ab", IDS))) == made()


def test_an_old_card_with_hashes_of_ids_is_read_as_before(tmp_path):
    card = made(salt="ab", participants=hashes("ab", IDS))
    write_card(tmp_path, card)
    plain = json.loads((tmp_path / "config.json").read_text())
    for key in ("sha256", "weights"):
        del plain[key]
    (tmp_path / "config.json").write_text(json.dumps(plain | {"schema": 2}))
    assert read_card(tmp_path) == card


def test_aliases_in_yaml_that_nest_a_billion_times_are_looked_into_once(tmp_path):
    lines = ["a0: &a0 {patch_size: 20}", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 20))]
    (tmp_path / "c.yaml").write_text("\n".join(lines))
    assert _patch_of(tmp_path / "c.yaml") == 20


def test_deep_yaml_is_a_sentence(tmp_path):
    (tmp_path / "c.yaml").write_text("[" * 5000)
    with pytest.raises(WeightsError, match=r"c\.yaml cannot be read as YAML: it is nested too deeply"):
        _patch_of(tmp_path / "c.yaml")
