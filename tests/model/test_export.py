"""An exported program computes what the encoder does, for any batch, in a process that does not know this package."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from semantoks.atlas.atlas import Atlas
from semantoks.errors import ConfigError
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.hub import load_encoder
from semantoks.model.tensors import save_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.model.tokenizers.published import TokenizerConfig

ATLAS = Atlas(name="six", labels=tuple("abcdef"), networks=("x", "y", "x", "z", "y", "z"))
SIZE = EncoderConfig(width=16, depth=2, frames=60, patch=20)
KINDS = {  # first the one that warns of nothing: what torch warns of once would be silent there
    "connectivity": EncoderConfig(
        width=4, depth=0, norm=False, frames=60, patch=60, tokenizer=ConnectivityConfig(components=2, shrinkage=0.3)
    ),
    "plain": SIZE,
    "attention": dataclasses.replace(SIZE, tokenizer=TokenizerConfig(branches="dense+depthwise", pooling="attention")),
}
EXPORT = """
import json, sys, warnings
from semantoks.model.export import export
said = {}
for name in sys.argv[2:]:
    warnings.simplefilter("error" if name == "connectivity" else "default", UserWarning)
    said[name] = "\\n".join(export(f"{sys.argv[1]}/{name}", f"{sys.argv[1]}/out/{name}.pt2"))
print(json.dumps(said))
"""
RUN = """
import sys, numpy, torch
program = torch.export.load(sys.argv[1], extra_files=(extra := {"config.json": ""}))
held = numpy.load(sys.argv[2])
module = program.module()
found = [module(torch.from_numpy(held[f"x{n}"]), torch.from_numpy(held[f"m{n}"])) for n in (1, 2, 7)]
numpy.savez(sys.argv[3], **{f"{name}{n}": t.detach().numpy() for n, pair in zip((1, 2, 7), found)
                            for name, t in zip(("cls", "grid"), pair)})
assert "semantoks" not in sys.modules
print(extra["config.json"])
"""


def python(code, *words):
    """Run Python in a process of its own: the suite's type checks do not go through torch.export."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A folder with encoders and their programs in ``out``, and what was said of each."""
    folder = tmp_path_factory.mktemp("exported")
    for name, size in KINDS.items():
        card = EncoderCard(encoder=size, atlas=ATLAS, tr=2.0, band=None)
        save_encoder(folder / name, Encoder(size, ATLAS.network_index), card)
    return folder, json.loads(python(EXPORT, folder, *KINDS))


@pytest.mark.slow
def test_a_program_gives_what_the_encoder_gives_for_batches_of_any_size(exported, tmp_path):
    folder, said = exported
    encoder, _ = load_encoder(folder / "plain")
    assert "takes    series float32 [batch, 6, 60] and mask bool [batch, 3, 3], True = hidden" in said["plain"]
    rng, held = np.random.default_rng(0), {}
    for n in (1, 2, 7):
        held[f"x{n}"] = rng.normal(size=(n, 6, 60)).astype(np.float32)
        held[f"m{n}"] = rng.random((n, 3, 3)) < 0.4
    np.savez(tmp_path / "in.npz", **held)
    told = json.loads(python(RUN, folder / "out" / "plain.pt2", tmp_path / "in.npz", tmp_path / "out.npz"))
    assert told["atlas"]["labels"] == list("abcdef")
    found = np.load(tmp_path / "out.npz")
    for n in (1, 2, 7):
        with torch.no_grad():
            tokens = encoder(torch.from_numpy(held[f"x{n}"]), torch.from_numpy(held[f"m{n}"]))
        np.testing.assert_allclose(found[f"cls{n}"], tokens.cls, atol=1e-5)
        np.testing.assert_allclose(found[f"grid{n}"], tokens.grid, atol=1e-5)


@pytest.mark.slow
def test_a_program_of_connectivity_says_what_it_is_fixed_to_and_nothing_else(exported):
    assert "only     this number of frames, and float32" in exported[1]["connectivity"]


ELSEWHERE = """
import sys, torch
series, mask = torch.randn(2, 6, 60), torch.rand(2, 3, 3) < 0.4
for program in sys.argv[1:]:
    with torch.no_grad():
        model = torch.export.load(program).module()
        expected = model(series, mask)
        for dtype, near in ((torch.float64, 1e-5), (torch.bfloat16, 0.1)):
            found = model.to(dtype)(series.to(dtype), mask)
            assert [t.dtype for t in found] == [dtype] * 2
            assert max((a.double() - b.double()).abs().max() for a, b in zip(expected, found)) < near
        meta = model.to("meta")(series.to("meta", dtype), mask.to("meta"))
        assert [t.device.type for t in meta] == ["meta"] * 2
"""


@pytest.mark.slow
def test_a_program_runs_in_other_precisions_and_on_other_devices(exported):
    python(ELSEWHERE, *(exported[0] / "out" / f"{name}.pt2" for name in ("plain", "attention")))


def test_a_program_is_called_pt2(tmp_path):
    from semantoks.model.export import export

    with pytest.raises(ConfigError, match=r"ends in \.pt2, not .*encoder\.onnx"):
        export(tmp_path, tmp_path / "encoder.onnx")
