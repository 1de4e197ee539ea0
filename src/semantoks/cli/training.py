"""The commands pretrain (a recipe, whatever of it the command line changes, and cohorts) and fit."""

import dataclasses
import functools
import inspect
import operator
import os
import re
import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

import tyro
from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found, hush, read_words, show
from semantoks.cli.everywhere import say as print
from semantoks.cli.typed import TYPED
from semantoks.config import from_plain, to_plain
from semantoks.errors import EXIT_INPUT, EXIT_OK, ConfigError, SemantoksError
from semantoks.storage.text import read_json
from semantoks.types import Precision

if TYPE_CHECKING:
    from semantoks.train.recipe import PretrainConfig

RANKS = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
"""Where torchrun, srun and we ourselves say which process of several this is."""
PATIENCE = 5.0
"""Seconds that another process than the first leaves to that one to say what keeps them all from training."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pretrain:
    cohorts: Positional[
        Annotated[tuple[Path, ...], arg(metavar="COHORT [COHORT ...]", help_behavior_hint="(required)")]
    ]
    """Prepared cohorts of one atlas; people of different cohorts count as different people."""
    out: Path
    """The run folder: metrics, checkpoints, encoder."""
    recipe: str = "small"
    """Where the settings start: paper, small, small-published, smoke, or a FILE.toml."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Where to train; auto takes a CUDA GPU where there is one."""
    devices: Annotated[int | None, arg(help_behavior_hint="(default: the processes of torchrun or srun, else 1)")] = (
        None
    )
    """How many GPUs (or, on a CPU, processes) train together, on all machines."""
    precision: Precision = "auto"
    """auto: bf16 on a GPU, and for wide encoders on a CPU that gains by it, else float32; losses are always float32."""
    residence: Literal["auto", "device", "memory", "disk"] = "auto"
    """Where the recordings are kept while training; the numbers are the same."""
    torch_compile: bool = False
    """Have torch compile student and teacher, as CUDA graphs on a GPU: minutes at first, then faster steps if small."""
    resume: bool = False
    """Resume the run in OUT, with its own settings; the same command does so, too, if the run is not finished."""
    init_from: Annotated[str | None, arg(help_behavior_hint="(default: random weights)")] = None
    """Start from the weights of this run, encoder folder or hub id, heads included; sizes are theirs."""
    checkpoint_every: int = 200
    """Steps between checkpoints."""
    keep: int = 3
    """Checkpoints that are kept."""
    log_every: int = 10
    """Steps between two writes of metrics.jsonl (which has one row per step)."""


def pretrain(argv: list[str]) -> int:
    """Pretrain an encoder on cohorts.

    Example: semantoks pretrain cohort/ --recipe small --out runs/a --encoder.depth 4 --views.policy across

    The recipe sets the defaults below; command-line options override it.
    """
    try:
        return _pretrained(argv)
    except (SemantoksError, FloatingPointError) as error:
        if not _left_to_first():
            raise
        hush()
        return getattr(error, "exit_code", EXIT_INPUT)


def _left_to_first() -> bool:
    """Wait, in another process than the first of a training, for that one to say what is wrong, which ends all.

    What keeps this process alone from training does not end the others: then it has to say it.
    """
    if {os.environ.get(name, "0") for name in RANKS} == {"0"}:
        return False
    parent, until = os.getppid(), time.monotonic() + PATIENCE
    with suppress(KeyboardInterrupt):  # whoever started the processes ends those that are left
        while os.getppid() == parent and time.monotonic() < until:
            time.sleep(0.05)
        return os.getppid() != parent
    return True


def _pretrained(argv: list[str]) -> int:
    """Read the words of a pretraining, and carry it out."""
    if "devices" in dict(_options(argv)) or any(name in os.environ for name in RANKS):
        # Torch says in every process that its search for unused parameters found none, which is as it should be. Its
        # libraries look at this when they are loaded; what goes through Python's warnings is not held back.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    from semantoks.contents import info
    from semantoks.train.recipe import MOVED, PretrainConfig, load_recipe

    argv = [_modern(word, MOVED) for word in argv]
    config = _with_kinds(_settings_before(argv) or load_recipe(_recipe_of(argv)), argv)
    kinds: Any = dataclasses.make_dataclass(
        "Pretrain",
        [("config", Annotated[PretrainConfig, arg(name="")], dataclasses.field(default=config))],
        bases=(_Pretrain,),
        frozen=True,
        kw_only=True,
    )
    markers = (tyro.conf.AvoidSubcommands,)
    given = read_words(kinds, argv, "semantoks pretrain", description=inspect.getdoc(pretrain), config=markers)
    from semantoks.train.run import pretrain as run  # the trainer's libraries take a second, which no help needs

    settings: PretrainConfig = given.config
    options = {f.name: getattr(given, f.name) for f in dataclasses.fields(_Pretrain)}
    out, cohorts = options["out"], options.pop("cohorts")
    del options["recipe"]
    typed = [re.sub(r"(^|\.)no_", r"\1", name.replace("-", "_")) for name, _ in _options(argv)]
    record = run(cohorts, config=settings, given=typed, command=TYPED.get(), verbose=True, **options)
    code = EXIT_OK if record.status == "finished" else 128 + signal.SIGTERM
    if not record.first:
        hush()
        return code
    found(out=out, status=record.status, steps=record.steps)
    show(info(out))
    if record.status == "stopped":
        print(f"\nStopped and saved. {go_on_with(TYPED.get())}")
    else:
        run_folder, cohort, probes = (shlex.quote(str(path)) for path in (out, cohorts[0], out / "probe"))
        print(f"\nNext: semantoks probe {run_folder} {cohort} --target NAME --out {probes}")
    return code


def go_on_with(typed: str) -> str:
    """Say how to go on with a training: by what was typed, or by whatever started its processes."""
    from semantoks.train.launch import find_launched

    if (launched := find_launched()) is None:
        return f"Go on with: {typed}"
    return f"Go on with the {launched.by} command that started its processes."


def fit(
    cohorts: Positional[
        Annotated[tuple[Path, ...], arg(metavar="COHORT [COHORT ...]", help_behavior_hint="(required)")]
    ],
    *,
    out: Path,
    columns: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: 256)")] = None,
    edges: bool = False,
    components: Annotated[
        int | None, arg(metavar="INT", help_behavior_hint="(default: about 120 in all, or 54 for edges)")
    ] = None,
    shrinkage: Annotated[float | None, arg(metavar="SHARE", help_behavior_hint="(default: the likeliest)")] = None,
    lag: Annotated[int, arg(metavar="FRAMES")] = 0,
    band: Literal["auto", "passed", "full"] = "passed",
    min_seconds: float = 60.0,
) -> int:
    """Fit an encoder in closed form: components of tangent-space connectivity, in a minute or two, without a GPU.

    Example: semantoks fit cohort/ --out encoders/a

    Nothing is trained, and no label is used. Reference, spatial components and principal components come from the
    cohorts; the encoder takes recordings of any length, and works wherever a pretrained one does: embed, probe, push.

    Args:
        cohorts: Prepared cohorts of one atlas; people of different cohorts count as different people.
        out: A new folder for the encoder.
        columns: Columns of an embedding, an even number; needs more people than columns.
        edges: Use the edges among the spatial components as columns, about 1,500: works with few people.
        components: Spatial components per network.
        shrinkage: Share of the identity in every correlation matrix; chosen without labels by default, as the one that
            best predicts the other half of a recording.
        lag: Frames by which one ROI may lead another: makes visible who follows whom; 0 = no lag.
        band: The band-passed series, or those of the full band; auto = full band where all cohorts have it.
        min_seconds: Seconds of good data that a recording needs to be used.
    """
    from semantoks.contents import info
    from semantoks.train.closed_form import FitConfig
    from semantoks.train.closed_form import fit as run

    config = FitConfig(
        columns=columns,
        edges=edges,
        components=components,
        shrinkage=shrinkage,
        lag=lag,
        band=band,
        min_seconds=min_seconds,
    )
    card = run(cohorts, out=out, config=config, verbose=True)
    found(out=out, columns=card.encoder.width, people=len(card.participants))
    show(info(out))
    encoder, cohort, probes = (shlex.quote(str(path)) for path in (out, cohorts[0], out / "probe"))
    print(f"\nNext: semantoks probe {encoder} {cohort} --target NAME --out {probes}")
    return EXIT_OK


def _recipe_of(argv: list[str]) -> str:
    """Find the recipe before the rest is parsed, since its values are the defaults of the rest."""
    return dict(_options(argv)).get("recipe") or "small"


def _settings_before(argv: list[str]) -> "PretrainConfig | None":
    """Read the settings of the run that --resume goes on with, unless a recipe is named; None without one."""
    from semantoks.train.recipe import PretrainConfig, completed, modernise

    options = dict(_options(argv))
    path = Path(options.get("out", "")) / "run.json"
    if "resume" not in options or "recipe" in options or not path.is_file():
        return None
    with suppress(OSError, ValueError, KeyError, TypeError, ConfigError):  # the job says what is wrong with it
        plain = read_json(path)["config"]
        return from_plain(PretrainConfig, completed(modernise(plain, str(path))), str(path))
    return None


def _with_kinds(config: "PretrainConfig", argv: list[str]) -> "PretrainConfig":
    """Choose the kinds that the command line names (``--encoder.tokenizer.kind``): they decide which options exist."""
    plain = to_plain(config)
    for name, value in _options(argv):
        *path, key = name.replace("-", "_").split(".")
        part: Any = config
        for field in path:
            part = getattr(part, field, None)
        # A value that the present class does not know names another class; any other is a mere setting of this one.
        if key == "kind" and hasattr(part, key) and value not in get_args(get_type_hints(type(part))[key]):
            functools.reduce(operator.getitem, path[:-1], plain)[path[-1]] = {key: value}
    return from_plain(type(config), plain, "the command line")


def _options(argv: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the name and value of every option, whether written with a space or with =."""
    for word, after in zip(argv, [*argv[1:], ""], strict=True):
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            yield name, value if equals else after


def _modern(word: str, moved: Mapping[tuple[str, ...], tuple[str, ...]]) -> str:
    """Give a flag that stood elsewhere in earlier versions its present name."""
    for old, new in moved.items():
        before, now = (f"--{'.'.join(path).replace('_', '-')}" for path in (old, new))
        rest = word.replace("_", "-").removeprefix(before)
        if word.startswith("--") and len(rest) < len(word) and (not rest or rest[0] in ".="):
            return now + word[len(before) :]
    return word
