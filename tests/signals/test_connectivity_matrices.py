import numpy as np
import pytest

from semantoks.errors import DataError
from semantoks.signals.connectivity import is_connectivity
from semantoks.signals.recording import Recording

SIGNALS = np.random.default_rng(3).normal(size=(8, 50))
R = np.corrcoef(SIGNALS)


def with_diagonal(matrix: np.ndarray, value: float) -> np.ndarray:
    changed = matrix.copy()
    np.fill_diagonal(changed, value)
    return changed


def z(matrix: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.arctanh(np.clip(matrix, -1, 1))


@pytest.mark.parametrize(
    "matrix",
    [
        R,
        R.round(3).astype(np.float32),
        with_diagonal(R, 0),
        with_diagonal(R, np.nan),
        with_diagonal(z(R), np.inf),
        with_diagonal(z(R), 0),
        np.cov(SIGNALS),
        np.linalg.inv(np.cov(SIGNALS)),
        np.triu(R),
        np.tril(R, -1),
        np.where(np.tri(8, dtype=bool), np.nan, R),
        with_diagonal(np.random.default_rng(0).normal(size=(8, 8)), 1),  # directed
        np.where(np.arange(8) == 3, np.nan, np.where(np.arange(8)[:, None] == 3, np.nan, R)),  # an ROI is missing
        (R > 0.1).astype(np.int64),  # an adjacency matrix
    ],
)
def test_matrices_of_every_kind_are_known(matrix: np.ndarray) -> None:
    assert is_connectivity(matrix)
    with pytest.raises(DataError, match="x: it is a connectivity matrix, 8 x 8"):
        Recording(series=matrix, tr=2.0, participant="1", source="x")


@pytest.mark.parametrize(
    "series",
    [
        SIGNALS[:, :8],
        np.cumsum(SIGNALS, axis=1)[:, :8],
        with_diagonal(SIGNALS[:, :8], 0) + np.eye(8) * np.arange(8),
        R[:, :5],
        np.zeros((8, 8)),
        np.full((8, 8), np.nan),
        np.ones((2, 2)),
        np.zeros(8),
    ],
)
def test_recordings_are_none(series: np.ndarray) -> None:
    assert not is_connectivity(series)
