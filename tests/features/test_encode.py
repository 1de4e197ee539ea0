"""Features against a loop that cuts one crop at a time."""

import numpy as np
import pytest
import torch

from semantoks.errors import ConfigError, DataError
from semantoks.features import encode
from semantoks.features.encode import embed_crops, open_encoder, read_out
from semantoks.model.encoder import Tokens
from tiny_people import write_cohort

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """Long, short and very short recordings; the second lacks both ROIs of network y, the third one of three of x."""
    rng = np.random.default_rng(5)
    series = {f"sub-{i}": rng.normal(size=(n, 8)) for i, n in enumerate((170, 100, 61, 20, 141))}
    series["sub-1"][:, [1, 4]] = 0
    series["sub-2"][:, 0] = 0
    return write_cohort(tmp_path_factory.mktemp("uneven"), series)


def one_crop(encoder, cohort, recording, start, span=(0, None), shown="xyz"):
    """Tokens of one crop, and what is hidden in it, spelt out."""
    series = cohort.series(recording).astype(np.float32)[span[0] :][: span[1]]
    window = np.zeros((100, 8), dtype=np.float32)
    real = series[start : start + 100]
    window[: len(real)] = real
    hidden = torch.zeros(1, 3, 5, dtype=torch.bool)
    networks = {"x": [0, 2, 6], "y": [1, 4], "z": [3, 5, 7]}
    for n, (name, rois) in enumerate(networks.items()):
        if name not in shown or sum(bool(np.all(series[:, roi] == 0)) for roi in rois) > len(rois) / 2:
            hidden[0, n] = True
    for patch in range(5):
        if patch * 20 >= len(real):
            hidden[0, :, patch] = True
    with torch.no_grad():
        return encoder(torch.from_numpy(window.T.copy())[None], hidden), hidden.float().mean().item()


@pytest.mark.parametrize("readout", ["cls_avg", "cls", "avg", "network", "tokens"])
def test_embedding_equals_one_crop_at_a_time(uneven, model, readout):
    encoder, _ = open_encoder(model)
    found, share = embed_crops(encoder, uneven, readouts=[readout], crops=4, device=CPU, batch=3)
    for recording in range(len(uneven)):
        frames = len(uneven.series(recording))
        starts = np.floor(np.linspace(0, max(frames - 100, 0), 4)).astype(int)
        shares = []
        for crop, start in enumerate(starts):
            tokens, hidden = one_crop(encoder, uneven, recording, int(start))
            np.testing.assert_allclose(found[readout][recording, crop], read_out(tokens, readout)[0], atol=1e-5)
            shares.append(hidden)
        assert share[recording] == pytest.approx(np.mean(shares))
    assert share[0] == 0
    assert share[1] == pytest.approx(1 / 3)
    assert share[2] == pytest.approx(1 / 5)
    assert share[3] == pytest.approx(4 / 5)


def test_several_readouts_of_one_pass_are_those_of_a_pass_each(uneven, model):
    encoder, _ = open_encoder(model)
    readouts = ["cls_avg", "tokens"]
    together, _ = embed_crops(encoder, uneven, readouts=readouts, crops=2, device=CPU)
    assert list(together) == readouts
    for readout in readouts:
        alone, _ = embed_crops(encoder, uneven, readouts=[readout], crops=2, device=CPU)
        np.testing.assert_array_equal(together[readout], alone[readout])


def test_a_span_is_all_that_the_encoder_sees(uneven, model):
    encoder, _ = open_encoder(model)
    spans = np.array([[30, 130], [0, 100], [11, 50], [3, 1], [141 - 105, 105]])
    found, share = embed_crops(encoder, uneven, readouts=["cls_avg"], crops=3, device=CPU, spans=spans)
    for recording, (first, frames) in enumerate(spans):
        starts = np.floor(np.linspace(0, max(frames - 100, 0), 3)).astype(int)
        crops = [one_crop(encoder, uneven, recording, int(start), (first, frames)) for start in starts]
        expected = torch.cat([read_out(tokens, "cls_avg") for tokens, _ in crops])
        np.testing.assert_allclose(found["cls_avg"][recording], expected, atol=1e-5)
        assert share[recording] == pytest.approx(np.mean([hidden for _, hidden in crops]))
    assert share.tolist() == pytest.approx([0, 1 / 3, 2 / 5, 4 / 5, 0])


def test_some_recordings_are_embedded_as_all_are(uneven, model):
    (encoder, _), rows = open_encoder(model), np.array([3, 1])
    every, hidden = embed_crops(encoder, uneven, readouts=["cls_avg"], crops=3, device=CPU)
    some, hidden_of_some = embed_crops(encoder, uneven, readouts=["cls_avg"], crops=3, device=CPU, rows=rows)
    np.testing.assert_allclose(some["cls_avg"], every["cls_avg"][rows], atol=1e-5)
    np.testing.assert_array_equal(hidden_of_some, hidden[rows])


def test_networks_that_are_not_shown_are_hidden_for_everybody(uneven, model):
    encoder, _ = open_encoder(model)
    found, share = embed_crops(encoder, uneven, readouts=["tokens"], crops=1, device=CPU, shown=[2, 0])
    for recording in range(len(uneven)):
        tokens, hidden = one_crop(encoder, uneven, recording, 0, shown="xz")
        np.testing.assert_allclose(found["tokens"][recording, 0], read_out(tokens, "tokens")[0], atol=1e-5)
        assert share[recording] == pytest.approx(hidden)
    assert share.tolist() == pytest.approx([1 / 3, 1 / 3, 1 - 2 / 3 * 4 / 5, 1 - 2 / 3 / 5, 1 / 3])


@pytest.mark.parametrize("shown", [[3], [-1, 0], []])
def test_a_network_that_is_not_there_cannot_be_shown(uneven, model, shown):
    encoder, _ = open_encoder(model)
    with pytest.raises(ConfigError, match=r"some of 0\.\.2, not"):
        embed_crops(encoder, uneven, readouts=["cls"], crops=1, device=CPU, shown=shown)


@pytest.mark.parametrize("span", [(0, 21), (-1, 20), (20, 0)])
def test_a_span_outside_of_its_recording_is_refused(uneven, model, span):
    encoder, _ = open_encoder(model)
    spans = np.array([[0, 170], [0, 100], [0, 61], span, [0, 141]])
    with pytest.raises(DataError, match=f"of the 20 frames of recording 3 {span[1]} were asked for, from frame"):
        embed_crops(encoder, uneven, readouts=["cls"], crops=1, device=CPU, spans=spans)


def test_read_outs_are_the_means_that_their_names_say():
    grid = torch.randn(2, 3, 5, 4)
    tokens = Tokens(cls=torch.randn(2, 4), grid=grid)
    mean = sum(grid[:, n, p] for n in range(3) for p in range(5)) / 15
    torch.testing.assert_close(read_out(tokens, "cls_avg"), torch.cat([mean, tokens.cls], dim=1))
    torch.testing.assert_close(read_out(tokens, "avg"), mean)
    torch.testing.assert_close(read_out(tokens, "cls"), tokens.cls)
    networks = torch.cat([grid[:, n].mean(dim=1) for n in range(3)], dim=1)
    torch.testing.assert_close(read_out(tokens, "network"), networks)
    places = [grid[:, n, p] for n in range(3) for p in range(5)]
    torch.testing.assert_close(read_out(tokens, "tokens"), torch.cat(places, dim=1))


def test_the_batch_size_changes_nothing_and_progress_ends_at_the_last_crop(uneven, model):
    encoder, _ = open_encoder(model)
    seen = []
    few, _ = embed_crops(
        encoder, uneven, readouts=["cls"], crops=3, device=CPU, batch=4, progress=lambda *x: seen.append(x)
    )
    many, _ = embed_crops(encoder, uneven, readouts=["cls"], crops=3, device=CPU, batch=64)
    np.testing.assert_allclose(few["cls"], many["cls"], atol=1e-5)
    assert seen == [(4, 15), (8, 15), (12, 15), (15, 15)]


def test_features_are_the_same_however_many_gather_before_they_are_brought_to_the_host(uneven, model, monkeypatch):
    encoder, _ = open_encoder(model)
    found = []
    for bytes_at_once in (1, 1 << 30):
        monkeypatch.setattr(encode, "AT_ONCE", bytes_at_once)
        found.append(embed_crops(encoder, uneven, readouts=["cls"], crops=4, device=CPU, batch=3)[0]["cls"])
    assert found[0].shape[:2] == (5, 4)
    assert np.array_equal(*found)


def test_a_patch_without_one_good_frame_is_hidden(tmp_path, model):
    encoder, _ = open_encoder(model)
    cohort = write_cohort(tmp_path, {"sub-1": np.random.default_rng(0).normal(size=(100, 8))})
    table = (cohort.path / "recordings.tsv").read_text().splitlines()
    place = table[0].split("\t").index("bad_frames")
    cells = table[1].split("\t")
    cells[place] = "20-39,45"
    (cohort.path / "recordings.tsv").write_text("\n".join([table[0], "\t".join(cells)]) + "\n")
    (cohort.path / "SHA256SUMS").unlink()
    censored = type(cohort)(cohort.path)
    assert censored.good.sum() == 79
    found, share = embed_crops(encoder, censored, readouts=["tokens"], crops=1, device=CPU)
    hidden = torch.zeros(1, 3, 5, dtype=torch.bool)
    hidden[0, :, 1] = True
    with torch.no_grad():
        window = torch.from_numpy(cohort.series(0).astype(np.float32).T.copy())[None]
        expected = read_out(encoder(window, hidden), "tokens")
    np.testing.assert_allclose(found["tokens"][0], expected, atol=1e-5)
    assert share.tolist() == pytest.approx([1 / 5])
