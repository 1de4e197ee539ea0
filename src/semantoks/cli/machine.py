"""Commands about this machine: bench (how fast is it?) and completion (of its shell)."""

from typing import Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found
from semantoks.cli.everywhere import say as print
from semantoks.errors import EXIT_OK
from semantoks.types import Precision


def bench(
    recipes: Annotated[tuple[str, ...], arg(metavar="RECIPE [RECIPE ...]")] = ("small", "small-published", "paper"),
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto",
    precision: Precision = "auto",
    people: int = 40,
) -> int:
    """Measure this machine: how fast it trains, prepares, embeds and probes, compared with its matrix products.

    Example: semantoks bench --json > bench.json

    Simulated people are prepared, trained on for a few steps by every recipe, embedded and probed, in a folder that is
    thrown away. Takes a minute or two; the table says for which recipe UK Biobank would take how many hours.

    Args:
        recipes: Names of recipes, or FILE.toml.
        device: Where to train and embed; auto takes a CUDA GPU where there is one.
        precision: As for pretrain.
        people: Simulated people, at least 20.
    """
    from semantoks.speed import bench as run

    measured = run(recipes, device=device, precision=precision, people=people, verbose=True)
    found(**vars(measured) | {"training": measured.training.to_dict("records")})
    print(measured)
    return EXIT_OK


def completion(shell: Positional[Annotated[Literal["bash", "zsh", "fish"], arg(metavar="{bash,zsh,fish}")]]) -> int:
    """Print what a shell needs to complete commands, options and their choices.

    Example: semantoks completion bash > ~/.local/share/bash-completion/completions/semantoks

    For zsh, write it as _semantoks into a folder of $fpath; for fish, as ~/.config/fish/completions/semantoks.fish.

    Args:
        shell: Your shell.
    """
    from semantoks.cli.completing import completion as run

    script = run(shell)
    found(script=script)
    print(script, end="")
    return EXIT_OK
