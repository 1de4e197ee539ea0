"""A batch in pieces has the loss and the gradient of the whole, for every objective."""

import pytest
import torch
from lightning_fabric import Fabric
from small_objectives import OBJECTIVES, learned, whole

from semantoks.train.pieces import InPieces


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_gradient_is_that_of_the_whole_batch(name):
    fabric, objective = Fabric(accelerator="cpu", devices=1), OBJECTIVES[name]
    batch = whole(objective)
    one = learned(objective, batch)
    pieces = []

    def in_pieces(trained):
        pieces.append(InPieces(fabric, fabric.setup(trained), 4))
        return pieces[0]

    found = learned(objective, batch, in_pieces, lambda: pieces[0].backward())
    for mine, its in zip(found, one, strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-4, atol=2e-6)
