"""Commands about weights: convert, export, push."""

import shlex
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from semantoks.errors import EXIT_OK, ConfigError


def convert(
    source: Positional[Annotated[Path, arg(metavar="CHECKPOINT")]],
    out: Positional[Annotated[Path, arg(metavar="OUT")]],
    config: Path | None = None,
    network_map: Path | None = None,
    patch: int | None = None,
    back: bool = False,
) -> int:
    """Turn a released Brain-Semantoks checkpoint into an encoder folder, or back.

    Example: semantoks convert brainsemantoks_ckpt_epoch_100.pth encoders/published
    And back: semantoks convert runs/a encoders/a.pth --back

    Student, teacher and heads are carried over. Nothing in the checkpoint is run; every key that is missing, misshapen
    or unknown is named.

    Args:
        source: The authors' FILE.pth; with --back, a run or an encoder folder.
        out: The encoder folder; with --back, the FILE.pth.
        config: The checkpoint's config_used.yaml, for the frames of a patch; it may be empty.
        network_map: The checkpoint's network_mapping.npz; default: the published atlas, 457 ROIs in 9 networks.
        patch: Frames of a patch; default: what the configuration says, else 20.
        back: Write an encoder folder in the authors' layout.
    """
    from semantoks.info import describe_path
    from semantoks.model.convert import convert_back, convert_checkpoint
    from semantoks.model.hub import find_encoder

    if back:
        if (config, network_map, patch) != (None, None, None):
            raise ConfigError("--back takes no --config, --network-map or --patch: the encoder folder knows all of it.")
        print(f"{convert_back(find_encoder(source), out)} holds the encoder in the authors' layout.")
        return EXIT_OK
    convert_checkpoint(source, out, config=config, network_map=network_map, patch=patch)
    print("\n".join(describe_path(out)))
    print(f"\nNext: semantoks embed RECORDINGS --model {shlex.quote(str(out))} --out features.parquet")
    return EXIT_OK


def export(
    model: Positional[Annotated[str, arg(metavar="MODEL")]],
    out: Positional[Annotated[Path, arg(metavar="FILE.pt2")]],
    which: Literal["teacher", "student"] = "teacher",
) -> int:
    """Write an encoder as a torch.export program, which runs without semantoks.

    Example: semantoks export runs/a encoder.pt2

    It takes batches of any size; that it computes what the encoder does is checked after saving.

    Args:
        model: A run, an encoder folder, or an id on the Hugging Face hub.
        out: The program: series [batch, roi, frame] and mask [batch, network, patch] in, (cls, grid) out, any batch.
        which: The teacher, whose features are the ones to use, or the student.
    """
    from semantoks.model.export import export_encoder

    print("\n".join(export_encoder(model, out, which=which)))
    return EXIT_OK


def push(
    model: Positional[Annotated[str, arg(metavar="RUN")]],
    repo_id: Positional[Annotated[str, arg(metavar="OWNER/NAME")]],
    public: bool = False,
) -> int:
    """Upload an encoder to the Hugging Face hub, with a model card of what is known about it.

    Example: semantoks push runs/a my-lab/my-encoder

    Weights, student and heads, config.json and a README with the scores of the run's probes beside FC. Participants
    go there as salted hashes, as the encoder has them. Log in first: hf auth login.

    Args:
        model: A run, or an encoder folder.
        repo_id: Where to, on the hub.
        public: Let everybody see it; default: only you and your organisation.
    """
    from semantoks.evaluate.publish import publish

    print(f"Uploaded to {publish(model, repo_id, private=not public)}")
    return EXIT_OK
