"""Every objective at a size that takes moments, a batch for it, and what one step makes of it."""

import torch
from small_steps import INDEX, SIZE, draw, observe

from semantoks.objective.branch import HeadConfig
from semantoks.objective.contrastive import Contrastive
from semantoks.objective.fc_aligned import FcAligned
from semantoks.objective.jepa import Jepa
from semantoks.objective.masked_reconstruction import MaskedReconstruction
from semantoks.objective.prototypes import Prototypes
from semantoks.objective.self_distillation import SelfDistillation
from semantoks.train.pieces import InPieces

HEAD = HeadConfig(hidden=8, projection=4)
OBJECTIVES = {
    "self-distillation": SelfDistillation(head=HEAD),
    "dino": Prototypes(prototypes=8, head=HEAD),
    "ibot": Prototypes(kind="ibot", prototypes=8, head=HEAD),
    "masked reconstruction": MaskedReconstruction(),
    "masked reconstruction of FC": MaskedReconstruction(target="fc"),
    "JEPA": Jepa(),
    "InfoNCE": Contrastive(head=HEAD),
    "VICReg": Contrastive(by="vicreg", head=HEAD),
    "FC": FcAligned(hidden=8),
    "tangent FC": FcAligned(target="tangent", hidden=8),
}


def whole(objective, people=8):
    return observe(people=people) if isinstance(objective, Jepa) else draw(people=people, masked=0.5)


def in_pieces(fabric, parts, pieces):
    """Wrap what is trained so that batches go through it in ``parts``; ``pieces`` holds the wrapper."""

    def wrapped(trained):
        pieces.append(InPieces(fabric, fabric.setup(trained), parts))
        return pieces[-1]

    return wrapped


def learned(objective, batch, wrapped=lambda trained: trained, after=lambda: None):
    """Return the loss, the gradient of all weights in one row, and the state after what follows a step.

    ``wrapped`` wraps what is trained; ``after`` is called after the loss went backward.
    """
    learner = objective.learner(SIZE, INDEX, 0)
    rates = {"momentum": 0.9, **objective.rates(5, 10)}
    loss = objective.loss(learner, wrapped(learner.trained), batch, rates).loss
    loss.backward()
    after()
    gradient = torch.cat([p.grad.flatten() for p in learner.parameters() if p.grad is not None])
    learner.follow(rates)
    return loss.detach(), gradient, torch.cat([x.detach().flatten().float() for x in learner.state_dict().values()])
