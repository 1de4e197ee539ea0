"""The model card of an encoder as Markdown, from what its ``config.json`` knows and nothing else."""

from semantoks.counted import plural
from semantoks.model.card import EncoderCard, band_words
from semantoks.model.encoder import EncoderConfig

FRONT = """---
library_name: semantoks
tags: [fMRI, resting-state, self-supervised, brain-semantoks]
---
"""
LIMITS = """## Limits

- For research on resting-state fMRI; not for decisions about individual people, clinical or otherwise.
- Takes series of exactly this atlas, in its order, at this repetition time and band; `semantoks embed` brings
  recordings there, and hides the networks that they lack.
- Its features carry site, motion and scan length, as those of any fMRI method do.
- Scores and stability of people it was trained on flatter it, stability most of all: measure both on others.
- Score it beside functional connectivity on your own people: `semantoks probe` does both.
- Salted hashes of the people it was trained on travel with it, so that an evaluation can leave them out. Whoever holds
  a list of candidate ids can test whether one is in it: share it under the rules of the data.
"""


def model_card(card: EncoderCard) -> str:
    """Write what is known of an encoder: what it takes, was trained on, cost and scored beside FC; and its limits."""
    return "\n".join([FRONT, _use(card), _takes(card), _training(card), _scores(card), LIMITS])


def _use(card: EncoderCard) -> str:
    return f"""# An encoder of resting-state fMRI

{_kind(card.encoder)}

```
# with semantoks installed from its checkout: pip install -e .
semantoks embed RECORDINGS --model THIS_ID --out features.parquet
```
"""


def _kind(size: EncoderConfig) -> str:
    if size.any_length and not size.depth:
        return (
            f"Components of tangent-space connectivity (Varoquaux et al. 2010), in closed form, saved by semantoks: "
            f"{size.width} columns."
        )
    return (
        f"Brain-Semantoks (Gijsen, Schulz, Ritter, ICLR 2026), saved by semantoks: width {size.width}, depth\n"
        f"{size.depth}."
    )


def _takes(card: EncoderCard) -> str:
    atlas, size = card.atlas, card.encoder
    frames = "any number of" if size.any_length else size.frames
    band = f"band-passed to {band_words(card)}" if card.band else band_words(card)
    grid = f"{atlas.n_networks} networks x {size.patches} patches"
    return f"""## What it takes and gives

| | |
|---|---|
| atlas | {_cell(atlas.name)}: {atlas.n_rois} ROIs in {atlas.n_networks} networks, fingerprint `{atlas.fingerprint}` |
| series | {frames} frames of {card.tr:g} s, {band}, {_cell(card.normalisation)} |
| gives | CLS [{size.width}] and a token [{size.width}] for each of {grid} |
"""


def _training(card: EncoderCard) -> str:
    cost = card.cost
    known = [f"- {_cell(line)}" for line in card.origin]
    if card.recordings:
        known.append(f"- {plural(len(card.recordings), 'recording')}, kept as salted hashes of their checksums; no ids")
    elif card.participants:
        known.append(f"- {plural(len(card.participants), 'person')}, kept as salted hashes")
    else:
        known.append("- whom it was trained on is not known: an evaluation cannot leave these people out")
    if cost:
        known.append(
            f"- {cost.get('samples', 0):.0f} samples, {cost.get('flops', 0) / 1e12:.1f} TFLOP, "
            f"{cost.get('seconds', 0):.0f} s, {cost.get('peak_memory_bytes', 0) / 2**20:.0f} MiB"
        )
    known += [f"- {_cell(name)} {_cell(number)}" for name, number in card.versions.items()]
    return "\n".join(["## Training", "", *known, ""])


def _scores(card: EncoderCard) -> str:
    if not card.scores:
        return "## Scores\n\nNone are kept with these weights.\n"
    columns = list(dict.fromkeys(name for row in card.scores for name in row))
    lines = [columns, ["---"] * len(columns), *([_cell(row.get(name, "")) for name in columns] for row in card.scores)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return (
        "## Scores, beside functional connectivity on the same people and splits\n\n"
        f"{table}\n\nMean over splits [95 % interval over people]. FC: Fisher-z correlations, the same linear model.\n"
    )


def _cell(text: str) -> str:
    """Keep text from ending a table's cell or line, or from being read as HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
