"""One table of what the runs of a study have scored, and their scores with the test people resampled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from semantoks.errors import DataError
from semantoks.reporting.recipes import LINES
from semantoks.reporting.study import ANSWERS, LAWS, RESULTS, SUMMARY
from semantoks.statistics.methods import ENCODER, RANDOM
from semantoks.statistics.seeds import OverSeeds, over_seeds, resampled
from semantoks.statistics.summary import RANGES
from semantoks.statistics.tables import ALPHA, MAIN, PREDICTIONS, SCORES, read_predictions, read_scores
from semantoks.storage.tables import write_table
from semantoks.storage.text import read_json, read_rows
from semantoks.studies.engine import OVER, SPREAD, status_of
from semantoks.studies.table import Planned, Study
from semantoks.train.job import read_record

SAMPLES = 1000


@dataclass(frozen=True)
class Scored:
    """Scores of one target: of every run that is finished, and of the methods that know no encoder.

    Attributes
    ----------
    runs
        Finished runs, in the order of the study.
    means, samples
        (run's name, method) -> score; the same with test people resampled [sample], one draw for all.
    lines
        Method -> (score, low, high).
    """

    target: str
    kind: str
    metric: str
    runs: tuple[Planned, ...]
    means: Mapping[tuple[str, str], float]
    samples: Mapping[tuple[str, str], Float[ndarray, " sample"]]
    lines: Mapping[str, OverSeeds]

    def of(self, run: Planned, less: str = "") -> tuple[float, Float[ndarray, " sample"]]:
        """Return the encoder's score of a run and its samples, less those of a method."""
        mean, samples = self.means[run.name, ENCODER], self.samples[run.name, ENCODER]
        if less:
            mean, samples = mean - self.means[run.name, less], samples - self.samples[run.name, less]
        return mean, samples

    def over(self, runs: Sequence[Planned], less: str = "") -> OverSeeds:
        """Return the mean over some runs, one per seed, of the score, or of the score less that of a method."""
        found = self.paired([self.of(run, less) for run in runs])
        low, high = (-np.inf, np.inf) if less else RANGES[self.metric]
        return replace(found, low=float(np.clip(found.low, low, high)), high=float(np.clip(found.high, low, high)))

    def differences(self, pairs: Sequence[tuple[Planned, Planned]]) -> OverSeeds:
        """Return the mean difference of pairs of runs, first less second."""
        both = [(self.of(one), self.of(other)) for one, other in pairs]
        return self.paired([(a[0] - b[0], a[1] - b[1]) for a, b in both])

    def beside(self, runs: Sequence[Planned], line: str) -> OverSeeds:
        """Return the mean over some runs of the score less that of a method that knows no encoder; NaN without it."""
        key = next((key for key in self.means if key[1] == line), None)
        if key is None:
            return self.paired([])
        mean, samples = self.means[key], self.samples[key]
        return self.paired([(score - mean, drawn - samples) for score, drawn in map(self.of, runs)])

    @staticmethod
    def paired(each: Sequence[tuple[float, ndarray]]) -> OverSeeds:
        """Return the mean over seeds."""
        if not each:
            return over_seeds(np.zeros(0), np.zeros((0, 1)))
        return over_seeds(np.array([mean for mean, _ in each]), np.stack([samples for _, samples in each]))


def read_scored(study: Study) -> list[Scored]:
    """Read the probes of all finished runs, target by target.

    Raises
    ------
    DataError
        If a probe's tables are damaged, or two probes tested other people or splits.
    """
    runs = [run for run in study.runs if status_of(study, run) == "finished"]
    folders = {run.name: study.folder(run) / "probe" for run in runs}
    scores = {name: _main(read_scores(folder / SCORES)) for name, folder in folders.items()}
    predictions = {name: _main(read_predictions(folder / PREDICTIONS)) for name, folder in folders.items()}
    found = []
    for target in study.targets if runs else ():
        tables, train, kind = {}, [], ""
        for run in runs:
            rows = predictions[run.name]
            methods = (ENCODER, RANDOM, *(LINES if run.methods != (RANDOM,) else ()))
            for method in methods:
                part = rows[(rows["target"] == target) & (rows["method"] == method)]
                if len(part):
                    tables[run.name, method] = part
                    kind = str(part["kind"].iloc[0])
            train.append(float(scores[run.name].query("target == @target")["n_train"].mean()))
        named = {"\t".join(key): table for key, table in tables.items()}
        means, samples = resampled(named, MAIN[kind], n_train=float(np.mean(train)), samples=SAMPLES)
        by_key = dict(zip(tables, zip(means.tolist(), samples, strict=True), strict=True))
        lines = {
            key[1]: over_seeds(np.array([mean]), each[None]) for key, (mean, each) in by_key.items() if key[1] in LINES
        }
        found.append(
            Scored(
                target=target,
                kind=kind,
                metric=MAIN[kind],
                runs=tuple(runs),
                means={key: mean for key, (mean, _) in by_key.items()},
                samples={key: each for key, (_, each) in by_key.items()},
                lines=lines,
            )
        )
    return found


def _main(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["analysis"] == "main"]


def conditions_of(study: Study) -> dict[str, list[Planned]]:
    """Return the runs of each condition that has one which is over."""
    names = dict.fromkeys(run.condition for run in study.runs if status_of(study, run) in OVER)
    return {name: [run for run in study.runs if run.condition == name] for name in names}


def count_bad(study: Study, runs: Sequence[Planned]) -> dict[str, int]:
    """Count the runs that ended collapsed (what their watch says), and those that did not stay finite."""
    collapsed = [trained(study, run).get("collapsed", False) for run in runs]
    failed = [status_of(study, run) == "failed" for run in runs]
    return {"collapsed": sum(collapsed), "failed": sum(failed)}


def verdict_of(difference: float, p: float) -> str:
    """Say whether a score is higher or lower than another one; nothing where p is not known."""
    if np.isnan(p):
        return ""
    return "undecided" if p >= ALPHA else "higher" if difference > 0 else "lower"


def trained(study: Study, run: Planned) -> dict[str, Any]:
    """Say what a run folder tells of its training: people, cost, collapse, and how far test people are spread."""
    folder = study.folder(run)
    try:
        record = read_record(folder)
    except FileNotFoundError:
        return {}
    rows = read_rows(folder / "metrics.jsonl")[0]
    last = rows[-1] if rows else {}
    warned = [row["step"] for row in read_rows(folder / "warnings.jsonl")[0] if "collapsing" in str(row.get("message"))]
    try:
        spread = read_json(folder / SPREAD)
    except FileNotFoundError:
        spread = {}
    except DataError as error:
        raise DataError(f"{error} Delete it: its columns stay empty then.") from error
    return {
        "trained_people": sum(part["participants"] for part in record["cohorts"]),
        "steps": record["steps_total"],
        "tflop": float(f"{record['cost']['flops'] / 1e12:.4g}"),
        "seconds": float(f"{record['cost']['seconds']:.4g}"),
        "peak_memory_gib": round(record["cost"]["peak_memory_bytes"] / 2**30, 3),
        "effective_rank": last.get("effective_rank"),
        **{name: spread.get(name) for name in ("spread", "dimensions")},
        "collapse_warning_at": warned[0] if warned else None,
        "collapsed": bool(last) and run.config.objective.find_collapse(last) is not None,
    }


def results_table(study: Study, scored: Sequence[Scored]) -> pd.DataFrame:
    """Return one row per run and target: what it is, how far it is, what its training cost, and its scores."""
    rows = []
    for run in study.runs:
        about = {"run": run.name, "condition": run.condition, "seed": run.seed, "people": run.people}
        about |= {"differs": run.differs, "status": status_of(study, run), **trained(study, run)}
        for one in scored:
            known = {m: one.means[run.name, m] for m in (ENCODER, RANDOM) if (run.name, m) in one.means}
            gain = known[ENCODER] - known[RANDOM] if len(known) == 2 else None
            rows.append({**about, "target": one.target, "metric": one.metric, **known, "gain": gain})
        if not scored:
            rows.append(about)
    return pd.DataFrame(rows)


def write_results(
    study: Study,
    results: pd.DataFrame,
    summary: pd.DataFrame,
    answers: Sequence[tuple[str, str]],
    laws: pd.DataFrame | None = None,
) -> None:
    """Write the study's tables: results.tsv, summary.tsv, answers.tsv, and laws.tsv where there are any."""
    write_table(study.out / RESULTS, results)
    write_table(study.out / SUMMARY, summary)
    write_table(study.out / ANSWERS, pd.DataFrame(answers, columns=["target", "answer"]))
    if laws is not None:
        write_table(study.out / LAWS, laws)
