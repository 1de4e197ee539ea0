"""To the Hugging Face hub and back, at a hub made here: to the bit, offline too, and one sentence where it fails."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace

import pandas as pd
import pytest
import torch
import yaml
from huggingface_hub import close_session, constants

import semantoks
from fake_hub import TOKEN, FakeHub
from semantoks.cli.main import run as command
from semantoks.errors import WeightsError
from semantoks.evaluate.probe import probe
from semantoks.evaluate.settings import ProbeConfig
from semantoks.model.card import EncoderCard, hash_participant
from semantoks.model.hub import Encoder
from semantoks.model.tensors import save_encoder
from semantoks.objective.branch import HeadConfig, build_branch
from semantoks.objective.learner import Taught
from semantoks.objective.self_distillation import SelfDistillation, load_branches
from tiny_people import ATLAS, SIZE, make_people, save_model, write_cohort

pytestmark = pytest.mark.slow

TEACHER_ALONE = {"config.json", "model.safetensors", "README.md", ".gitattributes"}
HASHES = tuple(sorted(hash_participant("pepper", f"ward{i:02d}") for i in range(20)))
IN_A_PROCESS = """
import hashlib, sys
from huggingface_hub import constants  # as if another package had been there first
from semantoks.config import to_plain
from semantoks.errors import WeightsError
from semantoks.model.hub import Encoder
for name in sys.argv[1:]:
    try:
        state = Encoder.from_pretrained(name).state_dict()
        print(hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest())
    except WeightsError as error:
        print(error)
"""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that this process, logged in, takes for the real one: what huggingface_hub read at import is changed."""
    with FakeHub() as hub:
        for name, value in {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
            "HF_HUB_CACHE": str(tmp_path / "cache"),
            "HF_TOKEN_PATH": str(tmp_path / "token"),
            **dict.fromkeys(("HF_HUB_DISABLE_XET", "HF_HUB_DISABLE_PROGRESS_BARS"), True),
            **dict.fromkeys(("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"), False),
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.chdir(tmp_path)
        yield hub
    close_session()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run: teacher, student and heads, a probe of twenty people, on whom it was trained, and one broken off."""
    folder = tmp_path_factory.mktemp("trained")
    series, table = make_people(20)
    table["participant_id"] = "ward" + table["participant_id"]
    cohort = write_cohort(folder, {name.replace("sub-", "sub-ward"): values for name, values in series.items()}, table)
    head = HeadConfig(hidden=16, projection=8)
    student, teacher = (build_branch(SIZE, head, ATLAS.network_index, seed) for seed in (1, 2))
    learner = SelfDistillation(head=head).settings()
    fields = {"encoder": SIZE, "learner": learner, "atlas": ATLAS, "tr": 2.0, "band": None}
    card, run = EncoderCard(salt="pepper", participants=HASHES, **fields), folder / "run"
    save_encoder(run / "encoder", teacher.encoder, card, Taught(student, teacher).training_tensors())
    quick = ProbeConfig(crops=1, folds=2, repeats=1, analyses=(), methods=("motion",))
    probe(run, cohort, targets=["sex"], out=run / "probe", config=quick)
    (run / "broken").mkdir()
    (run / "broken" / "scores.csv").write_text("analysis\n")
    return run


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def same(one, other):
    one, other = one.state_dict(), other.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def refused(action, *words, **options):
    """Return the WeightsError that ``action`` ends in: one line that ends as a sentence, without an address."""
    with pytest.raises(WeightsError) as caught:
        action(*words, **options)
    assert re.fullmatch(r"(?!.*http).+\.", str(caught.value))
    return str(caught.value)


def test_what_is_pushed_comes_back_to_the_bit_with_its_card_and_its_people(hub, trained):
    encoder = Encoder.from_pretrained(trained)
    assert encoder.push_to_hub("lab/teacher") == f"{hub.url}/lab/teacher"
    assert set(hub.repos["lab/teacher"].files) == TEACHER_ALONE
    assert hub.repos["lab/teacher"].private
    found = Encoder.from_pretrained("lab/teacher")
    assert same(found, encoder)
    assert not found.training
    assert found.card == replace(encoder.card, learner=None, salt="", participants=())
    encoder.push_to_hub("lab/open", private=False, token=TOKEN)
    assert not hub.repos["lab/open"].private


def test_the_readme_has_front_matter_the_atlas_the_people_and_the_limits(hub, trained):
    Encoder.from_pretrained(trained).push_to_hub("lab/teacher")
    readme = hub.repos["lab/teacher"].files["README.md"].decode()
    _, front, text = readme.split("---\n", 2)
    assert yaml.safe_load(front)["library_name"] == "semantoks"
    assert f"| atlas | tiny: 8 ROIs in 3 networks, fingerprint `{ATLAS.fingerprint}` |" in text
    assert "| series | 100 frames of 2 s, no band-pass, z-score per ROI over the recording |" in text
    assert "- whom it was trained on is not known" in text
    assert "not for decisions about individual people" in text.split("## Limits")[1]


def test_the_command_uploads_student_and_heads_and_the_probes_scores_beside_fc(hub, trained, capsys):
    assert command(["push", str(trained), "lab/whole"]) == 0
    assert capsys.readouterr().out == f"Uploaded to {hub.url}/lab/whole\n"
    files = hub.repos["lab/whole"].files
    assert set(files) == {*TEACHER_ALONE, "training.safetensors"}
    assert files["training.safetensors"] == (trained / "encoder" / "training.safetensors").read_bytes()
    table = pd.read_csv(trained / "probe" / "scores.csv")
    means = table[table["analysis"] == "main"].groupby("method")["balanced_accuracy"].mean()
    heading, _, row = re.findall(r"^\| .*|^\|---.*", files["README.md"].decode().split("## Scores")[1], re.M)[:3]
    said = dict(zip(heading.split(" | "), row.split(" | "), strict=True))
    assert (said["| target"], said["score"], said["protocol"]) == ("| sex", "balanced_accuracy", "nested")
    for name, method in (("encoder", "encoder"), ("FC", "fc"), ("motion", "motion")):
        assert said[name].startswith(f"{means[method]:.3f} [")
    student = Encoder.from_pretrained("lab/whole", which="student")
    assert same(student, load_branches(trained / "encoder")[0].student.encoder)
    assert not same(student, Encoder.from_pretrained("lab/whole"))
    assert [row["target"] for row in Encoder.from_pretrained("lab/whole").card.scores] == ["sex"]
    assert command(["push", str(trained), "lab/open", "--public"]) == 0
    assert (hub.repos["lab/whole"].private, hub.repos["lab/open"].private) == (True, False)


def test_no_path_of_this_machine_and_no_participant_is_uploaded(hub, trained, tmp_path):
    assert command(["push", str(trained), "lab/whole"]) == 0
    Encoder.from_pretrained(trained).push_to_hub("lab/teacher")
    Encoder.from_pretrained("lab/teacher")
    kept = [data for repo in hub.repos.values() for files in repo.commits.values() for data in files.values()]
    assert len(kept) == 2 * (1 + len(TEACHER_ALONE)) + 1
    asked = [part for one in hub.log for part in (one.path.encode(), json.dumps(one.headers).encode(), one.body)]
    words = [f"{tempfile.gettempdir()}/", str(tmp_path), str(trained.parent), *(f"ward{i:02d}" for i in range(20))]
    assert [word for word in words for data in [*kept, *asked] if word.encode() in data] == []
    assert [one for one in HASHES for request in hub.log if one in json.dumps(request.headers)] == []


def test_damaged_weights_are_not_uploaded(hub, trained, tmp_path, capsys):
    folder = shutil.copytree(trained / "encoder", tmp_path / "encoder")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert command(["push", str(folder), "me/mine"]) == 3
    assert "model.safetensors does not match the checksum in it" in capsys.readouterr().err
    assert not hub.repos


def test_a_teacher_pushed_over_a_whole_encoder_leaves_no_student_of_another(hub, trained, tmp_path):
    assert command(["push", str(trained), "lab/whole"]) == 0
    other = Encoder.from_pretrained(save_model(tmp_path / "other", seed=5))
    other.push_to_hub("lab/whole")
    assert set(hub.repos["lab/whole"].files) == TEACHER_ALONE
    assert same(Encoder.from_pretrained("lab/whole"), other)
    said = refused(Encoder.from_pretrained, "lab/whole", which="student")
    assert re.search(r"lab--whole.* has only the teacher, without student and heads \(training.safetensors\)", said)


def test_a_revision_is_a_commit_a_tag_or_refused(hub, tmp_path):
    folders = [save_model(tmp_path / str(seed), seed=seed) for seed in (1, 2)]
    first = hub.put("lab/grown", files_of(folders[0]))
    hub.put("lab/grown", files_of(folders[0]), ref="v1")
    hub.put("lab/grown", files_of(folders[1]))
    one, two = (Encoder.from_pretrained(folder) for folder in folders)
    assert not same(one, two)
    assert same(Encoder.from_pretrained("lab/grown"), two)
    assert same(Encoder.from_pretrained("lab/grown", revision="v1"), one)
    assert same(Encoder.from_pretrained("lab/grown", revision=first), one)
    assert "lab/grown is absent or private: check" in refused(Encoder.from_pretrained, "lab/grown", revision="v9")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lab/absent", "lab/absent is absent or private: check owner, name and revision, or log in with `hf auth"),
        ("lab/private", "lab/private is absent or private: check owner, name and revision, or log in with `hf auth"),
        ("lab/gated", "lab/gated is gated: accept its terms there, then log in with `hf auth login`."),
        ("lab/empty", "lab/empty on the Hugging Face hub has no config.json, so it is not a semantoks encoder."),
        ("lab/stranger", r"lab/stranger on the Hugging Face hub cannot be used here: .* is not an encoder's config"),
        ("lab/newer", r"lab/newer on .* has schema 99; this semantoks reads 1 to 3: use a newer version\."),
        (
            "no/such/thing/x",
            r"no/such/thing/x is neither a run .* nor an id on the Hugging Face hub \(owner/name\), nor schaefer400",
        ),
        ("no..such/thing", r"no\.\.such/thing cannot be used: Cannot have -- or \.\. in repo_id"),
    ],
)
def test_what_cannot_be_had_is_one_sentence_with_its_name_and_what_to_do(hub, tmp_path, monkeypatch, name, words):
    monkeypatch.delenv("HF_TOKEN")
    files = files_of(save_model(tmp_path / "plain"))
    hub.put("lab/private", files, private=True)
    hub.put("lab/gated", files, gated=True)
    hub.put("lab/empty", {"README.md": b"nothing yet"})
    hub.put("lab/stranger", {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"x"})
    newer = json.loads(files["config.json"]) | {"schema": 99}
    del newer["sha256"]
    hub.put("lab/newer", files | {"config.json": json.dumps(newer).encode()})
    assert re.search(words, refused(Encoder.from_pretrained, name))


def test_another_atlas_is_refused_with_the_first_difference_when_embedding(hub, tmp_path):
    cohort = write_cohort(tmp_path, make_people(2)[0])
    hub.put("lab/moved", files_of(save_model(tmp_path / "moved", atlas=ATLAS.select([*"hgfedcba"]))))
    said = refused(semantoks.embed, cohort, model="lab/moved")
    assert "First difference, ROI 1: the encoder expects 'h' (z), the recordings have 'a' (x)." in said
    hub.put("lab/fits", files_of(save_model(tmp_path / "fits")))
    table, local = (semantoks.embed(cohort, model=model) for model in ("lab/fits", tmp_path / "fits"))
    pd.testing.assert_frame_equal(table, local, check_exact=True)


@pytest.mark.parametrize("inside", ["", "encoder"])
def test_a_folder_of_the_same_name_wins_and_nobody_is_asked(hub, tmp_path, inside):
    hub.put("lab/both", files_of(save_model(tmp_path / "other", seed=1)))
    here = save_model(tmp_path / "lab" / "both" / inside, seed=2)
    assert same(Encoder.from_pretrained("lab/both"), Encoder.from_pretrained(here))
    (here / "config.json").unlink()
    said = refused(Encoder.from_pretrained, "lab/both")
    assert said == "lab/both is neither a run with a saved encoder nor an encoder folder."
    assert hub.log == []


def test_a_push_that_cannot_be_is_one_sentence_with_what_to_do(hub, trained, monkeypatch, capsys):
    push = Encoder.from_pretrained(trained).push_to_hub
    assert "on the Hugging Face hub is owner/name, not 'no-owner'" in refused(push, "no-owner")
    hub.put("lab/open", {"README.md": b"for all"})
    assert "lab/open already exists and is public: make it private there, or push with --public" in refused(
        push, "lab/open"
    )
    assert hub.repos["lab/open"].files == {"README.md": b"for all"}
    monkeypatch.delenv("HF_TOKEN")
    assert "lab/mine refuses this login: log in with `hf auth login`" in refused(push, "lab/mine")
    assert "lab/mine refuses this login" in refused(push, "lab/mine", token="hf_of_another")
    hub.stop()
    assert "lab/mine is out of reach: the hub cannot be reached. Go online to upload." in refused(push, "lab/mine")
    assert command(["push", str(trained), "lab/mine"]) == 3
    assert capsys.readouterr().err.startswith("semantoks: on the Hugging Face hub lab/mine is out of reach")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "lab/mine is out of reach: HF_HUB_OFFLINE is set. Go online to upload." in refused(push, "lab/mine")


@pytest.fixture(scope="module")
def downloaded(tmp_path_factory):
    """A hub, and proxy, that went down after a process had downloaded a model: it, how to ask again, what was said."""
    folder = tmp_path_factory.mktemp("downloaded")
    model = save_model(folder / "model", seed=3)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and not k.lower().endswith("_proxy")}

    def ask(*names, **changes):
        there = {"HF_ENDPOINT": hub.url, "HTTPS_PROXY": hub.url, "NO_PROXY": "127.0.0.1", "AI_AGENT": "robot"}
        here = {"HF_HOME": str(folder / "home"), "HF_HUB_DISABLE_XET": "1", **changes}
        words = [sys.executable, "-c", IN_A_PROCESS, *names]
        done = subprocess.run(words, capture_output=True, text=True, env=kept | there | here, cwd=folder, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    with FakeHub() as hub:
        hub.put("lab/once", files_of(model))
        said = ask("lab/once")
    state = Encoder.from_pretrained(model).state_dict()
    assert said == [hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in state.values())).hexdigest()]
    return hub, ask, said


def test_a_download_asks_for_the_models_own_files_and_tells_nothing(downloaded):
    hub, _, _ = downloaded
    own = r"/api/models/lab/once/(revision|tree)/\w+|/lab/once/resolve/\w+/(config\.json|model\.safetensors)"
    assert [one.path for one in hub.log if not re.fullmatch(own, one.path)] == []
    assert {one.method for one in hub.log} == {"GET", "HEAD"}
    assert {one.body for one in hub.log} == {b""}
    agents = {one.headers["user-agent"] for one in hub.log}
    assert all(re.fullmatch(r"unknown/None; hf_hub/[\d.]+; python/[\d.]+", agent) for agent in agents)


def test_what_was_downloaded_once_loads_offline_and_with_the_hub_down(downloaded):
    hub, ask, said = downloaded
    before = len(hub.log)
    here = "there is no folder lab/never here, and on the Hugging Face hub lab/never is out of reach: "
    ending = ", and it was not downloaded before. Go online once, or give a folder."
    assert ask("lab/once", "lab/never", HF_HUB_OFFLINE="1") == [*said, f"{here}HF_HUB_OFFLINE is set{ending}"]
    assert ask("lab/once", "lab/never") == [*said, f"{here}the hub cannot be reached{ending}"]
    assert len(hub.log) == before


def test_downloads_are_kept_where_one_says_and_asked_for_by_whom_one_says(hub, trained, tmp_path, monkeypatch):
    hub.put("lab/mine", files_of(trained / "encoder"), private=True)
    monkeypatch.delenv("HF_TOKEN")
    asked = {"cache_dir": tmp_path / "kept"}
    assert "absent or private" in refused(Encoder.from_pretrained, "lab/mine", **asked)
    assert Encoder.from_pretrained("lab/mine", token=TOKEN, **asked).config == SIZE
    assert list((tmp_path / "kept").rglob("config.json"))
