"""The probe: score an encoder beside every baseline on the same people, splits and frames, and write the results."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from joblib import effective_n_jobs

from semantoks.config import as_list, check_arguments, to_plain
from semantoks.errors import ConfigError
from semantoks.evaluate.analyses.confounds import check_confounds
from semantoks.evaluate.analyses.run import expected_costs, plans_of_null, run_analyses
from semantoks.evaluate.methods import check_extra, feature_sets
from semantoks.evaluate.plans import open_study
from semantoks.evaluate.protocols import run_protocol
from semantoks.evaluate.settings import ProbeConfig
from semantoks.evaluate.study.shown import Baseline
from semantoks.evaluate.study.study import Progress, Stages
from semantoks.evaluate.study.work import Work, check_out, unfinished
from semantoks.model.encoder import Encoder
from semantoks.progress import shown_if
from semantoks.signals.cohort import Cohort
from semantoks.statistics.shown import Scores
from semantoks.statistics.summary import summarise
from semantoks.statistics.tables import ABOUT, PREDICTIONS, SCORES
from semantoks.storage.checksums import write_sealed, write_sums_of_tables
from semantoks.storage.lock import hold_folder
from semantoks.storage.text import read_json
from semantoks.types import Precision


def probe(
    model: str | Path | Encoder,
    cohort: Cohort | str | Path,
    *,
    targets: Sequence[str] | str,
    out: str | Path,
    config: ProbeConfig | None = None,
    device: str = "auto",
    precision: Precision = "32-true",
    n_jobs: int = 1,
    scheduler: str | None = None,
    command: str = "",
    verbose: bool = False,
    progress: Progress | None = None,
    extra: Mapping[str, Baseline] | None = None,
) -> Scores:
    """Predict ``targets`` from the encoder and from every baseline on the same people, splits and frames.

    Scaling, penalties, tangent references and confound regressions are fitted inside each training fold; each test
    fold is scored once. A person's recordings are averaged, so each person counts once. With ``config.events`` rows are
    the blocks of a task, and targets columns of its events (trial_type); all blocks of a person, and of everybody who
    goes with them, are on one side of a split and are resampled together.

    Parameters
    ----------
    model
        A run, an encoder folder, an id on the Hugging Face hub, or a loaded Encoder.
    config
        Protocol, readouts, methods, splits, and the analyses beside the scores.
    device, precision
        As in ``embed``.
    n_jobs
        Worker processes; -1 uses all cores. The results are the same for any number.
    scheduler
        Address of a Dask scheduler whose workers compute the splits instead; they have to see ``out``.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.
    extra
        Baselines of your own, by name: see ``Baseline``.

    Returns
    -------
    Scores
        The DataFrame of ``summarise``, which has its columns: one row per target and method, with intervals and the
        comparison with FC; a notebook shows it as the terminal does. It is computed from scores.csv,
        predictions.parquet and probe.json, which are written to ``out``.

    Raises
    ------
    ConfigError
        If there is no target, a setting, method or device does not exist, or ``out`` already contains another probe.
    DataError
        For an unknown target, too few people in a class, a label that varies within a person, or a person on both
        sides of a given split.
    WeightsError
        If there is no encoder, or its atlas is not the cohort's.
    """
    check_arguments(probe, locals())
    config, out, extra, targets = config or ProbeConfig(), Path(out), extra or {}, as_list(targets)
    if not targets:
        raise ConfigError("probe needs at least one target: a column of the cohort's participants.tsv.")
    check_extra(extra)
    with hold_folder(out), shown_if(verbose, "probe", "%", progress) as progress:
        check_out(out)
        _refuse_another(out, targets, config, extra)
        jobs = 1 if scheduler else effective_n_jobs(n_jobs)
        study = open_study(model, cohort, targets, config, device=device, out=out, precision=precision, jobs=jobs)
        check_confounds(study.cohort.participants, config.confounds)
        study.extra = extra
        study.stages = Stages(progress, expected_costs(study))
        with unfinished(out, study.fingerprint()) as folder:
            study.work = Work(n_jobs, scheduler, folder)
            study.plans = plans_of_null(study)
            sets = feature_sets(study)
            study.stages.next()
            results = run_protocol(study, sets)
            study.stages.next()
            run_analyses(study, sets, results)
        scores, predictions = results.write(out, study.names if config.identifiers else None)
        about = {"command": command, **study.about()}
        write_sums_of_tables(out, (SCORES, PREDICTIONS))
        write_sealed(out / ABOUT, about)
        return summarise(scores, predictions, bound=config.equivalence, seed=config.seed)


def _refuse_another(out: Path, targets: Sequence[str], config: ProbeConfig, extra: Mapping[str, Baseline]) -> None:
    """Refuse to overwrite the scores of other targets or settings, which may be hours of work."""
    try:
        before = read_json(out / ABOUT)
        now, usual = (json.loads(json.dumps(to_plain(one))) for one in (config, ProbeConfig()))
        kept, same = list(before["targets"]), usual | before["settings"] == now  # older probes lack newer settings
        same = same and set(before.get("extra", ())) == set(extra)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):  # no finished probe there
        return
    if set(kept) != set(targets) or not same:
        raise ConfigError(
            f"{out} already contains the scores of {', '.join(kept)}{'' if same else ' with other settings'}: "
            "choose another --out, or delete that folder."
        )
