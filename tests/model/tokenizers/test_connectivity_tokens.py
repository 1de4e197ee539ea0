"""Second-order tokens: against float64 loops, what is hidden leaks nowhere, and gradients of equal eigenvalues."""

import numpy as np
import pytest
import scipy.linalg
import torch
from nilearn.connectome import ConnectivityMeasure
from sklearn.covariance import EmpiricalCovariance

from semantoks.errors import ConfigError, DataError
from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig, ConnectivityTokens, log_spd

NETWORKS = [0, 1, 0, 2, 1, 0, 2, 2]
SHARE = 0.3


def mixed(people=3, frames=40, seed=0):
    """Series whose ROIs go together."""
    draw = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(8, 8)) / 3 + np.eye(8)
    return np.einsum("ij,bjt->bit", mixing, draw.normal(size=(people, 8, frames)))


GROUP = np.mean([np.corrcoef(one) for one in mixed(30, 200, seed=5)], axis=0)


def tokens_of(width=6, **settings):
    torch.manual_seed(0)
    tokens = ConnectivityTokens(
        NETWORKS, width, ConnectivityConfig(**({"components": 8, "shrinkage": SHARE} | settings))
    )
    tokens.set_reference(torch.tensor(GROUP).float())
    return tokens


def by_definition(series, tokens):
    """Compute log(G^-1/2 S C S' G^-1/2) for each window, in float64; S are the tokenizer's components."""
    spatial = tokens.spatial.double().numpy()
    shrunk = (1 - SHARE) * GROUP + SHARE * np.eye(8)
    white = np.linalg.inv(scipy.linalg.sqrtm(spatial @ shrunk @ spatial.T))
    rows = []
    for one in series:
        own = (1 - SHARE) * np.corrcoef(one) + SHARE * np.eye(8)
        rows.append(scipy.linalg.logm(white @ spatial @ own @ spatial.T @ white))
    return np.stack(rows)


@pytest.mark.parametrize("components", [8, 2])
def test_it_is_the_tangent_space_of_its_components(components):
    tokens, series = tokens_of(components=components), mixed()
    found = tokens.tangent(torch.tensor(series).float())
    np.testing.assert_allclose(found.numpy(), by_definition(series, tokens), atol=2e-5)


def test_with_all_components_its_lengths_are_those_of_nilearn():
    """Whitening by G^-1/2 in rotated coordinates is a rotation of the tangent space: distances stay."""
    series, tokens = mixed(6), tokens_of()
    shrunk = [(1 - SHARE) * np.corrcoef(one) + SHARE * np.eye(8) for one in series]

    class Given(EmpiricalCovariance):
        def fit(self, covariance, y=None):
            self.covariance_ = covariance
            return self

    measure = ConnectivityMeasure(cov_estimator=Given(), kind="tangent").fit(shrunk)
    white = np.linalg.inv(scipy.linalg.sqrtm((1 - SHARE) * GROUP + SHARE * np.eye(8)))
    measure.whitening_ = white
    theirs = measure.transform(shrunk)
    ours = tokens.tangent(torch.tensor(series).float()).numpy()
    for a, b in ((0, 1), (2, 5)):
        assert np.linalg.norm(ours[a] - ours[b]) == pytest.approx(np.linalg.norm(theirs[a] - theirs[b]), rel=1e-4)


def test_the_first_order_is_the_whitened_covariance_less_the_identity():
    tokens = tokens_of(log=False)
    found = tokens.tangent(torch.tensor(mixed()).float()).numpy()
    exact = [scipy.linalg.expm(one) - np.eye(8) for one in by_definition(mixed(), tokens)]
    np.testing.assert_allclose(found, exact, atol=2e-5)


def test_without_whitening_it_is_the_logarithm_of_the_correlations_themselves():
    tokens = tokens_of(whiten=False)
    spatial = tokens.spatial.double().numpy()
    own = [(1 - SHARE) * np.corrcoef(one) + SHARE * np.eye(8) for one in mixed()]
    exact = [scipy.linalg.logm(spatial @ one @ spatial.T) for one in own]
    np.testing.assert_allclose(tokens.tangent(torch.tensor(mixed()).float()).numpy(), exact, atol=2e-5)


def test_a_window_like_the_reference_lies_at_the_origin():
    tokens = tokens_of()
    white = np.random.default_rng(3).normal(size=(8, 5000))
    white = np.linalg.inv(scipy.linalg.sqrtm(np.corrcoef(white))) @ (white - white.mean(1, keepdims=True))
    series = scipy.linalg.sqrtm(GROUP) @ white
    assert tokens.tangent(torch.tensor(series[None]).float()).abs().max() < 0.01


def test_frames_of_zeros_do_not_count_and_length_is_free():
    tokens, series = tokens_of(), torch.tensor(mixed()).float()
    longer = torch.cat([series[:, :, :15], torch.zeros(3, 8, 9), series[:, :, 15:]], dim=2)
    torch.testing.assert_close(tokens.tangent(longer), tokens.tangent(series))
    torch.testing.assert_close(tokens(longer), tokens(series))


def test_what_is_hidden_enters_no_token_and_is_completed_as_the_reference_has_it():
    tokens, series = tokens_of(), torch.tensor(mixed()).float()
    mask = torch.zeros(3, 3, 1, dtype=torch.bool)
    mask[:, 1] = True
    other = series.clone()
    other[:, [1, 4]] = torch.randn(3, 2, 40)
    torch.testing.assert_close(tokens(series, mask), tokens(other, mask))
    gone = series.clone()
    gone[:, [1, 4]] = 0
    torch.testing.assert_close(tokens(series, mask), tokens(gone))


def completed(one, hidden):
    """By hand: x_hidden given x_seen is B x_seen, with what is left of the reference's covariance."""
    shrunk = (1 - SHARE) * GROUP + SHARE * np.eye(8)
    seen = [roi for roi in range(8) if roi not in hidden]
    weights = shrunk[np.ix_(hidden, seen)] @ np.linalg.inv(shrunk[np.ix_(seen, seen)])
    own = (1 - SHARE) * np.corrcoef(one[seen]) + SHARE * np.eye(len(seen))
    filled = np.zeros((8, 8))
    filled[np.ix_(seen, seen)] = own
    filled[np.ix_(hidden, seen)] = weights @ own
    filled[np.ix_(seen, hidden)] = (weights @ own).T
    rest = shrunk[np.ix_(hidden, hidden)] - weights @ shrunk[np.ix_(seen, hidden)]
    filled[np.ix_(hidden, hidden)] = weights @ own @ weights.T + rest
    return filled


@pytest.mark.parametrize(
    "absent", [([1, 4], [], [3]), ([0, 1, 2, 3, 4, 5], [2, 3, 4, 6, 7], [0, 1, 3, 5, 6]), ([1], [0, 1, 2, 3, 5, 6], [])]
)
def test_windows_that_lack_few_many_and_different_rois_are_each_completed_from_what_they_have(absent):
    tokens, series = tokens_of(), torch.tensor(mixed()).float()
    for window, rois in zip(series, absent, strict=True):
        window[rois] = 0
    white = (tokens.whitener @ tokens.spatial).double().numpy()
    for found, one, rois in zip(tokens.tangent(series).numpy(), mixed(), absent, strict=True):
        np.testing.assert_allclose(found, scipy.linalg.logm(white @ completed(one, rois) @ white.T), atol=1e-4)


def test_the_gradient_of_the_logarithm_is_that_of_finite_differences():
    matrix = torch.tensor(np.cov(mixed()[0]), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(log_spd, (matrix,), atol=1e-6)


def test_equal_eigenvalues_have_a_finite_gradient_the_inverse():
    matrix = (2 * torch.eye(5, dtype=torch.float64)).requires_grad_()
    (log_spd(matrix) * torch.arange(25.0).reshape(5, 5)).sum().backward()
    weights = torch.arange(25.0, dtype=torch.float64).reshape(5, 5)
    torch.testing.assert_close(matrix.grad, (weights + weights.T) / 4)


def test_in_an_encoder_windows_have_any_length_and_the_patch_is_the_window():
    config = EncoderConfig(width=16, depth=1, patch=100, tokenizer=ConnectivityConfig(components=2))
    encoder = random_encoder(config, NETWORKS, seed=0)
    for frames in (15, 100, 333):
        tokens = encoder(torch.randn(2, 8, frames))
        assert tokens.grid.shape == (2, 3, 1, 16)
    with pytest.raises(DataError, match="8 ROIs, 2 or more frames"):
        encoder(torch.randn(2, 8, 1))
    with pytest.raises(ConfigError, match="encoder patch has to be 100"):
        random_encoder(EncoderConfig(width=16, depth=1, tokenizer=ConnectivityConfig()), NETWORKS, seed=0)


@pytest.mark.parametrize("bad", [{"components": -1}, {"shrinkage": 0.0}, {"shrinkage": 1.5}])
def test_settings_that_cannot_be_are_refused(bad):
    with pytest.raises(ConfigError, match="components has to be at least 0"):
        ConnectivityConfig(**bad)


def test_a_lag_adds_the_antisymmetric_part_of_the_whitened_lagged_correlation():
    tokens, series = tokens_of(components=2, lag=2), mixed()
    found = tokens.tangent(torch.tensor(series).float()).numpy()
    spatial = tokens.spatial.double().numpy()
    white = np.linalg.inv(scipy.linalg.sqrtm(spatial @ ((1 - SHARE) * GROUP + SHARE * np.eye(8)) @ spatial.T)) @ spatial
    for one, matrix in zip(series, found, strict=True):
        unit = one - one.mean(axis=1, keepdims=True)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        later = np.zeros((8, 8))
        for i in range(8):
            for j in range(8):
                later[i, j] = sum(unit[i, t] * unit[j, t - 2] for t in range(2, 40))
        odd = (1 - SHARE) * white @ (later - later.T) @ white.T / 2
        np.testing.assert_allclose((matrix - matrix.T) / 2, odd, atol=2e-5)
    np.testing.assert_allclose((found + found.transpose(0, 2, 1)) / 2, by_definition(series, tokens), atol=2e-5)


def test_who_follows_whom_shows_only_with_a_lag():
    draw = np.random.default_rng(0).normal(size=(8, 501))
    draw[1, 1:] = draw[0, :-1]
    series = torch.tensor(draw[None, :, 1:]).float()
    backwards = series.flip(2)
    for lag in (0, 1):
        tokens = tokens_of(lag=lag)
        apart = (tokens.tangent(series) - tokens.tangent(backwards)).norm()
        assert apart > 0.5 if lag else apart < 1e-3


def test_a_temporal_filter_starts_as_the_identity_and_learns_also_where_rois_are_absent():
    plain, filtered, series = tokens_of(), tokens_of(taps=5), torch.tensor(mixed()).float()
    series[0, 3] = 0
    torch.testing.assert_close(filtered.tangent(series), plain.tangent(series), atol=1e-5, rtol=0)
    filtered.tangent(series)[:, 0, 1].sum().backward()
    assert filtered.filter.grad.isfinite().all()
    assert filtered.filter.grad.abs().max() > 1e-3


def test_at_depth_0_cls_is_the_mean_of_the_tokens():
    config = EncoderConfig(width=16, depth=0, norm=False, patch=100, tokenizer=ConnectivityConfig(components=2))
    encoder = random_encoder(config, NETWORKS, seed=0)
    tokens = encoder(torch.tensor(mixed()).float())
    torch.testing.assert_close(tokens.cls, encoder.cls_token + tokens.grid.mean(dim=(1, 2)))


@pytest.mark.parametrize("bad", [{"lag": -1}, {"taps": 4}, {"taps": 0}])
def test_a_lag_and_taps_that_cannot_be_are_refused(bad):
    with pytest.raises(ConfigError, match="lag has to be at least 0 and taps an odd number"):
        ConnectivityConfig(**bad)
