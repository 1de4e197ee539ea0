"""A local server that hands out made-up people as the Preprocessed Connectomes Project hands out ABIDE."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd

TABLE = "Phenotypic_V1_0b_preprocessed1.csv"
STRATEGY = "nofilt_noglobal"


def people_of(sites: dict[str, int]) -> list[str]:
    """FILE_IDs of so many people per site."""
    return [f"{site}_{50001 + 100 * at + i:07d}" for at, (site, n) in enumerate(sites.items()) for i in range(n)]


def fill(root: Path, sites: dict[str, int], *, atlas: str, n_rois: int, frames: int = 40) -> list[str]:
    """Write files of noise, and the project's table, which has rows of people without a file, too."""
    ids = people_of(sites)
    series = root / "Outputs" / "cpac" / STRATEGY / f"rois_{atlas}"
    series.mkdir(parents=True)
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(ids), frames, n_rois))
    for i, name in enumerate(ids):
        text = "\n".join(
            ["\t".join(f"#{j + 1}" for j in range(n_rois)), *("\t".join(map(repr, r)) for r in values[i].tolist())]
        )
        (series / f"{name}_rois_{atlas}.1D").write_text(text + "\n")
    rows = pd.DataFrame({"FILE_ID": ["no_filename", *ids]})
    rows["SITE_ID"] = rows["FILE_ID"].str.replace(r"(_[a-z])?_\d+$", "", regex=True).str.upper()
    rows["SEX"] = 1 + np.arange(len(rows)) % 2
    rows["AGE_AT_SCAN"] = 10 + rng.uniform(0, 30, len(rows)).round(2)
    rows["DX_GROUP"] = 1 + np.arange(len(rows)) // 2 % 2
    rows["func_mean_fd"] = 0.1
    for rater in ("qc_rater_1", "qc_anat_rater_2", "qc_func_rater_2", "qc_anat_rater_3", "qc_func_rater_3"):
        rows[rater] = "OK"
    rows["qc_notes_rater_1"] = '"moved, a little"'
    rows.to_csv(root / TABLE)
    return ids


@contextmanager
def served(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder; yield its address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            super().do_GET()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.02), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
