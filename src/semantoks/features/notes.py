"""What was done to recordings before they were embedded, one line each."""

from collections.abc import Sequence

import numpy as np

from semantoks.model.card import EncoderCard
from semantoks.signals.cohort import Cohort
from semantoks.signals.quality import missing_networks


def encoder_notes(card: EncoderCard) -> list[str]:
    """List what the encoder requires."""
    band = "no band-pass" if card.band is None else f"{card.band[0]:g} to {card.band[1]:g} Hz"
    return [
        f"encoder    {card.atlas.name}: {card.atlas.n_rois} ROIs in {card.atlas.n_networks} networks",
        f"demands    {card.encoder.frames} frames of {card.tr:g} s, {band}, {card.normalisation}",
        *[f"           {line}" for line in card.origin],
    ]


def recording_notes(cohort: Cohort, card: EncoderCard, source_lines: Sequence[str] = ()) -> list[str]:
    """List what the recordings were (``source_lines``), what was done to them, and what of them is hidden."""
    about, table = cohort.description, cohort.recordings
    people, trs = table["participant_id"].nunique(), np.sort(table["source_tr"].unique())
    shown = ", ".join(f"{tr:g}" for tr in trs[:6]) + (f" and {len(trs) - 6} others" if len(trs) > 6 else "")
    changed = np.abs(trs - cohort.tr).max() > 1e-3
    band = about["Band"]
    filtered = f"band-passed to {band[0]:g} to {band[1]:g} Hz" if band else "not band-passed"
    source_lines = source_lines or [str(about["SourceKind"])]
    lines = [
        f"source     {source_lines[0]}",
        *[f"           {line}" for line in source_lines[1:]],
        f"used       {len(table)} recordings of {people} people; {len(cohort.excluded)} were excluded",
        f"TR         {shown} s" + (f", brought to {cohort.tr:g} s by cubic interpolation" if changed else ""),
        f"cleaned    {filtered}{' (were filtered before)' if about['AlreadyFiltered'] else ''}, z-scored per ROI",
        *_coverage(cohort),
    ]
    short = int((table["frames"] <= card.encoder.frames - card.encoder.patch).sum())
    if short:
        lines.append(
            f"short      {short} recordings do not fill the encoder's window of {card.encoder.frames * cohort.tr:g} s: "
            "empty patches are hidden (column short)"
        )
    return lines


def _coverage(cohort: Cohort) -> list[str]:
    """Say which networks are hidden, in how many recordings, and how many ROIs are there."""
    index, names = cohort.atlas.network_index, cohort.atlas.network_names
    absent = missing_networks(cohort.missing, index)
    there = np.sort((~cohort.missing).sum(axis=1))
    least = f"{there[0]}" if there[0] == there[-1] else f"{there[0]} to {there[-1]}"
    lines = [f"ROIs       {least} of {cohort.atlas.n_rois} are there"]
    for network, name in enumerate(names):
        if count := int(absent[:, network].sum()):
            size = int((index == network).sum())
            lines.append(f"hidden     network {name} ({size} ROIs): missing in {count} of {len(absent)} recordings")
    return lines
