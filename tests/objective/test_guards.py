"""What keeps each objective from collapse, shown by taking it away; where the target is data, nothing has to."""

from dataclasses import replace

import pytest
import torch
from small_steps import draw, observe, train

from semantoks.objective.branch import HeadConfig
from semantoks.objective.contrastive import Contrastive
from semantoks.objective.fc_aligned import FcAligned
from semantoks.objective.jepa import Jepa
from semantoks.objective.masked_reconstruction import MaskedReconstruction
from semantoks.objective.prototypes import Prototypes
from semantoks.objective.watch import spread_of

HEAD = HeadConfig(hidden=16, projection=8)
DINO = Prototypes(prototypes=64, teacher_momentum=0.98, centre_momentum=0.5, head=HEAD)


def test_without_centring_one_prototype_takes_all_and_the_watch_says_so():
    _, guarded = train(DINO, draw, 30, lr=0.003)
    without = replace(DINO, centring=False)
    _, bare = train(without, draw, 30, lr=0.003)
    told = [rows[-1]["entropy_all"] - rows[-1]["entropy_each"] for rows in (guarded, bare)]
    assert told[0] > 0.1
    assert bare[-1]["entropy_all"] < 0.05
    assert DINO.find_collapse(guarded[-1]) is None
    assert "the prototypes tell" in without.find_collapse(bare[-1])


def test_without_a_teacher_and_a_stopped_gradient_jepa_makes_every_token_the_same():
    ends = {}
    for guard in (True, False):
        objective = Jepa(teacher_momentum=0.9, guard=guard)
        _, rows = train(objective, observe, 50, lr=0.01)
        ends[guard] = rows[-1]
        assert rows[-1]["loss"] < 0.4 * rows[0]["loss"]  # both learn: only one has something to tell
        assert (objective.find_collapse(rows[-1]) is None) == guard
    assert ends[True]["spread"] > 10 * ends[False]["spread"]


def test_the_stopped_gradient_alone_keeps_jepa_apart_without_moving_average_or_predictor():
    for objective in (Jepa(teacher_momentum=0.0), Jepa(teacher_momentum=0.9, predictor_depth=0)):
        _, rows = train(objective, observe, 40, lr=0.01)
        assert objective.find_collapse(rows[-1]) is None
        assert rows[-1]["spread"] > 0.05


def test_without_other_people_contrast_makes_everybody_the_same():
    guarded, bare = (train(Contrastive(head=HEAD, negatives=n), draw, 30, lr=0.003)[1] for n in (True, False))
    assert bare[-1]["loss"] == pytest.approx(-10, abs=0.01)  # cosine 1 over the temperature: nothing left to gain
    assert guarded[-1]["spread"] > 5 * bare[-1]["spread"]


def test_without_variance_and_covariance_vicreg_makes_everybody_the_same():
    weights = {True: (25.0, 25.0, 1.0), False: (25.0, 0.0, 0.0)}
    ends = {
        g: train(Contrastive(by="vicreg", vicreg_weights=w, head=HEAD), draw, 30)[1][-1] for g, w in weights.items()
    }
    assert ends[False]["loss"] < 1e-4
    assert ends[True]["spread"] > 20 * ends[False]["spread"]
    assert Contrastive().find_collapse(ends[False]) is not None


@pytest.mark.parametrize("objective", [MaskedReconstruction(), MaskedReconstruction(target="fc"), FcAligned(hidden=16)])
def test_where_the_target_is_data_equal_answers_are_not_the_best(objective):
    """No guard to remove: what explains more than everybody's mean has to tell people apart."""
    _, rows = train(objective, lambda step: draw(step, masked=0.5), 50)
    assert rows[-1]["explained"] > max(0.15, rows[0]["explained"])
    assert rows[-1]["spread"] > 0.03
    assert objective.find_collapse(rows[-1]) is None


def test_spread_and_dimensions_have_their_closed_forms():
    one = spread_of(torch.ones(6, 4))
    assert (one["spread"].item(), one["dimensions"].item()) == (0.0, 0.0)
    for rows in (4, 12):  # evenly in two directions, around 0: all differs, in two dimensions
        found = spread_of(
            torch.tensor([[1.0, 0, 0, 0, 0], [-1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, -1, 0, 0, 0]]).repeat(rows // 4, 1)
        )
        assert found["spread"].item() == pytest.approx(1)
        assert found["dimensions"].item() == pytest.approx(2)
    shifted = spread_of(torch.tensor([[2.0], [4.0]]))  # variance 1 over a mean square of 10
    assert shifted["spread"].item() == pytest.approx(0.1**0.5)
