"""bfloat16 is taken where it was asked for, or where a machine gains by it; weights and what comes out are float32."""

import logging

import pytest
import torch

from semantoks.model import precision
from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.precision import Choice, choose_precision, in_precision, measure_gain
from semantoks.model.tokenizers.connectivity import ConnectivityConfig

CPU = torch.device("cpu")
WIDE, NARROW = EncoderConfig(width=256, depth=1), EncoderConfig(width=192, depth=1)
OF_CORRELATIONS = EncoderConfig(width=256, depth=1, patch=100, tokenizer=ConnectivityConfig(components=2))


def machine(monkeypatch, *, has, gain):
    def measured(*_):
        assert gain is not None, "nothing is to be measured"
        return gain

    monkeypatch.setattr(precision, "_has_instructions", lambda: has)
    monkeypatch.setattr(precision, "measure_gain", measured)


@pytest.mark.parametrize(
    ("size", "has", "gain", "found"),
    [
        (WIDE, True, 2.9, "bf16-mixed"),
        (WIDE, True, 1.5, "bf16-mixed"),
        (WIDE, True, 1.4, "32-true"),
        (WIDE, True, 0.55, "32-true"),  # AVX512_BF16 of a Xeon whose AMX is hidden
        (WIDE, False, None, "32-true"),
        (NARROW, True, None, "32-true"),
        (OF_CORRELATIONS, True, None, "32-true"),
        (None, True, None, "32-true"),
    ],
)
def test_a_cpu_takes_bfloat16_for_a_wide_encoder_that_it_computes_faster_so(monkeypatch, size, has, gain, found):
    machine(monkeypatch, has=has, gain=gain)
    assert choose_precision("auto", CPU, size).precision == found


@pytest.mark.parametrize("can", [True, False])
def test_a_gpu_takes_bfloat16_where_it_has_it(monkeypatch, can):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: can and not including_emulation)
    assert choose_precision("auto", torch.device("cuda"), NARROW).precision == ("bf16-mixed" if can else "32-true")


@pytest.mark.parametrize("asked", ["32-true", "bf16-mixed"])
def test_what_is_asked_for_is_taken_and_nothing_measured(monkeypatch, asked):
    machine(monkeypatch, has=True, gain=None)
    assert choose_precision(asked, CPU, WIDE) == Choice(asked, "as asked")


def test_a_choice_of_bfloat16_is_said_in_a_line_with_the_gain_and_the_way_back(monkeypatch, caplog):
    machine(monkeypatch, has=True, gain=2.9)
    encoder = random_encoder(WIDE, [0, 1], 0)
    with caplog.at_level(logging.INFO, logger="semantoks"):
        assert in_precision(encoder, "auto", CPU).lower == torch.bfloat16
        assert in_precision(encoder, "32-true", CPU).lower is None
    (line,) = caplog.messages
    assert "256 wide are 2.9 times as fast" in line
    assert "--precision 32-true" in line


def test_in_bfloat16_tokens_are_float32_and_near_and_the_encoder_that_was_given_is_left_alone():
    encoder, series = random_encoder(NARROW, [0, 0, 1, 1], 0), torch.linspace(-2, 2, 800).sin().reshape(2, 4, 100)
    before = encoder(series)
    lower = in_precision(encoder, "bf16-mixed", CPU)
    found = lower(series)
    assert {part.dtype for part in found} == {torch.float32}
    assert next(lower.parameters()) is next(encoder.parameters())
    for exact, near in zip(before, found, strict=True):
        assert not torch.equal(exact, near)
        torch.testing.assert_close(near, exact, atol=0.1, rtol=0)
    assert torch.equal(encoder(series).grid, before.grid)


def test_what_it_learns_in_bfloat16_has_gradients_in_float32_near_the_exact_ones():
    encoder, series = random_encoder(NARROW, [0, 0, 1, 1], 0), torch.linspace(-2, 2, 800).sin().reshape(2, 4, 100)
    weight = encoder.blocks[0].mlp[0].weight
    exact, near = (
        torch.autograd.grad(one(series).cls.square().sum(), weight)[0]
        for one in (encoder, in_precision(encoder, "bf16-mixed", CPU))
    )
    assert near.dtype == torch.float32
    assert 0 < (near - exact).norm() < 0.03 * exact.norm()


@torch.inference_mode()
def test_the_gain_of_this_machine_is_a_number_that_can_be_had_anywhere():
    state = torch.get_rng_state()
    assert 0 < measure_gain(32, 64) < 1000
    assert torch.equal(torch.get_rng_state(), state)
