"""A training that starts from the weights of another: what it takes over, and what starts anew."""

import json
import shutil

import pytest
import torch
from tiny_run import ATLAS, make_cohort, tiny_config

from semantoks.atlas.atlas import Atlas
from semantoks.errors import WeightsError
from semantoks.model.card import EncoderCard, hash_participant, read_card
from semantoks.model.hub import load_encoder
from semantoks.model.tensors import save_encoder
from semantoks.objective.self_distillation import load_branches
from semantoks.train.run import pretrain

pytestmark = pytest.mark.slow


@pytest.fixture
def parent(cohort, tmp_path):
    """A run of three steps."""
    pretrain([cohort], out=tmp_path / "parent", config=tiny_config(steps=3))
    return tmp_path / "parent"


def states(folder):
    return [branch.state_dict() for branch in load_branches(folder)[0]]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_without_learning_the_weights_of_student_teacher_and_heads_stay_what_they_were(cohort, parent, tmp_path):
    # The first learning rate of a warm-up is 0, so that with momentum 1 a single step moves nothing.
    config = tiny_config(steps=1, optim={"warmup_share": 0.99}, objective={"teacher_momentum": 1.0}, seed=5)
    pretrain([cohort], out=tmp_path / "child", config=config, init_from=parent)
    for before, after in zip(states(parent / "encoder"), states(tmp_path / "child" / "encoder"), strict=True):
        assert same(before, after)


def test_sizes_are_the_parents_whatever_the_configuration_says(cohort, parent, tmp_path):
    config = tiny_config(steps=1, encoder={"width": 32, "depth": 2}, objective={"head": {"hidden": 8, "projection": 4}})
    record = pretrain([cohort], out=tmp_path / "child", config=config, init_from=parent)
    assert record["config"]["encoder"]["width"] == 16
    assert record["config"]["objective"]["head"] == {"hidden": 16, "hidden_layers": 1, "projection": 8}
    assert record["init_from"] == str(parent)
    assert record["cost"]["samples"] == 4


def test_the_people_and_the_story_of_the_parent_are_not_forgotten(parent, tmp_path):
    others = make_cohort(tmp_path / "others", people=20, seed=3)
    pretrain([others], out=tmp_path / "child", config=tiny_config(steps=1), init_from=str(parent))
    before, after = read_card(parent / "encoder"), read_card(tmp_path / "child" / "encoder")
    assert before.salt == after.salt
    assert set(before.participants) < set(after.participants)
    assert hash_participant(after.salt, "19") in after.participants
    assert set(before.recordings) < set(after.recordings)
    assert len(after.recordings) == len(before.recordings) + 40
    assert after.origin[: len(before.origin)] == before.origin
    assert after.origin[-1].startswith("trained on 40 recordings of 20 people")
    assert str(tmp_path) not in json.dumps(after.origin)


def test_a_parent_that_stored_no_checksums_leaves_no_half_a_list(cohort, parent, tmp_path):
    shutil.copytree(parent, tmp_path / "old")
    card = tmp_path / "old" / "encoder" / "config.json"
    plain = json.loads(card.read_text())
    del plain["recordings"], plain["sha256"]
    card.write_text(json.dumps(plain))
    pretrain([cohort], out=tmp_path / "child", config=tiny_config(steps=1), init_from=str(tmp_path / "old"))
    assert read_card(tmp_path / "child" / "encoder").recordings == ()


def test_stopped_and_resumed_it_is_the_unbroken_run_and_another_start_is_refused(cohort, parent, tmp_path):
    config = tiny_config(steps=4)
    pretrain([cohort], out=tmp_path / "whole", config=config, init_from=parent)
    with pytest.raises(KeyboardInterrupt):
        pretrain(
            [cohort], out=tmp_path / "cut", config=config, init_from=parent, checkpoint_every=2, on_epoch=interrupt
        )
    pretrain([cohort], out=tmp_path / "other", config=tiny_config(steps=1, seed=5))
    with pytest.raises(WeightsError, match="init_from was"):
        pretrain([cohort], out=tmp_path / "cut", config=config, init_from=tmp_path / "other", resume=True)
    pretrain([cohort], out=tmp_path / "cut", config=config, resume=True)
    for a, b in zip(states(tmp_path / "whole" / "encoder"), states(tmp_path / "cut" / "encoder"), strict=True):
        assert same(a, b)


def interrupt(epoch, out):
    raise KeyboardInterrupt


def test_another_atlas_and_a_teacher_alone_are_refused(cohort, parent, tmp_path):
    moved = Atlas(name="moved", labels=ATLAS.labels[::-1], networks=ATLAS.networks)
    branches, card = load_branches(parent / "encoder")
    fields = {"encoder": card.encoder, "learner": card.learner, "tr": 2.0, "band": (0.01, 0.1)}
    save_encoder(
        tmp_path / "moved", branches.teacher.encoder, EncoderCard(atlas=moved, **fields), branches.training_tensors()
    )
    with pytest.raises(WeightsError, match="First difference, ROI 1"):
        pretrain([cohort], out=tmp_path / "child", config=tiny_config(), init_from=tmp_path / "moved")
    encoder, card = load_encoder(parent / "encoder")
    save_encoder(tmp_path / "teacher", encoder, card)
    with pytest.raises(WeightsError, match="has only the teacher"):
        pretrain([cohort], out=tmp_path / "child", config=tiny_config(), init_from=tmp_path / "teacher")
    assert not (tmp_path / "child").exists()
