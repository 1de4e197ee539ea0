import numpy as np
import pytest

from semantoks.simulation import dynamics


def test_the_haemodynamic_response_peaks_when_asked_and_undershoots_later():
    for peak in (4.0, 5.0, 6.0):
        response = dynamics.haemodynamic_response(peak)
        assert response.argmax() * dynamics.STEP == pytest.approx(peak, abs=0.25)
        assert 2.5 * peak < response.argmin() * dynamics.STEP < 3.5 * peak
        assert response.min() < 0 < response[1]


@pytest.mark.parametrize("tau", [1.5, 15.0])
def test_relaxing_noise_has_unit_variance_and_forgets_with_its_time_constant(tau):
    noise = dynamics.relaxing_noise(np.random.default_rng(0), 4000, 80, tau)
    assert noise[:, 0].var() == pytest.approx(1, abs=0.1)
    assert noise[:, -1].var() == pytest.approx(1, abs=0.1)
    for lag in (1, 6):
        expected = np.exp(-lag * dynamics.STEP / tau)
        assert np.mean(noise[:, 40] * noise[:, 40 + lag]) == pytest.approx(expected, abs=0.07)


def test_states_are_held_for_their_dwell_and_turn_forward_as_often_as_asked():
    dwell = np.array([14.0, 6.0, 6.0, 6.0])
    path = dynamics.state_path(np.random.default_rng(0), 400_000, 0.8, dwell)
    np.testing.assert_allclose(np.bincount(path) / path.size, dwell / dwell.sum(), atol=0.02)
    moves = np.diff(path)[np.diff(path) != 0] % 4
    assert set(moves) <= {1, 2, 3}
    assert np.mean(moves == 1) / np.mean(moves != 2) == pytest.approx(0.8, abs=0.02)
    # A stay shorter than a step is passed over: that makes the few moves by two, and stays a little longer.
    assert np.mean(moves == 2) < 0.01
    assert path.size * dynamics.STEP / (moves.size + 1) == pytest.approx(8.0, rel=0.03)


def test_a_path_played_backwards_keeps_zero_lag_covariance_and_turns_lagged_covariance_round():
    path = dynamics.state_path(np.random.default_rng(0), 40_000, 0.9, np.full(4, 8.0))
    maps = np.random.default_rng(1).standard_normal((4, 6))
    frames = 9_900
    onward, back = (dynamics.observe(np.ascontiguousarray(maps[one].T), 5.0, frames, 2.0) for one in (path, path[::-1]))
    np.testing.assert_allclose(np.corrcoef(onward), np.corrcoef(back), atol=0.01)

    def antisymmetric(seen: np.ndarray) -> np.ndarray:
        product = seen[:, 1:] @ seen[:, :-1].T / frames
        return product - product.T

    assert np.abs(antisymmetric(onward)).max() > 0.3
    np.testing.assert_allclose(antisymmetric(onward), -antisymmetric(back), atol=0.02)


def test_observation_equals_a_naive_convolution_read_between_the_steps():
    latents = np.random.default_rng(0).standard_normal((2, dynamics.latent_steps(20, 1.7)))
    response = dynamics.haemodynamic_response(4.6)
    expected = np.zeros((2, 20))
    for k in range(2):
        blood = [
            sum(response[lag] * latents[k, step - lag] for lag in range(min(step + 1, response.size)))
            for step in range(latents.shape[1])
        ]
        times = dynamics.WARM_UP + 1.7 * np.arange(20)
        seen = np.interp(times, dynamics.STEP * np.arange(latents.shape[1]), blood)
        expected[k] = (seen - seen.mean()) / seen.std()
    np.testing.assert_allclose(dynamics.observe(latents, 4.6, 20, 1.7), expected, atol=1e-10)


@pytest.mark.parametrize("frames", [100, 181])
def test_pink_noise_has_unit_variance_and_halves_its_power_when_frequency_doubles(frames):
    noise = dynamics.pink_noise(np.random.default_rng(0), 3000, frames)
    assert noise.shape == (3000, frames)
    assert np.mean(noise**2) == pytest.approx(1, abs=0.05)
    power = np.mean(np.abs(np.fft.rfft(noise * np.hanning(frames), axis=1)) ** 2, axis=0)[4 : frames // 3]
    slope = np.polyfit(np.log(np.arange(4, frames // 3)), np.log(power), 1)[0]
    assert slope == pytest.approx(-1, abs=0.1)


def test_displacement_is_positive_and_grows_with_motion_level_and_jerks():
    still, restless = (
        np.stack([dynamics.displacement(np.random.default_rng(k), 300, 2.0, motion) for k in range(60)])
        for motion in (-1.0, 1.0)
    )
    assert still.min() > 0
    assert np.median(restless) / np.median(still) == pytest.approx(np.exp(0.7), rel=0.15)
    # Jerks come at 0.01 exp(0.6 motion) a second; few of them are smaller than 0.2 of their mean.
    jerks = [np.mean(fd > 4 * np.median(fd, axis=1, keepdims=True)) for fd in (still, restless)]
    assert jerks[1] / jerks[0] == pytest.approx(np.exp(1.2), rel=0.35)


def test_an_artefact_jumps_with_the_head_and_fades_by_its_time_constant():
    fd = np.full(50, 0.1)
    fd[10] = 1.1
    artefact = dynamics.motion_artefact(fd, 2.0)
    assert artefact.mean() == pytest.approx(0, abs=1e-12)
    assert artefact.argmax() == 10
    tail = artefact[10:14] - artefact[45]
    np.testing.assert_allclose(tail[1:] / tail[:-1], np.exp(-0.5), atol=1e-3)
