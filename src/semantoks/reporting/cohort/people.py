"""Who is in a cohort: age, sex and diagnosis, by site; and what networks' short names stand for."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from semantoks.errors import DataError
from semantoks.reporting.cohort.folder import CohortFolder
from semantoks.reporting.content import Block, Cell, Folded, Pairs, Table, Words
from semantoks.reporting.wording import AGE, clip, median_words
from semantoks.signals import layout
from semantoks.storage.tables import read_table

COLUMNS = {
    "age": AGE,
    "sex": re.compile(r"sex|gender", re.IGNORECASE),
    "diagnosis": re.compile(r"dx|dx_?group|diagnosis|diag|group", re.IGNORECASE),
}
MOST_CLASSES, MOST_SITES, LONGEST = 5, 6, 16
NETWORKS = {
    "Vis": "visual",
    "SomMot": "somatomotor",
    "DorsAttn": "dorsal attention",
    "SalVentAttn": "salience and ventral attention",
    "Limbic": "limbic",
    "Cont": "frontoparietal control",
    "Default": "default mode",
    "TempPar": "temporoparietal",
    "VisCent": "central visual",
    "VisPeri": "peripheral visual",
    "Subcortical": "subcortical nuclei",
    "Cerebellar": "cerebellum",
}
"""What the networks of the packaged atlases stand for (Yeo et al. 2011); sub-networks end in A, B, C."""


def demographics(cohort: CohortFolder) -> list[Block]:
    """Lay out age, sex and diagnosis of the people whose recordings were kept, in all and by site."""
    try:
        table = read_table(cohort.path / layout.PARTICIPANTS, ["participant_id"])
    except DataError:
        return [Words("It is not known who the people are: participants.tsv cannot be read.", tone="quiet")]
    kept = cohort.recordings[["participant_id", "site"]].drop_duplicates("participant_id")
    table = kept.merge(table.drop(columns="site", errors="ignore").drop_duplicates("participant_id"), how="left")
    found = {what: name for what, like in COLUMNS.items() if (name := _column(table, like))}
    if not found or not len(table):
        return [Words("Neither age nor sex nor diagnosis is known.", tone="quiet")]
    groups = [("All", table)]
    if table["site"].nunique() > 1:
        groups += [(str(site) or "site not known", own) for site, own in table.groupby("site")]
    rows = [[Cell(name), Cell(f"{len(own):,}"), *(_cell(w, own[c]) for w, c in found.items())] for name, own in groups]
    shown = Table(
        label="People",
        caption="People whose recordings were kept: age as median (youngest to oldest), counts of sex and diagnosis.",
        columns=("Site", "People", *(f"{_titled(what)} ({_unit(what, name)})" for what, name in found.items())),
        rows=rows,
    )
    if len(rows) <= MOST_SITES:
        return [shown]
    return [replace(shown, rows=rows[:1]), Folded(f"The people of {len(rows) - 1} sites", [shown])]


def _column(table: pd.DataFrame, like: re.Pattern[str]) -> str:
    return next((str(name) for name in table if like.fullmatch(str(name)) and table[name].notna().any()), "")


def _titled(what: str) -> str:
    return what.capitalize()


def _unit(what: str, column: str) -> str:
    return "years" if what == "age" else f"column {clip(column, LONGEST)}"


def _cell(what: str, values: pd.Series) -> Cell:
    """Describe ages by their median and range, classes by their counts; how many are not known comes below."""
    text = values.fillna("").astype(str).str.strip()
    text = text.mask(text.str.lower().isin(["n/a", "nan", "na", "none"]), "")
    if what == "age":
        numbers = pd.to_numeric(text, errors="coerce").to_numpy(float)
        known = numbers[np.isfinite(numbers)]
        words, unknown = median_words(known.tolist(), 1) if len(known) else "not known", len(numbers) - len(known)
    else:
        counts = text[text != ""].value_counts()
        parts = [f"{count:,} {clip(str(name), LONGEST)}" for name, count in counts.head(MOST_CLASSES).items()]
        if rest := int(counts.iloc[MOST_CLASSES:].sum()):
            parts.append(f"{rest:,} others")
        words, unknown = ", ".join(parts) or "not known", int((text == "").sum())
    return Cell(words, under=f"{unknown:,} not known" if unknown and words != "not known" else "")


def network_names(cohort: CohortFolder) -> list[Block]:
    """Spell out the networks' short names, where they are those of the packaged atlases."""
    rows = [(name, spelled) for name in cohort.atlas.network_names if (spelled := spell(name)) != name]
    return [Folded("What the networks' names stand for", [Pairs("Networks", rows)])] if rows else []


def spell(name: str) -> str:
    """Spell a network's short name out: ``ContA`` is frontoparietal control A; an unknown one stays as it is."""
    if name in NETWORKS:
        return NETWORKS[name]
    main, part = name[:-1], name[-1:]
    return f"{NETWORKS[main]} {part}" if part in ("A", "B", "C") and main in NETWORKS else name
