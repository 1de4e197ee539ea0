"""How long the command line takes to answer ``--help``.

    python -m benchmarks.cli_start [--starts 7]

No FLOPs and few bytes: the floor is an interpreter that starts and ends, and beside it one that imports tyro, which the
commands' help comes from. Processor seconds, which other programs change little: the least of the starts of each, taken
in turns; the aim is under half a second.
"""

import argparse
import resource
import subprocess
import sys

import torch
from benchmarks.measure import machine, show

COMMAND = ["-c", "from semantoks.cli.main import main; main()"]
STARTS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import tyro'": ["-c", "import tyro"],
    "semantoks --help": [*COMMAND, "--help"],
    "semantoks prepare --help": [*COMMAND, "prepare", "--help"],
    "semantoks pretrain --help": [*COMMAND, "pretrain", "--help"],
    "semantoks finetune --help": [*COMMAND, "finetune", "--help"],
}


def start(arguments: list[str]) -> float:
    """Return the processor seconds that a fresh interpreter takes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=7)
    turns = parser.parse_args().starts
    least = dict.fromkeys(STARTS, float("inf"))
    for _ in range(turns):
        for name, arguments in STARTS.items():
            least[name] = min(least[name], start(arguments))
    floor = least["python -c pass"]
    rows = [[name, f"{seconds:.3f}", f"{seconds / floor:.1f}" if floor else "-"] for name, seconds in least.items()]
    show(f"Start of the command line. {machine(torch.device('cpu'))}", ["", "s", "/ floor"], rows)


if __name__ == "__main__":
    main()
