"""What tests of objectives share."""

import pytest
import torch


@pytest.fixture
def _double(monkeypatch):
    """Compute in double precision, so that rounding hides no difference; ``Tensor.float`` keeps double."""
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
