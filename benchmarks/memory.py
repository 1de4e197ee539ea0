"""What commands say that they will need of memory, beside their measured peaks: ``python -m benchmarks.memory``.

    python -m benchmarks.memory [--people 300] [--atlas schaefer400] [--n-jobs 1] [--only COMMAND ...] [--folder FOLDER]

Simulated people of one session of five minutes, an encoder of width 256 and depth 4. Each command runs in a process of
its own. Its peak is that of the resident memory of this and of its workers, five times a second: without pages of
arrays in files (.npy), which the system gives back when memory is short, and with them. A command that says several
things (probe embeds first) needs the largest of them.
"""

import argparse
import contextlib
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = """
batch_size = 64
steps = 3
[encoder]
width = 256
depth = 4
"""
FEW = "--folds 2 --repeats 1 --n-jobs {n_jobs}"
STUDY = f"cohort --target age --seeds 0 {FEW}"
COMMANDS = {
    "fit": "fit cohort --out fit --columns 64",
    "pretrain": "pretrain cohort --recipe recipe.toml --out run",
    "embed": "embed cohort --model run --out features.parquet",
    "probe": f"probe run cohort --target age --out probe --analyses {FEW}",
    "finetune": "finetune run cohort --target age --out finetune --epochs 1 --batch-size 64 --folds 2 --repeats 1",
    "ablate": f"ablate {STUDY} --recipe recipe.toml --only 'no masks' --out ablate",
    "scale": f"scale {STUDY} --recipe recipe.toml --values 50 100 --out scale",
    "compare": f"compare {STUDY} --recipes recipe.toml other.toml --out compare",
    "audit": f"audit run cohort --out audit {FEW}",
    "vocabulary": f"vocabulary run cohort --out vocabulary {FEW}",
    "explain": f"explain run cohort --out explain {FEW}",
}
SAID = re.compile(r"^(\w+) needs about ([\d.,]+) GiB of memory", re.M)
PAGES = re.compile(
    r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)\n(?:.*\n)*?Rss: +(\d+) kB\n(?:.*\n)*?Anonymous: +(\d+) kB", re.M
)
"""A mapping of a process: its file, what of it is in memory, and what of that is of no file."""


def main() -> None:
    """Make the people, run the commands, print a row each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--atlas", default="schaefer400")
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=list(COMMANDS), default=list(COMMANDS))
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        folder.mkdir(exist_ok=True)
        (folder / "recipe.toml").write_text(RECIPE)
        (folder / "other.toml").write_text(RECIPE.replace("depth = 4", "depth = 2"))
        if not (folder / "cohort").exists():
            people = f"--participants {chosen.people} --sessions 1 --minutes 5 --atlas {chosen.atlas}"
            run(f"simulate --out raw {people}", folder)
            run(f"prepare raw --atlas {chosen.atlas} --out cohort", folder)
        print("| command | said, GiB | peak, GiB | with pages of .npy files |\n|---|---|---|---|")
        for name in chosen.only:
            said, peak, mapped = run(COMMANDS[name].format(n_jobs=chosen.n_jobs), folder)
            print(f"| {name} | {', '.join(said) or '-'} | {peak:.2f} | {mapped:.2f} |", flush=True)


def run(words: str, folder: Path) -> tuple[list[str], float, float]:
    """Run a command; return what it said that it needs, and its peaks in GiB: without arrays in files, and with."""
    peaks = [0.0, 0.0]
    with open(folder / "said.txt", "w+") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "semantoks", *shlex.split(words)], cwd=folder, stdout=said, stderr=said
        )
        while child.poll() is None:
            own, mapped = resident(child.pid)
            peaks = [max(peaks[0], own), max(peaks[1], own + mapped)]
            time.sleep(0.2)
        said.seek(0)
        text = said.read()
    if child.returncode not in (0, 4):
        raise SystemExit(f"semantoks {words} ended with {child.returncode}:\n{text}")
    return [f"{name} {size}" for name, size in SAID.findall(text)], peaks[0], peaks[1]


def resident(process: int) -> tuple[float, float]:
    """Return the GiB that a process and all that it started have in memory: their own, and pages of .npy files."""
    own = mapped = 0.0
    with contextlib.suppress(OSError):  # it has ended
        for name, pages, anonymous in PAGES.findall(Path(f"/proc/{process}/smaps").read_text()):
            of_array = ".npy" in name  # also one that is deleted, and still mapped
            own += int(anonymous if of_array else pages)
            mapped += int(pages) - int(anonymous) if of_array else 0
        own, mapped = own / 2**20, mapped / 2**20
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            more = resident(int(child))
            own, mapped = own + more[0], mapped + more[1]
    return own, mapped


if __name__ == "__main__":
    main()
