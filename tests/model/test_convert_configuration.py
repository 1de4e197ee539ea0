"""The configuration beside a released checkpoint: it may be absent, empty, or say what shapes cannot."""

import pytest
import torch
from released import Sizes, synthetic_checkpoint

from semantoks.errors import WeightsError
from semantoks.model.convert import convert_checkpoint
from semantoks.model.hub import load_encoder

PUBLISHED = Sizes.published(64, 1, 32, 16)


def write(folder, seed):
    """Write a checkpoint of the published atlas; return the arguments that convert it."""
    torch.save(synthetic_checkpoint(PUBLISHED, seed), folder / "made.pth")
    return {"checkpoint": folder / "made.pth", "out": folder / "encoder"}


@pytest.mark.parametrize(
    ("text", "frames"),
    [("", 20), ("model:\n  patch_size: 25\n", 25), ("patch_len: 25\nother: [1, {patch_size: 25}]", 25)],
)
def test_the_frames_of_a_patch_come_from_the_configuration_where_it_has_them(tmp_path, text, frames):
    given = write(tmp_path, 12)
    (tmp_path / "config_used.yaml").write_text(text)
    _, card = load_encoder(convert_checkpoint(**given, config=tmp_path / "config_used.yaml"))
    assert (card.encoder.patch, card.encoder.frames) == (frames, 5 * frames)


def test_a_configuration_that_contradicts_itself_or_is_no_yaml_is_refused(tmp_path):
    given = write(tmp_path, 13)
    path = tmp_path / "config_used.yaml"
    path.write_text("patch_size: 10\nmodel: {patch_length: 20}")
    with pytest.raises(WeightsError, match=r"\[10, 20\]: choose one with --patch"):
        convert_checkpoint(**given, config=path)
    path.write_text("a: [")
    with pytest.raises(WeightsError, match="cannot be read as YAML"):
        convert_checkpoint(**given, config=path)
