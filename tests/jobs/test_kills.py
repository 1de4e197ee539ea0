"""Commands that are killed, or asked to stop, end with the bytes of undisturbed ones, and leave nothing behind.

Each is sent SIGKILL, SIGTERM or SIGINT before it puts a file in place, or at any moment. By hand all commands, twice in
each of many rounds: ``SEMANTOKS_KILLS=20 python -m pytest tests/jobs/test_kills.py -s``.
"""

import os
import random
import shlex
import shutil
import sys

import pytest
from killing import Attack

import semantoks.evaluate.finetuning.finetune
import semantoks.reporting.page
import semantoks.studies.command
import semantoks.train.run  # noqa: F401 (what the processes need is there before they begin)
from semantoks.cli.main import GO_ON
from semantoks.model.card import EncoderCard
from semantoks.model.encoder import EncoderConfig, random_encoder
from semantoks.model.tensors import save_encoder
from tiny_people import ATLAS, RECIPE, make_people, write_cohort

pytestmark = pytest.mark.slow

ROUNDS = int(os.environ.get("SEMANTOKS_KILLS", "0"))
SIX_STEPS = RECIPE.replace("steps = 3", "steps = 6")
SIZE = EncoderConfig(width=8, depth=1, frames=60, patch=20)
TIMES = ("run.json", "metrics.jsonl", "warnings.jsonl", "config.json")
"""Files of a run that say how long it took, and hash ids with a salt of their own."""
COSTS = (*TIMES, "SHA256SUMS", "results.tsv", "recipes.tsv", "report.html", "runs_all_runs.tsv")
COSTS += ("numbers_what_they_keep_and_cost.tsv",)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Tiny people with an encoder and a recipe."""
    folder = tmp_path_factory.mktemp("world")
    write_cohort(folder, *make_people(24))
    encoder = random_encoder(SIZE, ATLAS.network_index, 0)
    save_encoder(folder / "encoder", encoder, EncoderCard(encoder=SIZE, atlas=ATLAS, tr=2.0, band=None, seed=0))
    (folder / "tiny.toml").write_text(SIX_STEPS)
    (folder / "tinier.toml").write_text(SIX_STEPS.replace("width = 8", "width = 4"))
    shutil.copy(folder / "cohort" / "atlas.tsv", folder / "tiny.tsv")
    return folder


INSIDE = "{encoder} {cohort} --out out --folds 2 --repeats 1"
STUDY = "{cohort} --target age --out out --seeds 0 --held-out 0.5 --folds 2 --repeats 1 --n-jobs 1"
PREPARE = "prepare {raw} --atlas {tiny.tsv} --tr 2 --out out --n-jobs"
PROBE = "probe {encoder} {cohort} --target sex --out out --folds 2 --repeats 1 --methods fc_tangent --analyses --n-jobs"
COMMANDS = {
    "doctor": ("doctor {raw} --atlas {tiny.tsv} --tr 2", ()),
    "prepare": (f"{PREPARE} 1", ()),
    "prepare, two workers": (f"{PREPARE} 2", ()),
    "fit": ("fit {cohort} --out out --columns 4 --components 2 --shrinkage 0.3", TIMES),
    "pretrain": ("pretrain {cohort} --recipe {tiny.toml} --out out --resume --checkpoint-every 2 --keep 1", TIMES),
    "embed": ("embed {raw} --tr 2 --model {encoder} --out f.parquet", ()),
    "embed, of a cohort": ("embed {cohort} --model {encoder} --out f.parquet", ()),
    "probe": (f"{PROBE} 1", ()),
    "probe, two workers": (f"{PROBE} 2", ()),
    "finetune": (f"finetune {INSIDE} --target sex --epochs 1 --crops 1", ()),
    "ablate": (f"ablate {STUDY} --recipe {{tiny.toml}} --only 'no masks'", COSTS),
    "scale": (f"scale {STUDY} --recipe {{tiny.toml}} --values 50 100", COSTS),
    "compare": (f"compare {STUDY} --recipes {{tiny.toml}} {{tinier.toml}}", COSTS),
    "audit": (f"audit {INSIDE}", ()),
    "vocabulary": (f"vocabulary {INSIDE} --words 4", ()),
    "explain": (f"explain {INSIDE} --windows 8", ()),
    "report": ("report {cohort} --out report.html", ()),
    "export": ("export {encoder} m.pt2", ()),
    "simulate": ("simulate --out out --participants 20 --minutes 2 --atlas schaefer100", ()),
}
"""Each with the names of files that are not the same twice; files of the world stand in braces."""
IN_THE_SUITE = ("prepare", "fit", "pretrain", "embed", "probe", "finetune", "scale")


@pytest.mark.parametrize("name", COMMANDS if ROUNDS else IN_THE_SUITE)
def test_a_command_that_was_stopped_ends_like_one_that_was_not(world, tmp_path, name, monkeypatch):
    monkeypatch.setattr("semantoks.signals.writer.SHARD_RECORDINGS", 8)
    text, unlike = COMMANDS[name]
    words = [str(world / word[1:-1]) if word[0] == "{" else word for word in shlex.split(text)]
    attack = Attack(words, unlike, goes_on=words[0] in (*GO_ON, "pretrain"), once=words[0] in ("fit", "simulate"))
    found = attack.carry_out(tmp_path, ROUNDS or 1, random.Random(None if ROUNDS else name), stops=2 if ROUNDS else 1)
    if ROUNDS:
        sys.stdout.write(f"{name}: {found}\n")
