"""On a CUDA device: the same tokens and losses as on a CPU, and no stall in forward and backward."""

import numpy as np
import pytest
import torch

from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.objective.branch import Branch, HeadConfig
from semantoks.objective.self_distillation import step_terms
from semantoks.views.batch import Batch

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
    pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype"),
]


def branches_and_batch(device):
    torch.manual_seed(0)
    networks = [0, 1, 2, 0, 1, 2, 2]
    student, teacher = (Branch(Encoder(EncoderConfig(width=64, depth=2), networks), HeadConfig()) for _ in range(2))
    crops, mask = torch.randn(16, 7, 100), torch.rand(16, 3, 5) < 0.5
    batch = Batch(
        crops=crops.to(device),
        empty=None,
        mask=mask.to(device),
        overlap=np.zeros(8),
        recordings=np.zeros((2, 8), dtype=np.int64),
    )
    return student.to(device), teacher.to(device), batch


@torch.no_grad()
def test_the_tokens_are_those_of_the_cpu():
    found = []
    for device in ("cpu", "cuda"):
        student, _, batch = branches_and_batch(device)
        tokens = student.encoder(batch.crops, batch.mask)
        found.append(torch.cat([tokens.cls[:, None], tokens.grid.flatten(1, 2)], dim=1).cpu())
    torch.testing.assert_close(found[0], found[1], rtol=1e-4, atol=1e-4)


def test_the_loss_terms_are_those_of_the_cpu():
    found = []
    for device in ("cpu", "cuda"):
        student, teacher, batch = branches_and_batch(device)
        terms = step_terms(student, teacher, batch, ttr_weight=0.5)
        found.append([terms.loss.item(), terms.cls.loss.item(), terms.token.item(), terms.ttr.loss.item()])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-4)


def test_forward_and_backward_never_wait_for_the_device():
    student, teacher, batch = branches_and_batch("cuda")
    step_terms(student, teacher, batch, ttr_weight=0.5).loss.backward()  # libraries set themselves up in the first call
    torch.cuda.set_sync_debug_mode("error")
    try:
        step_terms(student, teacher, batch, ttr_weight=0.5).loss.backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(p.grad is not None for p in student.parameters())
