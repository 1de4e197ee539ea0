"""Tables and sidecars as derivative pipelines write them."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Real
from numpy import ndarray


def write_table(path: Path, labels: Sequence[str], values: Real[ndarray, "row column"]) -> None:
    """Write a header of labels and numbers that read back to the bit as float32; NaN as ``n/a``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame(np.asarray(values), columns=list(labels))
    frame.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.9g", lineterminator="\n")


def write_json(path: Path, plain: dict[str, Any]) -> None:
    """Write a sidecar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")


def write_participants(path: Path, table: pd.DataFrame, *, prefix: str = "sub-") -> None:
    """Write participants.tsv with ``prefix`` in front of the ids."""
    ids = prefix + table["participant_id"].astype(str)
    table.assign(participant_id=ids).to_csv(path, sep="\t", index=False, na_rep="n/a", lineterminator="\n")


def described(path: Path, name: str, tools: Iterable[tuple[str, str]]) -> None:
    """Write the dataset_description.json of a derivative."""
    made = [{"Name": tool, "Version": version} for tool, version in tools]
    plain = {"Name": name, "BIDSVersion": "1.11.2", "DatasetType": "derivative", "GeneratedBy": made}
    write_json(path / "dataset_description.json", plain)
