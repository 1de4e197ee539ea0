"""The converter against a second reading of the released layout, written from its description in float64."""

import math
import re
import zipfile

import numpy as np
import pytest
import torch
from released import Sizes, encode, features, project, synthetic_checkpoint
from released_training import double, gradients, losses, two_steps

from semantoks.atlas.catalog import get_atlas
from semantoks.errors import WeightsError
from semantoks.features.encode import read_out
from semantoks.model.convert import convert_back, convert_checkpoint
from semantoks.model.encoder import EncoderConfig
from semantoks.model.hub import load_encoder
from semantoks.model.released import ReleasedLayout, released_tensors
from semantoks.objective.learner import update_teacher
from semantoks.objective.self_distillation import load_branches, step_terms
from semantoks.train.loop import build_optimizer, set_rates
from semantoks.train.recipe import OptimConfig
from semantoks.views.batch import Batch

pytestmark = pytest.mark.slow

SMALL = Sizes()
ODD = Sizes(
    width=32,
    depth=1,
    hidden=24,
    projection=8,
    patches=3,
    parts=(("schaefer400", (3, 1, 1, 2, 3, 0, 2)), ("own", (5, 7, 6, 7))),
)
PUBLISHED = Sizes.published(64, 1, 32, 16)


def write(folder, sizes, held):
    """Write a checkpoint and its map; return the arguments that convert it."""
    folder.mkdir(exist_ok=True)
    torch.save(held, folder / "made.pth")
    if sizes == PUBLISHED:
        return {"checkpoint": folder / "made.pth", "out": folder / "encoder"}
    counted = {f"network_map_{name}" + (f"_{len(set(n))}n" if len(set(n)) > 1 else ""): n for name, n in sizes.parts}
    np.savez(folder / "map.npz", **{name: np.array(numbers) for name, numbers in counted.items()})
    return {"checkpoint": folder / "made.pth", "out": folder / "encoder", "network_map": folder / "map.npz"}


def inputs(sizes, seed=0, batch=3):
    """Two views and two masks."""
    rng = np.random.default_rng(seed)
    rois, networks = len(sizes.network_of), len(sizes.networks)
    views = [rng.standard_normal((batch, rois, sizes.patches * sizes.patch)) for _ in range(2)]
    masks = [rng.random((batch, networks, sizes.patches)) < 0.6 for _ in range(2)]
    return [view.astype(np.float32) for view in views], masks


def apart(found, expected):
    """Largest difference over the largest value."""
    found = found.detach().double().numpy() if isinstance(found, torch.Tensor) else found
    expected = expected.detach().numpy() if isinstance(expected, torch.Tensor) else expected
    return float(np.abs(found - expected).max() / max(np.abs(expected).max(), 1e-30))


def distance(found, expected):
    """Norm of the difference over the norm."""
    return float((found.double() - expected).norm() / expected.norm())


@pytest.mark.parametrize("which", ["teacher", "student"])
@pytest.mark.parametrize("trained", [True, False])
@pytest.mark.parametrize("sizes", [SMALL, ODD, PUBLISHED], ids=["small", "odd map", "published map"])
def test_tokens_features_and_projections_are_those_of_the_released_model(tmp_path, sizes, trained, which):
    held = synthetic_checkpoint(sizes, 1, trained=trained)
    folder = convert_checkpoint(**write(tmp_path, sizes, held))
    encoder, card = load_encoder(folder, which)
    branch = getattr(load_branches(folder)[0], which)
    (view, _), (mask, _) = inputs(sizes)
    state = held["model_state_dict"]
    for hidden in (None, mask):
        expected = encode(state, f"{which}_encoder", view, sizes, hidden)
        with torch.no_grad():
            tokens = encoder(torch.from_numpy(view), None if hidden is None else torch.from_numpy(hidden))
            heads = branch.head(torch.cat([tokens.cls[:, None], tokens.grid.flatten(1, 2)], dim=1))
        cls, cls_avg = features(expected)
        assert apart(tokens.cls, cls) < 2e-5
        assert apart(tokens.grid.flatten(1, 2), expected[:, 1:]) < 2e-5
        assert apart(read_out(tokens, "cls_avg"), cls_avg) < 2e-5
        assert apart(heads, project(state, f"{which}_predictor", expected)) < 2e-5
    assert card.atlas.network_index.tolist() == sizes.network_of.tolist()


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("sizes", [SMALL, ODD, PUBLISHED], ids=["small", "odd map", "published map"])
def test_losses_and_gradients_are_those_of_the_released_training(tmp_path, sizes, masked):
    held = synthetic_checkpoint(sizes, 2)
    folder = convert_checkpoint(**write(tmp_path, sizes, held))
    branches, card = load_branches(folder)
    views, masks = inputs(sizes)
    terms = step_terms(branches.student, branches.teacher, batch_of(views, masks if masked else None), ttr_weight=0.3)
    state = double(held["model_state_dict"])
    cls, net, patch = losses(state, views, masks if masked else None, sizes)
    assert apart(terms.cls.loss, cls) < 2e-5
    assert apart(terms.ttr.loss, net) < 2e-5
    if masked:
        assert apart(terms.token, patch) < 2e-5
    terms.loss.backward()
    expected = gradients(state, views, masks if masked else None, sizes, w_net=0.3)
    ours = dict(branches.student.named_parameters())
    for place in released_tensors(layout(card), "student"):
        if place.ours in ours:
            there = expected[place.key]
            found = ours[place.ours].grad
            assert (found is None) == (there is None), place.key
            if there is not None:
                assert apart(found.reshape(there.shape), there) < 1e-4, place.key


@pytest.mark.parametrize("sizes", [SMALL, ODD], ids=["small", "odd map"])
def test_two_optimiser_and_teacher_steps_give_the_released_parameters(tmp_path, sizes):
    held = synthetic_checkpoint(sizes, 3)
    folder = convert_checkpoint(**write(tmp_path, sizes, held))
    (student, teacher), card = load_branches(folder)
    optimizer = build_optimizer(student, OptimConfig())
    rates = {"lr": [1e-3, 2e-3], "decay": [0.05, 0.3], "momentum": [0.9, 0.99], "w_net": [0.5, 0.2]}
    batches = [inputs(sizes, seed) for seed in (0, 1)]
    shown = [(batches[0][0], None), batches[1]]
    for step, (views, masks) in enumerate(shown):
        set_rates(optimizer, rates["lr"][step], rates["decay"][step])
        step_terms(student, teacher, batch_of(views, masks), ttr_weight=rates["w_net"][step]).loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        update_teacher(teacher, student, rates["momentum"][step])
    state = held["model_state_dict"]
    expected = two_steps(state, sizes, [views for views, _ in shown], [masks for _, masks in shown], **rates)
    # By their norm, not by their largest: where a gradient is next to nothing, AdamW's first step is rounding's sign.
    found = {
        place.key: distance(branch.state_dict()[place.ours].reshape(place.shape), expected[place.key])
        for role, branch in (("student", student), ("teacher", teacher))
        for place in released_tensors(layout(card), role)
        if place.ours is not None
    }
    assert max(found.values()) < 2e-5


def batch_of(views, masks):
    """What the student and the teacher are shown: view-major, as a batch of pretraining has it."""
    hidden = None if masks is None else torch.from_numpy(np.concatenate(masks))
    people = len(views[0])
    return Batch(
        crops=torch.from_numpy(np.concatenate(views)),
        empty=None,
        mask=hidden,
        overlap=np.zeros(people),
        recordings=np.zeros((2, people), dtype=np.int64),
    )


def layout(card):
    return ReleasedLayout(
        encoder=card.encoder,
        head=card.learner["head"],
        parts=("schaefer400",),
        network_index=tuple(card.atlas.network_index.tolist()),
    )


@pytest.mark.parametrize("sizes", [SMALL, PUBLISHED], ids=["small", "published map"])
def test_back_in_the_authors_layout_every_weight_that_is_used_is_what_it_was(tmp_path, sizes):
    held = synthetic_checkpoint(sizes, 4)
    folder = convert_checkpoint(**write(tmp_path, sizes, held))
    back = convert_back(folder, tmp_path / "back" / "again.pth")
    state = torch.load(back, weights_only=True)["model_state_dict"]
    before = held["model_state_dict"]
    assert {key: tuple(value.shape) for key, value in state.items()} == {
        key: tuple(value.shape) for key, value in before.items()
    }
    unused = re.compile(r".*(network_tokenizers\.(tian3|buckner7)|inter_network_transformer\.norm)\..*")
    for key, value in before.items():
        assert unused.fullmatch(key) or torch.equal(state[key], value), key
    shown = {"checkpoint": back, "out": tmp_path / "twice"}
    if sizes != PUBLISHED:
        shown["network_map"] = back.with_suffix(".npz")
    twice = convert_checkpoint(**shown)
    for name in ("model.safetensors", "training.safetensors"):
        assert (twice / name).read_bytes() == (folder / name).read_bytes()


def test_back_there_is_what_a_resumed_training_reads_before_its_first_step(tmp_path):
    folder = convert_checkpoint(**write(tmp_path, PUBLISHED, synthetic_checkpoint(PUBLISHED, 4)))
    held = torch.load(convert_back(folder, tmp_path / "again.pth"), weights_only=True)
    rest = {"optimizer_state_dict", "scheduler_state_dict", "scaler_state_dict", "loss", "lr", "wd"}
    assert set(held) == {"epoch", "model_state_dict", "config", "mask_loss_weight"} | rest
    learnt = [
        torch.zeros(value.shape, requires_grad=True)
        for key, value in held["model_state_dict"].items()
        if key.startswith(("student_encoder.", "student_predictor."))
        and not re.search(r"multiplier|kernel_norm|temporal_pos", key)
    ]
    optimizer = torch.optim.AdamW(learnt)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    optimizer.load_state_dict(held["optimizer_state_dict"])
    scheduler.load_state_dict(held["scheduler_state_dict"])
    torch.amp.GradScaler("cpu").load_state_dict(held["scaler_state_dict"])
    assert not optimizer.state_dict()["state"]
    assert scheduler.base_lrs == [held["lr"]] == [1.4e-3]
    sum(one.sum() for one in learnt).backward()
    optimizer.step()


def test_the_parameters_of_the_published_size_are_counted_as_in_the_published_file():
    index = get_atlas("schaefer400+tian-s3+buckner7").network_index.tolist()
    head = {"hidden": 1024, "hidden_layers": 1, "projection": 128}
    parts = ("schaefer400", "tian3", "buckner7")
    layout = ReleasedLayout(encoder=EncoderConfig(), head=head, parts=parts, network_index=tuple(index))
    sizes = [math.prod(one.shape) for one in released_tensors(layout, "student") if one.learnt]
    assert sum(sizes) == 62_750_697 + 918_656


def test_prefixes_of_parallel_training_bare_states_and_half_precision_are_read(tmp_path):
    held = synthetic_checkpoint(PUBLISHED, 5)
    plain = load_encoder(convert_checkpoint(**write(tmp_path / "plain", PUBLISHED, held)))[0].state_dict()
    bare = {f"module.{key}": value for key, value in held["model_state_dict"].items()}
    found = load_encoder(convert_checkpoint(**write(tmp_path / "bare", PUBLISHED, bare)))[0].state_dict()
    assert all(torch.equal(found[name], value) for name, value in plain.items())
    half = {key: value.half() if value.is_floating_point() else value for key, value in bare.items()}
    found = load_encoder(convert_checkpoint(**write(tmp_path / "half", PUBLISHED, half)))[0].state_dict()
    assert all(apart(found[name], value.double()) < 1e-3 for name, value in plain.items())


def test_every_key_that_does_not_fit_is_named_with_what_was_expected(tmp_path):
    held = synthetic_checkpoint(PUBLISHED, 6)
    state = held["model_state_dict"]
    tokenizer = "teacher_encoder.network_tokenizers.schaefer400.2.branches.0"
    state["student_encoder.surprise"] = torch.zeros(2)
    state[f"{tokenizer}.weight"] = torch.zeros(32, 45, 3)
    del state[f"{tokenizer}.bias"], state["student_predictor.mlp.2.bias"]
    with pytest.raises(WeightsError) as caught:
        convert_checkpoint(**write(tmp_path, PUBLISHED, held))
    assert sorted(str(caught.value).partition("--network-map): ")[2].rstrip(".").split("; ")) == [
        "student_encoder.surprise: unknown, expected no such key",
        "student_predictor.mlp.2.bias: missing, expected [16]",
        f"{tokenizer}.bias: missing, expected [32]",
        f"{tokenizer}.weight: has the shape [32, 45, 3], expected [32, 46, 3]",
    ]
    assert not (tmp_path / "encoder").exists()


def test_without_its_map_another_atlas_is_refused_and_with_a_wrong_one_too(tmp_path):
    given = write(tmp_path, SMALL, synthetic_checkpoint(SMALL, 7))
    with pytest.raises(WeightsError, match=r"5 networks of .* give the checkpoint's own --network-map"):
        convert_checkpoint(given["checkpoint"], given["out"])
    np.savez(tmp_path / "other.npz", network_map_schaefer400=np.zeros(13), network_map_tian3=np.zeros(3))
    with pytest.raises(WeightsError, match=r"no maps for schaefer400 \+ tian3 \+ buckner7"):
        convert_checkpoint(given["checkpoint"], given["out"], network_map=tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("no")
    with pytest.raises(
        WeightsError, match=r"a network map is an \.npz of network_map_<atlas>, but .*text\.npz cannot be read"
    ):
        convert_checkpoint(given["checkpoint"], given["out"], network_map=tmp_path / "text.npz")


def test_a_map_of_several_resolutions_is_chosen_by_the_tokenizers_sizes(tmp_path):
    given = write(tmp_path, SMALL, synthetic_checkpoint(SMALL, 8))
    with np.load(given["network_map"]) as file:
        held = dict(file)
    np.savez(given["network_map"], network_map_schaefer400_13n=np.arange(13), **held)
    _, card = load_encoder(convert_checkpoint(**given))
    assert card.atlas.network_index.tolist() == SMALL.network_of.tolist()
    assert card.atlas.labels[:2] == ("schaefer400_001", "schaefer400_002")


def test_the_published_map_given_as_a_file_is_the_published_atlas(tmp_path):
    given = write(tmp_path, PUBLISHED, synthetic_checkpoint(PUBLISHED, 9))
    numbers = {"schaefer400_7n": PUBLISHED.parts[0][1], "tian3": [19.0] * 50, "buckner7": [33.0] * 7}
    np.savez(tmp_path / "map.npz", **{f"network_map_{name}": np.array(value) for name, value in numbers.items()})
    _, card = load_encoder(convert_checkpoint(**given, network_map=tmp_path / "map.npz"))
    assert card.atlas == get_atlas("schaefer400+tian-s3+buckner7")


class Harmful:
    """Would run a command when it is unpickled."""

    def __reduce__(self):
        return (print, ("this must not run",))


@pytest.mark.parametrize("held", [b"no checkpoint", Harmful(), {"model_state_dict": {}}, [1, 2], {"epoch": 3}])
def test_what_is_no_checkpoint_is_refused_and_nothing_in_it_is_run(tmp_path, held, capsys):
    path = tmp_path / "made.pth"
    if isinstance(held, bytes):
        path.write_bytes(held)
    else:
        torch.save(held, path)
    with pytest.raises(WeightsError, match=r"made.pth (cannot be read|has no)"):
        convert_checkpoint(path, tmp_path / "out")
    assert capsys.readouterr().out == ""


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused_unopened(tmp_path):
    torch.save({"model_state_dict": {"weights": torch.zeros(2**21)}}, tmp_path / "plain.pth")
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(tmp_path / "plain.pth") as plain, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for member in plain.infolist():
            bomb.writestr(member.filename, plain.read(member))
    with pytest.raises(WeightsError, match=r"bomb.pth would unpack to 8 MiB.*Download it again"):
        convert_checkpoint(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_masks_or_with_a_second_head_says_so_in_its_card(tmp_path):
    held = synthetic_checkpoint(PUBLISHED, 10)
    state = held["model_state_dict"]
    for role in ("student", "teacher"):
        del state[f"{role}_encoder.inter_network_transformer.mask_embedding"]
    state["student_mask_predictor.mlp.0.bias"] = state["student_mask_predictor.mlp.0.bias"] + 1
    encoder, card = load_encoder(convert_checkpoint(**write(tmp_path, PUBLISHED, held)))
    assert any("trained without masks" in line for line in card.origin)
    assert any("a head of their own" in line for line in card.origin)
    assert not encoder.mask_token.any()


def test_values_or_positions_that_are_not_the_methods_are_refused(tmp_path):
    held = synthetic_checkpoint(PUBLISHED, 11)
    state = held["model_state_dict"]
    state["teacher_encoder.norm.bias"][3] = torch.nan
    with pytest.raises(WeightsError, match=r"not finite, in teacher_encoder\.norm\.bias\."):
        convert_checkpoint(**write(tmp_path, PUBLISHED, held))
    held = synthetic_checkpoint(PUBLISHED, 11)
    held["model_state_dict"]["student_encoder.inter_network_transformer.temporal_pos_embedding"] += 0.1
    with pytest.raises(WeightsError, match="temporal_pos_embedding is not that of the published method"):
        convert_checkpoint(**write(tmp_path, PUBLISHED, held))
