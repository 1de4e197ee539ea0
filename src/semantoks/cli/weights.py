"""Commands about weights: convert, export, push."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.cli.everywhere import found, show
from semantoks.cli.everywhere import say as print
from semantoks.errors import EXIT_OK


def convert(
    source: Positional[Annotated[Path, arg(metavar="CHECKPOINT")]],
    out: Positional[Annotated[Path, arg(metavar="OUT")]],
    config: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None,
    network_map: Annotated[
        Path | None, arg(metavar="FILE", help_behavior_hint="(default: the published atlas, 457 ROIs in 9 networks)")
    ] = None,
    patch: Annotated[
        int | None, arg(metavar="FRAMES", help_behavior_hint="(default: from the configuration, else 20)")
    ] = None,
    back: bool = False,
) -> int:
    """Turn a released Brain-Semantoks checkpoint into an encoder folder, or back.

    Example: semantoks convert brainsemantoks_ckpt_epoch_100.pth encoders/published

    And back: semantoks convert runs/a encoders/a.pth --back

    Student, teacher and heads are carried over. No code in the checkpoint is run, and every key that is missing,
    unknown or of the wrong shape is named.

    Args:
        source: The authors' FILE.pth; with --back, a run or an encoder folder.
        out: The encoder folder; with --back, the FILE.pth.
        config: The checkpoint's config_used.yaml, which gives the frames per patch; it may be empty.
        network_map: The checkpoint's network_mapping.npz.
        patch: Frames per patch.
        back: Convert back: write an encoder folder in the authors' layout.
    """
    from semantoks.contents import info
    from semantoks.model.convert import convert as run

    written = run(source, out, config=config, network_map=network_map, patch=patch, back=back)
    found(out=written)
    if back:
        print(f"Wrote the encoder in the authors' layout to {written}.")
        return EXIT_OK
    show(info(out))
    print(f"\nNext: semantoks embed RECORDINGS --model {shlex.quote(str(out))} --out features.parquet")
    return EXIT_OK


def export(
    model: Positional[Annotated[str, arg(metavar="MODEL")]],
    out: Positional[Annotated[Path, arg(metavar="FILE.pt2")]],
    which: Literal["teacher", "student"] = "teacher",
) -> int:
    """Write an encoder as a torch.export program that runs without semantoks.

    Example: semantoks export runs/a encoder.pt2

    It takes batches of any size. After saving, its output is checked against the encoder's.

    Args:
        model: A run, an encoder folder, or an id on the Hugging Face hub.
        out: Output file; the program maps series [batch, roi, frame] and mask [batch, network, patch] to (cls, grid).
        which: The teacher (recommended: its features are the ones to use), or the student.
    """
    from semantoks.model.export import export as run

    there = run(model, out, which=which)
    found(out=there.path, facts=there.facts)
    show(there)
    return EXIT_OK


def push(
    model: Positional[Annotated[str, arg(metavar="RUN")]],
    repo_id: Positional[Annotated[str, arg(metavar="OWNER/NAME")]],
    public: bool = False,
) -> int:
    """Upload an encoder to the Hugging Face hub, with a model card.

    Example: semantoks push runs/a my-lab/my-encoder

    Uploads the weights (student and heads included), config.json, and a README with scores of the probe and of FC.
    Participants appear only as salted hashes. Log in first: hf auth login.

    Args:
        model: A run, or an encoder folder.
        repo_id: Name of the repository on the hub.
        public: Make it public; otherwise only you and your organisation can see it.
    """
    from semantoks.evaluate.publish import push as run

    url = run(model, repo_id, public=public)
    found(url=url)
    print(f"Uploaded to {url}")
    return EXIT_OK
