"""An encoder in closed form: components of tangent-space connectivity, from one pass of means and one of moments.

No gradient, no labels. The reference is the mean correlation of a cohort, its spatial components are those of each
network, and the columns are principal components of everybody's tangent vectors (Varoquaux et al. 2010, MICCAI).
"""

import itertools
import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.linalg import eigh
from torch import Tensor

from semantoks.config import as_list, check_arguments, check_fields
from semantoks.errors import ConfigError, DataError
from semantoks.model.card import CARD, TEACHER, EncoderCard, hashes, input_of, software
from semantoks.model.encoder import Encoder, EncoderConfig
from semantoks.model.group import edges_config, set_columns, set_group
from semantoks.model.tensors import save_encoder
from semantoks.model.tokenizers.connectivity import ConnectivityConfig, ConnectivityTokens, components_of_each
from semantoks.progress import shown_if
from semantoks.signals.cohort import Cohort
from semantoks.signals.writer import Progress
from semantoks.statistics.shrinkage import correlations
from semantoks.storage.durable import TEMPORARY
from semantoks.storage.lock import LOCK, hold_folder
from semantoks.storage.memory import need_memory
from semantoks.train.fit_recordings import Recordings, choose_shrinkage
from semantoks.views.pool import check_same_atlas, in_band

COLUMNS = 256
EDGES_AMONG = 54
"""Components over all networks whose edges are columns: 1,485 of them, as in the encoders in the box."""


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """Settings of an encoder in closed form."""

    columns: int | None = None
    """Columns of an embedding, even: principal components of the tangent vectors of more people; None = 256."""
    edges: bool = False
    """Columns are the edges among the spatial components instead (about 1,500): for few people."""
    components: int | None = None
    """Spatial components per network; None = about 120 over all networks, 54 with ``edges``."""
    shrinkage: float | None = None
    """Share of the identity in a correlation matrix; None = the one under which the other half of a
    recording is likeliest."""
    lag: int = 0
    """Frames by which one ROI may lead another: adds the antisymmetric part of lagged correlations; 0 = none."""
    band: Literal["auto", "passed", "full"] = "passed"
    """The cohorts' band-passed series, or those of the full band; auto = full where all cohorts have it."""
    min_seconds: float = 60.0
    """Seconds of good data that a recording needs to be used."""

    def __post_init__(self) -> None:
        """Check every field, and the ranges."""
        check_fields(self)
        if self.columns is not None and (self.columns < 2 or self.columns % 2):
            raise ConfigError(f"columns has to be an even number of at least 2, not {self.columns}.")
        if self.components is not None and self.components < 1:
            raise ConfigError(f"components has to be at least 1, not {self.components}.")
        if self.shrinkage is not None and not 0 < self.shrinkage <= 1:
            raise ConfigError(f"shrinkage has to be above 0 and at most 1, not {self.shrinkage}.")
        if self.lag < 0:
            raise ConfigError(f"lag has to be at least 0 frames, not {self.lag}.")
        if self.edges and (self.lag or self.columns):
            raise ConfigError("with edges, these are the columns, and there is no lag: leave columns and lag out.")
        if self.min_seconds < 0:
            raise ConfigError(f"min_seconds has to be at least 0, not {self.min_seconds:g}.")


def fit(
    cohorts: Sequence[Cohort | str | Path] | Cohort | str | Path,
    *,
    out: str | Path,
    config: FitConfig | None = None,
    verbose: bool = False,
    progress: Progress | None = None,
) -> EncoderCard:
    """Fit an encoder in closed form, write its folder, and return its card.

    Memory: 8 bytes x (k (k + 1) / 2)^2 for k spatial components in all, whatever the number of people.

    Parameters
    ----------
    cohorts
        Prepared cohorts of one atlas, or a single one.
    out
        A new folder for the encoder.
    progress
        Called with the recordings done and their number, over both passes.
    verbose
        Show a bar while it works, in a terminal or a notebook; ``progress`` is called instead, if given.

    Raises
    ------
    ConfigError, DataError
        For settings or cohorts that do not fit; when there are fewer people than columns.
    """
    check_arguments(fit, locals())
    config, out = config or FitConfig(), Path(out)
    opened = [c if isinstance(c, Cohort) else Cohort(Path(c)) for c in as_list(cohorts)]
    if not opened:
        raise DataError("fit needs at least one cohort: prepare one with `semantoks prepare`.")
    opened = in_band(opened, config.band)
    check_same_atlas(opened)
    with hold_folder(out):
        if not all(map(_left_behind, out.iterdir())):
            raise ConfigError(f"{out} is not empty: choose a new folder for the encoder.")
        recordings = _usable(opened, config)
        shrinkage = config.shrinkage
        if shrinkage is None:
            with shown_if(verbose and progress is None, "choosing the shrinkage", "people", None) as shown:
                shrinkage = choose_shrinkage(recordings, shown)
        with shown_if(verbose, "fit", "passes over recordings", progress) as progress:
            return _fitted(recordings, shrinkage, out, config, progress)


def _left_behind(file: Path) -> bool:
    """Say whether a killed fit left this file: its lock, a file half written, or weights without their card."""
    weights = file.name == TEACHER and not file.with_name(CARD).exists()
    return weights or file.name == LOCK or file.name.startswith(TEMPORARY)


def _usable(opened: Sequence[Cohort], config: FitConfig) -> Recordings:
    """Return the recordings that are long enough, of enough people for the columns."""
    for cohort in opened:
        cohort.check_signals()
    recordings = Recordings(opened, config.min_seconds)
    people = len(set(recordings.people.tolist()))
    if people < 3:
        raise DataError(
            f"{people} people have {config.min_seconds:g} s of good data: too few for components. Lower --min-seconds, "
            "or give more cohorts."
        )
    columns = config.columns or COLUMNS
    if people <= columns and not config.edges:
        raise DataError(
            f"{columns} columns need more than {columns} people with {config.min_seconds:g} s of good "
            f"data, and there are {people}: use --edges, which works with any number of people, or ask for fewer "
            f"(--columns {(people - 1) // 2 * 2})."
        )
    return recordings


def _fitted(
    recordings: Recordings, shrinkage: float, out: Path, config: FitConfig, progress: Progress | None
) -> EncoderCard:
    people, columns = len(set(recordings.people.tolist())), config.columns or COLUMNS
    index = recordings.cohorts[0].atlas.network_index.tolist()
    networks = max(index) + 1
    if config.edges:
        components = config.components or components_of_each(networks, EDGES_AMONG)
        size = edges_config(index, components=components, shrinkage=shrinkage)
        encoder = Encoder(size, index).eval()
        set_group(encoder, mean_correlation(recordings, _teller(progress, len(recordings.rows))))
    else:
        components = config.components or components_of_each(networks)
        needed = _bytes(people, components * networks, columns, lagged=config.lag > 0)
        need_memory("fit", needed, "ask for fewer --components, or fewer --columns")
        size = EncoderConfig(
            width=columns,
            depth=0,
            norm=False,
            patch=EncoderConfig().frames,
            tokenizer=ConnectivityConfig(components=components, shrinkage=shrinkage, lag=config.lag),
        )
        encoder = Encoder(size, index).eval()
        _start(encoder, recordings, columns, progress)
    card = _card(recordings.cohorts, recordings, size, people)
    save_encoder(out, encoder, card)
    return card


def _bytes(people: int, k: int, columns: int, *, lagged: bool) -> int:
    """Count the bytes of ``principal_components`` at its height: twice the table or the moments, and the columns."""
    edges = k * k if lagged else k * (k + 1) // 2
    return 8 * (2 * min(people, edges) * edges + 3 * columns * edges)


def start_in_closed_form(encoder: Encoder, cohorts: Sequence[Cohort], min_seconds: float) -> None:
    """Give an encoder of connectivity tokens its reference, and the closed form to start its training from.

    The mean of its tokens, and with it CLS before any block, becomes the people's scores on principal components, as
    many as there are (fewer people than the width leave the other columns random), scaled to a mean square of 1.
    """
    recordings = Recordings(cohorts, min_seconds)
    people = len(set(recordings.people.tolist()))
    k = _tokens(encoder).spatial.shape[0]
    _start(encoder, recordings, max(2, min(encoder.config.width, people - 1, k * (k + 1) // 2)), None, unit=True)


def _tokens(encoder: Encoder) -> ConnectivityTokens:
    assert isinstance(encoder.tokenizer, ConnectivityTokens)
    return encoder.tokenizer


def _start(
    encoder: Encoder, recordings: Recordings, columns: int, progress: Progress | None, *, unit: bool = False
) -> None:
    """Set reference and columns from two passes over the recordings."""
    tell = _teller(progress, 2 * len(recordings.rows))
    tokens = _tokens(encoder)
    tokens.set_reference(torch.from_numpy(mean_correlation(recordings, tell)).float())
    found, mean, variance = principal_components(recordings, tokens, columns, tell)
    scale = 1 / math.sqrt(variance.mean()) if unit else 1.0
    set_columns(encoder, tokens, found @ even_rotation(variance), mean, scale=scale)


def _teller(progress: Progress | None, total: int) -> Callable[[], None]:
    """Return what counts a recording as done, of ``total``."""
    done = itertools.count(1)

    def tell() -> None:
        if progress:
            progress(next(done), total)

    return tell


def even_rotation(variance: Float[ndarray, " column"]) -> Float[ndarray, "column column"]:
    """Return a rotation after which uncorrelated columns of these variances have all the same one, their mean.

    Distances stay. A model that standardises its columns, as most do, then does not blow the smallest components up to
    the size of the largest. By Givens rotations of the largest with the smallest column (Chan & Li 1983).
    """
    moment, rotation = np.diag(variance), np.eye(len(variance))
    target = variance.mean()
    for _ in range(len(variance) - 1):
        left, right = int(moment.diagonal().argmax()), int(moment.diagonal().argmin())
        high, low, both = moment[left, left], moment[right, right], moment[left, right]
        if high - low <= 1e-12 * target:
            break
        # The tangent of the angle that brings the column on the left to the mean: a root of a quadratic equation
        tangent = (-both + math.sqrt(max(both**2 - (high - target) * (low - target), 0.0))) / (low - target)
        cosine = 1 / math.hypot(1, tangent)
        turn = np.array([[cosine, -tangent * cosine], [tangent * cosine, cosine]])
        moment[:, [left, right]] = moment[:, [left, right]] @ turn
        moment[[left, right]] = turn.T @ moment[[left, right]]
        rotation[:, [left, right]] = rotation[:, [left, right]] @ turn
    return rotation


def mean_correlation(recordings: Recordings, tell: Callable[[], None]) -> Float[ndarray, "roi roi"]:
    """Return the mean over people of their recordings' correlations; an ROI that nobody has goes with no other."""
    people = recordings.people
    share = 1 / np.bincount(people)[people]
    n_rois = recordings.cohorts[0].atlas.n_rois
    total, weight = np.zeros((n_rois, n_rois)), np.zeros((n_rois, n_rois))
    for row, part in zip(recordings.rows, share, strict=True):
        series = recordings.series(row)[0].numpy().astype(np.float64)
        correlation, has = correlations(series[:, series.any(axis=0)])
        total += part * correlation
        weight += part * np.outer(has, has)
        tell()
    mean: ndarray = total / np.where(weight > 0, weight, 1)
    np.fill_diagonal(mean, 1)
    return mean


def vectors(tangent: Float[Tensor, "batch k k"], *, lagged: bool = False) -> Float[ndarray, "batch edge"]:
    """Return upper triangles; off the diagonal times sqrt(2), so that lengths are those of the matrices.

    ``lagged`` matrices are not symmetric: their antisymmetric parts' upper triangles follow, times sqrt(2).
    """
    i, j = torch.triu_indices(tangent.shape[1], tangent.shape[2])
    even = (tangent + tangent.mT)[:, i, j] / 2
    parts = [even * torch.where(i == j, 1.0, 2**0.5)]
    if lagged:
        parts.append(((tangent - tangent.mT)[:, i, j] / 2**0.5)[:, i != j])
    values: ndarray = torch.cat(parts, dim=1).numpy()
    return values


@torch.inference_mode()
def principal_components(
    recordings: Recordings, tokens: ConnectivityTokens, columns: int, tell: Callable[[], None]
) -> tuple[Float[ndarray, "edge column"], Float[ndarray, " edge"], Float[ndarray, " column"]]:
    """Return the first principal components of the people's tangent vectors, their mean, and the scores' variances."""
    people = recordings.people
    k = tokens.spatial.shape[0]
    edges = k * k if tokens.config.lag else k * (k + 1) // 2
    if columns > edges:
        raise ConfigError(f"{k} spatial components give {edges} edges, fewer than {columns} columns: ask for fewer.")
    count = int(people.max()) + 1
    batches = _by_person(recordings, tokens, people, tell)
    if _in_memory(count, edges):
        table = np.concatenate(list(batches))
        mean = table.mean(axis=0)
        table -= mean
        values, scores = eigh(table @ table.T, subset_by_index=(count - columns, count - 1))
        _refuse_flat(values)
        found = table.T @ (scores / np.sqrt(values))
    else:
        mean, moment = np.zeros(edges), np.zeros((edges, edges))
        for batch in batches:
            mean += batch.sum(axis=0)
            moment += batch.T @ batch
        mean /= count
        moment -= count * np.outer(mean, mean)
        values, found = eigh(moment, subset_by_index=(edges - columns, edges - 1), overwrite_a=True)
        _refuse_flat(values)
    found = found[:, ::-1]
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(columns)])
    return found * signs, mean, values[::-1] / count


def _refuse_flat(values: Float[ndarray, " column"]) -> None:
    """Refuse columns in which the people do not differ: ``values`` are the columns' eigenvalues."""
    there = int((values > 1e-10 * values[-1]).sum())
    if there < len(values):
        raise DataError(
            f"the people differ in {there} components only, fewer than {len(values)} columns: are some recordings "
            f"copies of others? Else ask for fewer (--columns {max(2, there // 2 * 2)})."
        )


def _in_memory(people: int, edges: int) -> bool:
    """Say whether the table of all people is smaller than their moments."""
    return people < edges


def _by_person(
    recordings: Recordings, tokens: ConnectivityTokens, people: Int[ndarray, " recording"], tell: Callable[[], None]
) -> Iterator[Float[ndarray, "person edge"]]:
    """Give people's tangent vectors, means over their recordings, some at once."""
    batch: list[ndarray] = []
    rows = recordings.rows
    for person in range(people.max() + 1):
        own = []
        for place in np.flatnonzero(people == person):
            tangent = tokens.tangent(recordings.series(rows[place]))
            own.append(vectors(tangent, lagged=tokens.config.lag > 0)[0].astype(np.float64))
            tell()
        batch.append(np.mean(own, axis=0))
        if len(batch) == 128:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


def _card(cohorts: Sequence[Cohort], recordings: Recordings, size: EncoderConfig, people: int) -> EncoderCard:
    salt = secrets.token_hex(8)
    rows = [cohorts[number].recordings.iloc[i] for number, i in recordings.rows]
    described = ", ".join(sorted({str(cohort.description["Name"]) for cohort in cohorts}))
    return EncoderCard(
        **input_of(cohorts[0]),
        encoder=size,
        salt=salt,
        participants=hashes(salt, (row["participant_id"] for row in rows)),
        recordings=hashes(salt, (row["sha256"] for row in rows)),
        origin=(f"closed form, from {len(rows)} recordings of {people} people ({described})",),
        versions=software(),
    )
