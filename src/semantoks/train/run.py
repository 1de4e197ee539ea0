"""The pretraining job: cohorts in, a run folder with metrics, checkpoints and an encoder out."""

import json
import os
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from semantoks.config import as_list, check_arguments, to_plain
from semantoks.errors import BusyError, ConfigError, DataError, RankLost, SemantoksError
from semantoks.model.card import EncoderCard, check_fit, in_band_of
from semantoks.model.encoder import Encoder
from semantoks.model.hub import find_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig
from semantoks.model.tokenizers.projection import ProjectionConfig
from semantoks.model.tokenizers.published import TokenizerConfig
from semantoks.objective.objective import Learner, Objective
from semantoks.progress import Report, shown_if
from semantoks.signals.cohort import Cohort
from semantoks.storage.lock import hold_folder
from semantoks.storage.memory import need_memory
from semantoks.storage.own import need_own
from semantoks.storage.stopping import StopRequest
from semantoks.train.checkpoint import TrainState, differences, list_checkpoints, load_checkpoint, precision_of
from semantoks.train.closed_form import start_in_closed_form
from semantoks.train.compiling import compile_steps
from semantoks.train.job import Job, Trained, read_record, recordings_hash, start_record
from semantoks.train.launch import Device, count_processes, in_any_process, start_fabric
from semantoks.train.loop import Trainer, build_optimizer
from semantoks.train.monitor import Diverged, Monitor
from semantoks.train.recipe import PretrainConfig, check_given, completed, modernise
from semantoks.types import Precision
from semantoks.views.batch import check_batch_size
from semantoks.views.pool import Residence, in_band, open_pool

SMALLER = "take a smaller --batch-size, or a smaller --encoder.width or --encoder.depth"
"""What to do where memory is short."""
_STEPS_PER_CHECK = 10
"""Steps between two exchanges of whether any rank was asked to stop."""
_MARKS = ("run.json", "checkpoints/step-*.safetensors")
"""What only the folder of a run has; run.json is the first file of all, and may have been moved away when damaged."""
_LOST = ("gloo", "nccl", "connection", "peer", "socket")
"""Words of what a collective operation says when a rank is gone."""
OnRow = Callable[[dict[str, Any]], None]


def pretrain(
    cohorts: Sequence[Cohort | str | Path] | Cohort | str | Path,
    *,
    out: str | Path,
    config: PretrainConfig | None = None,
    device: Device = "auto",
    precision: Precision = "auto",
    devices: int | None = None,
    residence: Residence = "auto",
    torch_compile: bool = False,
    resume: bool = False,
    init_from: str | Path | None = None,
    given: Collection[str] = (),
    checkpoint_every: int = 200,
    keep: int = 3,
    log_every: int = 10,
    verbose: bool = False,
    on_row: OnRow | None = None,
    on_epoch: Callable[[int, Path], None] | None = None,
    command: str = "",
) -> Trained:
    """Pretrain an encoder by the objective of ``config`` and return what ``run.json`` says.

    Parameters
    ----------
    cohorts
        Prepared cohorts of one atlas, or a single one; people of different cohorts count as different people.
    out
        The run folder: run.json, metrics.jsonl, warnings.jsonl, checkpoints/, encoder/.
    devices
        How many devices train together. None: the processes that torchrun or SLURM's srun started, else one.
    precision
        32-true; bf16-mixed: products in bfloat16, weights and losses in float32; auto: the faster one here
        (``model.precision.choose_precision``), or that of the run that is resumed. run.json says which and why.
    torch_compile
        Have torch compile student and teacher, as CUDA graphs on a GPU, which takes minutes before the first steps;
        taken only where their gradient is a plain step's (``train.compiling``). See docs/performance.md.
    resume
        Write again what a finished run lacks. One that was stopped goes on from its last checkpoint with this or
        without, given the same settings; on a CPU the result is bitwise that of an unbroken run.
    init_from
        Start from the student, teacher and heads of this run, encoder folder or hub id (with ``training.safetensors``)
        instead of random weights; sizes of encoder and head are theirs, whatever ``config`` says (but a tokenizer from
        outside this package has to be in ``config``). Steps, optimiser and
        schedules start anew, and the people whom those weights have seen stay in the new encoder's list.
    given
        Settings of ``config`` that were chosen on purpose, such as ``encoder.width``: refused where the weights of
        ``init_from`` have another value, which would take its place. The command gives the options that were typed.
    checkpoint_every, keep, log_every
        In steps; how many checkpoints are kept; steps between two writes of metrics.
    verbose
        Show a bar with loss, agreement and effective rank, in a terminal or a notebook, where there is no ``on_row``.
    on_row, on_epoch
        Called with a step's metrics as they are written; with an epoch just ended and the run folder.

    Returns
    -------
    Trained
        Its ``status`` and ``steps``, and all of run.json as in a dict.

    Raises
    ------
    ConfigError, DataError, WeightsError
        For settings, cohorts or checkpoints that do not fit; FloatingPointError when the training diverged: what, at
        which step, and what is kept.
    """
    check_arguments(pretrain, locals())
    config, out = config or PretrainConfig(), Path(out)
    if min(checkpoint_every, keep, log_every, 1 if devices is None else devices) < 1:
        raise ConfigError("checkpoint_every, keep, log_every and devices have to be at least 1.")
    if not (opened := [c if isinstance(c, Cohort) else Cohort(Path(c)) for c in as_list(cohorts)]):
        raise DataError("pretrain needs at least one cohort: prepare one with `semantoks prepare`.")
    before = _record_before(out)
    init_from = init_from or before.get("init_from")
    begin = parent = None
    if init_from is not None:
        asked, (objective, begin, parent) = config, _begin(config, init_from)
        opened = [_fitting(parent, cohort) for cohort in opened]
        config = replace(asked, encoder=parent.encoder, objective=objective, band=opened[0].band)
        check_given(asked, config, given, init_from)
    config.objective.check(config.encoder, config.views)
    _check_parts(config, count_processes(devices), torch_compile)
    opened = in_band(opened, config.band)
    if before and not resume:
        _check_same(before, config, out)
    precision = precision_of(out / "checkpoints") if before and precision == "auto" else precision
    fabric, choice = start_fabric(device, precision, devices, config.encoder)
    with _only_writer(fabric, out), shown_if(verbose and on_row is None, "pretrain", "steps", None) as shown:
        saved = list_checkpoints(out / "checkpoints") if before else []
        trainer, state = _assemble(fabric, opened, config, residence, begin, bool(saved), torch_compile)
        meta = _meta(opened, trainer) | ({} if begin is None else {"init_from": begin.fingerprint()})
        done = load_checkpoint(saved[-1], state, meta=meta) if saved else 0
        record = start_record(opened, config, fabric, trainer.total, command, out, parent)
        record["init_from"] = None if init_from is None else str(init_from)
        told = {"precision_because": choice.because, "compiled": trainer.compiled, "cuda_graphs": trainer.graphs}
        record["environment"] |= told
        job = Job(
            out=out, record=record, cohorts=opened, trainer=trainer, state=state, meta=meta, keep=keep, parent=parent
        )
        if shown is not None:
            on_row = partial(_show_row, shown, trainer.total)
        job.take_up(done)
        monitor = _watch(job, done, log_every, on_row)
        _train(job, monitor, done, checkpoint_every, on_epoch)
        return Trained(out, job.record, first=fabric.is_global_zero)


def _record_before(out: Path) -> dict[str, Any]:
    """Read the record of the run that is there, if any; refuse a folder of something else."""
    need_own(out, "a run", marks=_MARKS, left=("checkpoints",))  # which may be a link to another disk
    return read_record(out) if (out / "run.json").exists() else {}


def _watch(job: Job, done: int, log_every: int, on_row: OnRow | None) -> Monitor:
    """Open what writes and watches the steps after ``done``; a new training from random weights may get advice."""
    trainer = job.trainer
    monitor = Monitor(
        job.out,
        objective=trainer.objective,
        fabric=trainer.fabric,
        every=log_every,
        first_step=done,
        watch_from=round(2 * trainer.config.optim.warmup_share * trainer.total),
        on_row=on_row,
    )
    if done == 0 and job.parent is None and (advice := trainer.objective.advise(trainer.total)):
        monitor.warn(0, advice)
    return monitor


def _check_same(before: Mapping[str, Any], config: PretrainConfig, out: Path) -> None:
    """Refuse to go on with a run that is finished, or has other settings."""
    if before.get("status") == "finished":
        raise ConfigError(f"{out} already holds a run, which is finished: choose another --out.")
    then, now = completed(modernise(before["config"], str(out))), json.loads(json.dumps(to_plain(config)))
    if differing := differences(then, now):
        raise ConfigError(
            f"{out} already holds a run with other settings: {'; '.join(differing[:3])}. Choose another --out, or go "
            "on with its own settings (--resume, and no others)."
        )


def _show_row(shown: Report, total: int, row: Mapping[str, Any]) -> None:
    """Show a step and how the training does, as far as its objective measures that."""
    words = (("loss", "loss", ".3f"), ("agreement", "agreement", ".2f"), ("rank", "effective_rank", ".1f"))
    note = ", ".join(f"{name} {row[key]:{form}}" for name, key, form in words if row.get(key) is not None)
    shown(row["step"] + 1, total, note)


def _begin(config: PretrainConfig, init_from: str | Path) -> tuple[Objective, Learner, EncoderCard]:
    """Load what a training starts from; only the configuration can bring a tokenizer from outside the package."""
    tokenizer = config.encoder.tokenizer
    if isinstance(tokenizer, TokenizerConfig | ProjectionConfig | ConnectivityConfig):
        found = config.objective.load(find_encoder(init_from))
    else:
        found = config.objective.load(find_encoder(init_from, tokenizer=tokenizer), tokenizer)
    if config.band == "full" and not found[2].full_band:
        raise ConfigError(f"the weights of {init_from} do not take the full band: leave out --band full.")
    return found


def _fitting(card: EncoderCard, cohort: Cohort) -> Cohort:
    """Return a cohort in the band of the weights that a training starts from."""
    found = in_band_of(card, cohort)
    check_fit(card, found)
    return found


@contextmanager
def _only_writer(fabric: Fabric, out: Path) -> Iterator[None]:
    """Let the first rank lock the run folder; where another job has it, every rank says so."""
    with ExitStack() as held:
        refused = None
        if fabric.is_global_zero:
            try:
                held.enter_context(hold_folder(out))
            except ConfigError as error:
                refused = str(error)
        if refused := fabric.broadcast(refused):
            raise BusyError(refused)
        yield


def _meta(cohorts: Sequence[Cohort], trainer: Trainer) -> dict[str, Any]:
    """Gather what must be the same when a run is resumed from a checkpoint."""
    meta = {
        "config": to_plain(trainer.config),
        "atlas": cohorts[0].atlas.fingerprint,
        "recordings": recordings_hash(cohorts),
        "precision": str(trainer.fabric._precision.precision),
        "devices": trainer.fabric.world_size,
    }
    return dict(json.loads(json.dumps(meta)))


def _train(
    job: Job, monitor: Monitor, done: int, checkpoint_every: int, on_epoch: Callable[[int, Path], None] | None
) -> None:
    """Take the steps that are left, saving now and then, at the ends of epochs where asked, and when asked to stop."""
    trainer = job.trainer
    per_epoch = max(1, trainer.pool.people // trainer.config.batch_size)
    with StopRequest() as stop, closing(trainer), _noting_divergence(job), _noting_lost_ranks(job):
        for step in range(done, trainer.total):
            try:
                trainer.run_step(step, monitor)
            except Diverged:
                raise
            except FloatingPointError as error:
                if not monitor.several:  # an earlier step may have gone wrong, and waits to be looked at
                    monitor.flush()
                raise Diverged(str(error), step) from error
            last, epoch_ends = step + 1 == trainer.total, (step + 1) % per_epoch == 0 and on_epoch is not None
            stopped = _anybody_asked(trainer.fabric, stop, step)
            if last or stopped or epoch_ends or (step + 1) % checkpoint_every == 0:
                monitor.flush()
                job.save(step + 1, "finished" if last else "stopped" if stopped else "running")
            if epoch_ends and on_epoch is not None and trainer.fabric.is_global_zero:
                on_epoch(step // per_epoch, job.out)
            if stopped:
                trainer.fabric.barrier()  # who started the ranks ends them all when the first one ends
                break


@contextmanager
def _noting_lost_ranks(job: Job) -> Iterator[None]:
    """Say in a sentence that another rank has ended, which is all that the others learn of it."""
    try:
        yield
    except RuntimeError as error:
        several = job.trainer.fabric.world_size > 1
        if not several or isinstance(error, SemantoksError) or not any(word in str(error).lower() for word in _LOST):
            raise
        job.write_record("stopped")
        last = list_checkpoints(job.out / "checkpoints")
        kept = f"{last[-1].name} is whole: the same command goes on" if last else "nothing was saved: start again"
        raise RankLost(
            "another process of this training has ended (killed, out of memory, or its machine is gone): its words, "
            f"if it had any, say why. {kept}, with any number of processes."
        ) from error


@contextmanager
def _noting_divergence(job: Job) -> Iterator[None]:
    """Where a training diverged, keep what is from before, let run.json say so, and the user what to do."""
    try:
        yield
    except Diverged as error:
        raise FloatingPointError(f"{error} {job.step_back(error.step)}") from error


def _anybody_asked(fabric: Fabric, stop: StopRequest, step: int) -> bool:
    """Say whether to stop after this step; several ranks stop together, soon after one of them was asked."""
    skipped = fabric.world_size > 1 and (step + 1) % _STEPS_PER_CHECK
    return not skipped and in_any_process(fabric, stop.asked)


def _start_all(learner: Learner, cohorts: Sequence[Cohort], min_seconds: float) -> None:
    """Start every encoder of a learner, such as student and teacher, from the cohorts' closed form."""
    first, *others = (module for module in learner.modules() if isinstance(module, Encoder))
    start_in_closed_form(first, cohorts, min_seconds)
    for other in others:
        other.load_state_dict(first.state_dict())


def training_bytes(config: PretrainConfig, networks: int, parts: int = 1) -> int:
    """Estimate the bytes of a step on one of ``parts`` devices: of two views of each person, and their heads."""
    people = config.batch_size // (parts * config.accumulate)
    head = getattr(config.objective, "head", None)
    return config.encoder.training_bytes(networks, 2 * people, getattr(head, "hidden", 0))


def _check_parts(config: PretrainConfig, processes: int, torch_compile: bool) -> None:
    """Refuse a batch that cannot be split into equal parts, before any process is launched."""
    parts = processes * config.accumulate
    if config.batch_size % parts:
        near = max(1, round(config.batch_size / parts)) * parts
        raise ConfigError(
            f"batch_size {config.batch_size} has to be a multiple of devices x accumulate = {parts}: use --batch-size "
            f"{near}, or other --devices."
        )
    if torch_compile and config.accumulate > 1:
        raise ConfigError("--torch-compile compiles whole batches: leave it out, or set --accumulate 1.")


def _assemble(
    fabric: Fabric,
    cohorts: Sequence[Cohort],
    config: PretrainConfig,
    residence: Residence,
    begin: Learner | None,
    resumed: bool,
    torch_compile: bool,
) -> tuple[Trainer, TrainState]:
    """Build the pool, the learner (``begin``, or a fresh one) and its optimiser on the device."""
    if fabric.device.type == "cpu":
        need_memory(
            "pretrain",
            training_bytes(config, cohorts[0].atlas.n_networks, fabric.world_size),
            SMALLER,
        )
    here = int(os.environ.get("LOCAL_WORLD_SIZE", fabric.world_size))
    pool = open_pool(cohorts, fabric.device, residence, config.min_seconds, processes=here)
    check_batch_size(pool, config.batch_size)
    size = config.encoder
    config.views.window(size.frames, size.patch, pool.tr, any_length=size.any_length)
    learner = begin or config.objective.learner(size, pool.network_index.tolist(), config.seed)
    if begin is None and not resumed and isinstance(size.tokenizer, ConnectivityConfig):
        _start_all(learner, cohorts, config.min_seconds)
    learner.to(fabric.device)
    optimizer = build_optimizer(learner.trained, config.optim)
    with warnings.catch_warnings():  # the other name that torch wants has been there since 2.13
        warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
        wrapped, wrapped_optimizer = fabric.setup(learner.trained, optimizer)
    trainer = Trainer(
        fabric=fabric,
        pool=pool,
        config=config,
        total=config.total_steps(pool.people),
        learner=learner,
        trained=wrapped,
        optimizer=wrapped_optimizer,
    )
    if torch_compile:
        compile_steps(trainer, graphs=fabric.device.type == "cuda")
    return trainer, TrainState(learner, optimizer)
