"""A batch in pieces has the loss and the gradient of the whole, for every objective; in double precision."""

import pytest
import torch
from lightning_fabric import Fabric
from small_objectives import OBJECTIVES, in_pieces, learned, whole
from small_steps import INDEX, SIZE

from semantoks.objective.learner import Taught
from semantoks.train.pieces import taught_in_pieces

pytestmark = pytest.mark.usefixtures("_double")


def taught(objective):
    return isinstance(objective.learner(SIZE, INDEX, 0), Taught)


@pytest.mark.parametrize("name", [name for name, objective in OBJECTIVES.items() if taught(objective)])
def test_a_teacher_sees_pieces_alone_and_says_the_same_of_the_whole(name):
    objective, rows = OBJECTIVES[name], []
    one, learner = learned(objective, whole(objective)), None

    class Noting(type(objective)):
        def learner(self, *args):
            nonlocal learner
            learner = super().learner(*args)
            learner.teacher.encoder.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
            return learner

        def loss(self, learner, trained, batch, rates):
            with taught_in_pieces(learner, 4):
                return super().loss(learner, trained, batch, rates)

    found = learned(Noting(**vars(objective)), whole(objective))
    assert rows == [4, 4, 4, 4]
    assert "forward" not in vars(learner.teacher)
    for mine, its in zip(found, one, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_is_that_of_the_whole_batch(name):
    fabric, objective = Fabric(accelerator="cpu", devices=1), OBJECTIVES[name]
    batch = whole(objective)
    one = learned(objective, batch)
    pieces = []
    found = learned(objective, batch, in_pieces(fabric, 4, pieces), lambda: pieces[0].backward())
    assert found[0].dtype == torch.float64
    for mine, its in zip(found, one, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-6, atol=1e-10)
