"""The command bench: how fast this machine is."""

from typing import Annotated, Literal

from tyro.conf import arg

from semantoks.cli.everywhere import found
from semantoks.errors import EXIT_OK
from semantoks.progress import progress
from semantoks.types import Precision


def bench(
    recipes: Annotated[tuple[str, ...], arg(metavar="RECIPE [RECIPE ...]")] = ("small", "small-published", "paper"),
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    precision: Precision = "auto",
    people: int = 40,
) -> int:
    """Measure this machine: how fast it trains, prepares, embeds and probes, beside the rate of matrix products.

    Example: semantoks bench --json > bench.json

    Simulated people are prepared, trained on for a few steps by every recipe, embedded and probed, in a folder that is
    thrown away. Takes a minute or two; the table says for which recipe UK Biobank would take how many hours.

    Args:
        recipes: Names of recipes, or FILE.toml.
        device: Where to train and embed; auto takes a CUDA GPU where there is one.
        precision: As for pretrain.
        people: Simulated people, at least 20.
    """
    from semantoks.speed import bench as measure
    from semantoks.speed import bench_table

    with progress("bench", "%") as shown:
        measured = measure(recipes, device=device, precision=precision, people=people, progress=shown)
    found(**measured)
    print(bench_table(measured))
    return EXIT_OK
