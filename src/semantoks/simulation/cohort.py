"""A simulated cohort whose answers are known: recordings in memory one by one, or written as a folder of arrays.

Latents at 0.5 s steps are convolved with the person's haemodynamic response and scaled to unit variance: contrasts of
four states that take turns (semi-Markov), noise of each domain, eight factors in each domain, one slow global signal.
They are mixed to ROIs with loadings that belong to the person; 1/f noise, white noise and head motion come on top. A
domain is a network of the atlas (see `people.domains_of`). Five independent traits hide in it, each in its own way:

=========  ==================================================  ==========================================
trait      what one sd more does                               where it shows
=========  ==================================================  ==========================================
coupling   Default x Cont noise correlation + 0.40 Fisher z    zero-lag FC
occupancy  stay in state 1 x exp(0.8), mean stay unchanged     zero-lag FC
tempo      all time constants x exp(0.35), variance unchanged  power spectra
sequence   log odds of 1 -> 2 -> 3 -> 4 against back, + 1      lagged covariance only
motion     displacement x exp(0.35), jerks x exp(0.6)          everywhere: the confound
=========  ==================================================  ==========================================

The state paths of `sequence` +z and -z are mirror images in time. One linear filter acts on all latents, so a path and
its mirror image have the same zero-lag covariance: but for the first and last seconds of a recording, the whole law of
FC is the same for +z and -z, and no function of FC tells them apart. Lagged covariance changes its sign.
"""

import dataclasses
import functools
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import joblib
import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray
from numpy.random import Generator, SeedSequence, default_rng

from semantoks import config as plain
from semantoks.atlas.atlas import Atlas
from semantoks.atlas.catalog import get_atlas
from semantoks.errors import ConfigError
from semantoks.progress import shown_if
from semantoks.signals.recording import MAX_TR, MIN_TR, Recording
from semantoks.simulation import dynamics, people, task
from semantoks.simulation.dynamics import draw_series
from semantoks.storage.lock import hold_file
from semantoks.storage.workers import run_calls

Tool = Literal["xcpd", "ukb", "abide", "hdf5", "ptseries"]
"""Whose files a simulated cohort can have."""
_SETTINGS = "simulation.json"
_WRITTEN = (_SETTINGS, "participants.tsv", "sub-*_task-*_timeseries.npy", "sub-*_task-*_events.tsv")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Site:
    """A scanner: TR (s), scan length as a factor on the minutes, factor on the noise, sd of its ROI gains (log)."""

    name: str
    tr: float
    length: float = 1.0
    noise_gain: float = 1.0
    loading_shift: float = 0.0

    def __post_init__(self) -> None:
        """Raise ConfigError for a value out of its range."""
        plain.check_fields(self)
        if not self.name or not self.name.replace("-", "").replace("_", "").isalnum():
            raise ConfigError(f"a simulated site's name has to be letters, digits, - and _, not {self.name!r}.")
        if not MIN_TR <= self.tr <= MAX_TR:
            raise ConfigError(f"simulated site {self.name}: tr has to be {MIN_TR} to {MAX_TR} s, not {self.tr}.")
        if not (self.length > 0 and self.noise_gain >= 0 and self.loading_shift >= 0):
            raise ConfigError(f"simulated site {self.name}: length has to be above 0, gain and shift at least 0.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """What to simulate.

    Attributes
    ----------
    sessions
        Recordings of each participant: same person, other moments.
    atlas
        Name or file, as for `semantoks.atlas.catalog.get_atlas`.
    minutes
        Length of a recording; the site's TR makes frames of it.
    sites
        Participants take them in turn.
    age_r2, sex_r2
        Share of the variance of age (of the liability of sex) that the traits explain: see `people.draw_traits`.
    task_blocks
        Whether recordings are of a task, in blocks whose trial type changes the coupling of networks (`task`).
    seed
        Draws the participants and their recordings.
    population
        Draws what all brains share. Cohorts of other seeds and the same population are samples of the same people.
    """

    participants: int = 60
    sessions: int = 2
    atlas: str = "cc200"
    minutes: float = 6.0
    sites: tuple[Site, ...] = (
        Site(name="A", tr=2.0, loading_shift=0.1),
        Site(name="B", tr=1.5, noise_gain=1.15, loading_shift=0.1),
    )
    age_r2: float = 0.5
    sex_r2: float = 0.5
    task_blocks: bool = False
    seed: int = 0
    population: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError for a value out of its range."""
        plain.check_fields(self)
        for name in ("participants", "sessions"):
            if getattr(self, name) < 1:
                raise ConfigError(f"simulation: {name} has to be 1 or more, not {getattr(self, name)}.")
        if not 0 < self.minutes < math.inf:
            raise ConfigError(f"--minutes must be above 0, not {self.minutes}.")
        for name in ("age_r2", "sex_r2"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"simulation: {name} has to be 0 to 1, not {getattr(self, name)}.")
        if min(self.seed, self.population) < 0:
            raise ConfigError("simulation: seed and population have to be 0 or more.")
        if not self.sites or len({site.name for site in self.sites}) < len(self.sites):
            raise ConfigError("simulation: sites has to be one or more sites with different names.")
        for site in self.sites:
            if self.frames_at(site) < 2:
                raise ConfigError(f"simulation: {self.minutes} minutes are too few for two frames at site {site.name}.")
            if self.task_blocks and self.frames_at(site) * site.tr < task.LEAST:
                raise ConfigError(
                    f"simulation: task blocks need {task.LEAST / 60:g} minutes, and {self.minutes} give "
                    f"{self.frames_at(site) * site.tr / 60:.3g} at site {site.name}."
                )

    def frames_at(self, site: Site) -> int:
        """Count the frames of a recording at this site."""
        return round(60 * self.minutes * site.length / site.tr)


@dataclasses.dataclass(frozen=True)
class Simulation:
    """A simulated cohort; any recording can be made alone, and is the same whatever else is made."""

    config: SimulationConfig
    atlas: Atlas

    @functools.cached_property
    def population(self) -> people.Population:
        """What all people share."""
        return people.draw_population(self._population_stream(), self.atlas)

    @functools.cached_property
    def task_shifts(self) -> Float[ndarray, "type domain domain"]:
        """What the trial types of the task change, the same in all people."""
        stream = default_rng(SeedSequence(self.config.population, spawn_key=(2,)))
        return task.draw_shifts(stream, len(self.population.coupling))

    def events(self, participant_index: int, session_index: int) -> pd.DataFrame:
        """Draw the blocks of a recording: onset and duration (s), trial_type."""
        site = self.site(participant_index)
        key = (2, participant_index, session_index)
        rng = default_rng(SeedSequence(self.config.seed, spawn_key=key))
        return task.draw_design(rng, self.config.frames_at(site) * site.tr)

    def participants_table(self) -> pd.DataFrame:
        """One row per participant and session: ids, site, tr (s), mean_fd (mm), age (years), sex and traits (sd)."""
        rows = []
        for participant in range(self.config.participants):
            traits = dataclasses.asdict(self._traits(self._person_stream(participant)))
            site = self.site(participant)
            for session in range(self.config.sessions):
                fd = self._displacement(self._scan_stream(participant, session), site, traits["motion"])
                ids = {"participant_id": self.name(participant), "session_id": str(session + 1)}
                rows.append(ids | {"site": site.name, "tr": site.tr, "mean_fd": float(fd.mean())} | traits)
        head = ["participant_id", "session_id", "site", "tr", "mean_fd", "age", "sex"]
        table = pd.DataFrame(rows)
        return table[head + [name for name in table.columns if name not in head]]

    def recording(self, participant_index: int, session_index: int) -> Recording:
        """Make one recording, from 0-based indices; its session is the 1-based number.

        Raises
        ------
        IndexError
            For a participant or session that this cohort does not have.
        """
        if not (0 <= participant_index < self.config.participants and 0 <= session_index < self.config.sessions):
            raise IndexError(f"there is no participant {participant_index} with session {session_index}.")
        own = self._person_stream(participant_index)
        person = people.draw_person(own, self.population, self._traits(own))
        rng = self._scan_stream(participant_index, session_index)
        site = self.site(participant_index)
        fd = self._displacement(rng, site, person.traits.motion)
        gains = self._population_stream(self.config.sites.index(site)).standard_normal(self.atlas.n_rois)
        states: dynamics.Task | None = None
        if self.config.task_blocks:
            roots = task.task_roots(person.covariance_root, self.task_shifts)
            steps = dynamics.latent_steps(fd.size, site.tr)
            states = roots, task.task_path(self.events(participant_index, session_index), steps)
        series = draw_series(
            rng,
            self.population,
            person,
            fd=fd,
            tr=site.tr,
            noise_gain=site.noise_gain,
            gains=np.exp(site.loading_shift * gains),
            task=states,
        )
        return Recording(
            series=series,
            tr=site.tr,
            participant=self.name(participant_index),
            session=str(session_index + 1),
            site=site.name,
            fd=fd.astype(np.float32),
            source=f"simulation with seed {self.config.seed}",
        )

    def name(self, participant: int) -> str:
        """Participant id without ``sub-``: at least four digits, from 0001."""
        return f"{participant + 1:0{max(4, len(str(self.config.participants)))}d}"

    def site(self, participant: int) -> Site:
        """Give the site of a participant; the same in every session."""
        return self.config.sites[participant % len(self.config.sites)]

    # First words of the keys: 0 for people, 1 for what they share; so equal seeds never make equal streams.
    def _person_stream(self, participant: int) -> Generator:
        return default_rng(SeedSequence(self.config.seed, spawn_key=(0, participant)))

    def _scan_stream(self, participant: int, session: int) -> Generator:
        return default_rng(SeedSequence(self.config.seed, spawn_key=(0, participant, session)))

    def _population_stream(self, *key: int) -> Generator:
        return default_rng(SeedSequence(self.config.population, spawn_key=(1, *key)))

    def _traits(self, own: Generator) -> people.Traits:
        return people.draw_traits(own, self.config.age_r2, self.config.sex_r2)

    def _displacement(self, rng: Generator, site: Site, motion: float) -> Float[ndarray, " frame"]:
        return dynamics.displacement(rng, self.config.frames_at(site), site.tr, motion)


def simulate(
    config: SimulationConfig,
    *,
    out: str | Path,
    tool: Tool | Literal["arrays"] | None = "arrays",
    n_jobs: int = 1,
    verbose: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a simulated cohort, and return what ``prepare`` reads.

    Files are a float32 .npy [frame, roi] for each recording, participants.tsv and simulation.json. The folder appears
    whole or not at all; a killed run leaves ``.NAME.partial`` beside it.

    Parameters
    ----------
    config
        Whom to simulate: people, sessions, atlas, minutes.
    out
        Output folder; an earlier simulation is replaced.
    tool
        Instead of arrays, write files as another tool does (``--as``): see `semantoks.simulation.as_tool.simulate_as`.
    n_jobs
        Worker processes; -1 uses all cores. The files of a tool are written by one.
    verbose
        Show a bar, in a terminal or a notebook; ``progress`` is called instead, if given.
    progress
        Called with the recordings done and their number.

    Raises
    ------
    ConfigError
        If ``out`` contains anything that a simulation did not write, or the tool cannot have the atlas or the sessions.
    """
    plain.check_arguments(simulate, locals())
    if n_jobs == 0:
        raise ConfigError("--n-jobs must not be 0: give a number of processes, or -1 for all cores.")
    with shown_if(verbose, "simulate", "recordings", progress) as shown:
        if tool is None or tool == "arrays":
            return _written(config, Path(out), n_jobs, shown)
        from semantoks.simulation.as_tool import simulate_as

        return simulate_as(tool, config, out=Path(out), progress=shown)


def _written(config: SimulationConfig, out: Path, n_jobs: int, progress: Callable[[int, int], None] | None) -> Path:
    with hold_file(out):
        _check_replaceable(out)
        simulation = Simulation(config, get_atlas(config.atlas))
        _check_not_square(simulation)
        partial = out.with_name(f".{out.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        jobs = (joblib.delayed(_write_participant)(simulation, partial, k) for k in range(config.participants))
        written = 0
        for count in run_calls(jobs, n_jobs=n_jobs, ordered=False):
            written += count
            if progress is not None:
                progress(written, config.participants * config.sessions)
        table = simulation.participants_table()
        table["participant_id"] = "sub-" + table["participant_id"]
        table.to_csv(partial / "participants.tsv", sep="\t", index=False, float_format="%.6g")
        (partial / _SETTINGS).write_text(json.dumps(plain.to_plain(config), indent=2, default=plain.to_plain) + "\n")
        if out.exists():
            shutil.rmtree(out)
        partial.rename(out)
        return out


def _check_not_square(simulation: Simulation) -> None:
    """Refuse arrays with as many frames as ROIs: what reads them could not tell which axis is time."""
    config, atlas = simulation.config, simulation.atlas
    for site in config.sites:
        if config.frames_at(site) == atlas.n_rois:
            raise ConfigError(
                f"simulation: {config.minutes:g} minutes at site {site.name} are {atlas.n_rois} frames, as many as "
                f"{atlas.name} has ROIs, and prepare could not tell time from ROIs: choose other --minutes."
            )


def _write_participant(simulation: Simulation, folder: Path, participant: int) -> int:
    for session in range(simulation.config.sessions):
        recording = simulation.recording(participant, session)
        name = "blocks" if simulation.config.task_blocks else "rest"
        stem = f"sub-{recording.participant}_ses-{recording.session}_task-{name}"
        np.save(folder / f"{stem}_timeseries.npy", recording.series)
        if simulation.config.task_blocks:
            events = simulation.events(participant, session)
            events.to_csv(folder / f"{stem}_events.tsv", sep="\t", index=False, float_format="%.6g")
    return simulation.config.sessions


def _check_replaceable(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise ConfigError(f"{out} is a file; a simulation is written to a folder: give another name.")
    foreign = [p.name for p in out.iterdir() if not any(map(p.match, _WRITTEN))]
    if foreign or (any(out.iterdir()) and not (out / _SETTINGS).exists()):
        found = sorted(foreign or [p.name for p in out.iterdir()])[0]
        raise ConfigError(f"{out} contains {found!r}, which no simulation wrote: give a new or empty folder.")
