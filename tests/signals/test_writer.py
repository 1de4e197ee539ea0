import os
import pickle
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scripted import ROIS, TOY, noise, scripted, tree

from semantoks.errors import ConfigError, DataError
from semantoks.signals import writer
from semantoks.signals.clean import CleaningConfig, band_pass, low_pass_for, resample
from semantoks.signals.writer import assemble, is_finished, plan_jobs, run_jobs, write_shard
from semantoks.storage import durable

CONFIG = CleaningConfig()
ENDINGS = ("npy", "full.npy", "moments.npy", "fd.npy", "spectra.npy", "quality.tsv", "tsv")


def jobs_for(source, out, size=4):
    (out / "shards").mkdir(parents=True, exist_ok=True)
    return plan_jobs(source.items(), out=out, atlas=TOY, cleaning=CONFIG, size=size)


def write(source, out, **settings):
    jobs = jobs_for(source, out)
    run_jobs(source, jobs, **settings)
    assemble(out, len(jobs))
    return tree(out)


@pytest.mark.parametrize(
    ("recordings", "sizes"),
    [(1, [1]), (32, [32]), (33, [32, 1]), (512 * 32, [32] * 512), (512 * 32 + 1, [33] * 496 + [17])],
)
def test_the_work_list_is_cut_into_shards_of_32_or_as_many_as_keep_it_to_512(tmp_path, recordings, sizes):
    items = scripted(1).items() * recordings
    jobs = plan_jobs(items, out=tmp_path, atlas=TOY, cleaning=CONFIG)
    assert [len(job.items) for job in jobs] == sizes
    assert [job.number for job in jobs] == list(range(1, len(sizes) + 1))


def test_one_bad_recording_is_listed_with_its_reason_and_stops_nothing(tmp_path):
    hole = noise(2)
    hole[7, 3] = np.nan
    bad = {
        "sub-x1_a": DataError("the file has\tno\nseries."),
        "x2": OSError("stale handle"),
        "x3": ValueError("cannot reshape"),
        "x4": EOFError("cut off"),
        "x5": noise(3, rois=4),
        "x6": noise(4, frames=3),
        "x7": np.ones((60, ROIS)),
        "x8": hole,
        "x9": (2000.0, noise(5)),
    }
    source = scripted(2, **bad)
    files = write(source, tmp_path)
    header, *lines = files["excluded.tsv"].decode().splitlines()
    rows = [dict(zip(header.split("\t"), line.split("\t"), strict=True)) for line in lines]
    reasons = [row["reason"] for row in rows]
    beginnings = [
        r"the file has\tno\nseries.",
        "somewhere/x2 could not be read (OSError: stale handle).",
        "somewhere/x3 could not be read (ValueError: cannot reshape).",
        "somewhere/x4 could not be read (EOFError: cut off).",
        "wrong number of ROIs: the recording has 4, the atlas 6.",
        "too short: 3 frames",
        "flat: all 6 ROIs",
        "not finite: ROI 3 (d) is nan at frame 7",
        "somewhere/x9: the repetition time is 2000 s",
    ]
    assert [reason[: len(start)] for reason, start in zip(reasons, beginnings, strict=True)] == beginnings
    assert [row["recording_id"] for row in rows] == list(bad)
    assert (rows[0]["participant_id"], rows[0]["source_file"]) == ("x1", "somewhere/sub-x1_a")
    assert len(files["recordings.tsv"].decode().splitlines()) == 1 + 2


@pytest.mark.parametrize("error", [TypeError("a bug"), KeyError("a bug"), ConfigError("a bug")])
def test_a_programming_error_or_a_wrong_setting_is_not_taken_for_a_bad_recording(tmp_path, error):
    with pytest.raises(type(error), match="a bug"):
        write(scripted(1, x=error), tmp_path)


def test_progress_counts_recordings_and_starts_from_what_is_done(tmp_path):
    source, calls = scripted(10), []
    jobs = jobs_for(source, tmp_path)
    write_shard(source, jobs[0])
    run_jobs(source, jobs, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(4, 10), (8, 10), (10, 10)]


def test_a_shard_without_one_usable_recording_is_empty_and_finished(tmp_path):
    source = scripted(0, x=noise(1, 3), y=noise(2, 3))
    (job,) = jobs_for(source, tmp_path)
    assert write_shard(source, job) == 2
    assert is_finished(job)
    assert np.load(tmp_path / "shards" / "000001.npy").shape == (0, ROIS)
    assert np.load(tmp_path / "shards" / "000001.moments.npy").shape == (0, 2, ROIS)


@pytest.mark.parametrize(
    ("tr", "config"),
    [
        (2.0, CleaningConfig(band=None)),
        (2.0, CONFIG),
        (0.8, CONFIG),
        (0.8, CleaningConfig(already_filtered=True)),
        (1.5, CleaningConfig(target_tr=None)),
    ],
)
def test_moments_are_what_gives_the_series_before_its_z_score_back(tmp_path, tr, config):
    series = noise(3, 200)
    series[:, 4] = np.nan
    source = scripted(0, x=(tr, series))
    (tmp_path / "shards").mkdir()
    (job,) = plan_jobs(source.items(), out=tmp_path, atlas=TOY, cleaning=config)
    write_shard(source, job)
    ((mean, spread),) = np.load(tmp_path / "shards" / "000001.moments.npy")
    present = series[:, [0, 1, 2, 3, 5]].astype(float)
    np.testing.assert_allclose(mean, [*present.mean(axis=0)[:4], np.nan, present.mean(axis=0)[4]], rtol=1e-6)
    before = present
    if config.filter_band:
        before = band_pass(present, tr, config.filter_band, config.order)
    elif tr < 1:
        before = low_pass_for(present, tr, 2.0)
    before = resample(before, tr, config.target_tr or tr)
    np.testing.assert_allclose(np.delete(spread, 4), before.std(axis=0), rtol=1e-6)
    assert np.isnan(spread[4])
    scored = np.delete(np.load(tmp_path / "shards" / "000001.npy"), 4, axis=1)
    np.testing.assert_allclose(scored * np.delete(spread, 4), before - before.mean(axis=0), atol=2e-3)


def test_only_what_is_lost_or_damaged_is_written_again(tmp_path):
    source = scripted(40)
    before = write(source, tmp_path)
    shards = tmp_path / "shards"
    (shards / "000001.tsv").unlink()
    (shards / "000002.npy").unlink()
    os.truncate(shards / "000003.npy", 500)
    (shards / "000004.tsv").write_text("")
    np.save(shards / "000005.npy", np.load(shards / "000005.npy")[:-1])
    (shards / "000006.moments.npy").unlink()
    np.save(shards / "000007.moments.npy", np.load(shards / "000007.moments.npy")[:-1])
    (shards / "000008.full.npy").unlink()
    np.save(shards / "000009.full.npy", np.load(shards / "000009.full.npy")[:-1])
    times = {file.name: file.stat().st_mtime_ns for file in shards.iterdir()}
    assert [is_finished(job) for job in jobs_for(source, tmp_path)] == [False] * 9 + [True]
    assert write(source, tmp_path) == before
    untouched = {file.name for file in shards.iterdir() if times.get(file.name) == file.stat().st_mtime_ns}
    assert untouched == {f"000010.{end}" for end in ENDINGS}


def test_a_finished_shard_of_other_recordings_does_not_count(tmp_path):
    write(scripted(4), tmp_path)
    (job,) = jobs_for(scripted(3, zz=noise(1)), tmp_path)
    assert not is_finished(job)


@pytest.mark.slow
def test_stopped_before_any_of_its_renamings_it_ends_with_the_same_files(tmp_path, monkeypatch):
    source = scripted(9, zz=noise(1, 3))
    undisturbed, replace = write(source, tmp_path / "undisturbed"), os.replace

    class Killed(BaseException):
        pass

    for stop in range(len(undisturbed)):
        count = iter(range(100))

        def dying(old, new, count=count, stop=stop):
            if next(count) == stop:
                raise Killed
            replace(old, new)

        out = tmp_path / str(stop)
        monkeypatch.setattr(durable.os, "replace", dying)
        with pytest.raises(Killed):
            write(source, out)
        monkeypatch.setattr(durable.os, "replace", replace)
        assert not (out / "recordings.tsv").exists()
        durable.clear_temporary(out)
        durable.clear_temporary(out / "shards")
        assert write(source, out) == undisturbed


def test_the_source_travels_to_processes_packed_and_is_unpacked_once(monkeypatch):
    packed = pickle.dumps(scripted(3))
    assert writer._unpacked(packed) is writer._unpacked(packed)
    assert writer._unpacked(packed).items() == scripted(3).items()


KILLER = """
import os, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from scripted import TOY, noise, scripted
from semantoks.signals.prepare import prepare

def run(out):
    prepare(Path(sys.argv[2]), out=out, atlas=TOY, tr=2.0)

folder = Path(sys.argv[3])
run(folder / "warm")  # imports what is imported where it is used
begun = time.perf_counter()
run(folder / "undisturbed")
length = time.perf_counter() - begun
died = 0
for number, moment in enumerate(sys.argv[4:]):
    out = folder / f"killed{number}"
    child = os.fork()
    if child == 0:
        run(out)
        os._exit(0)
    time.sleep(float(moment) * length)
    os.kill(child, signal.SIGKILL)
    died += os.WIFSIGNALED(os.waitpid(child, 0)[1]) and not (out / "recordings.tsv").exists()
    run(out)
print(died)
"""


@pytest.mark.slow
def test_killed_with_sigkill_at_random_moments_and_run_again_it_ends_with_the_same_cohort(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for number in range(100):
        np.save(source / f"sub-{number:03d}_task-rest_timeseries.npy", noise(number, 30 + number % 50))
    np.save(source / "sub-900_task-rest_timeseries.npy", noise(0, 5))
    moments = [str(random.Random(7).uniform(0, 0.2) + 0.2 * k) for k in range(5)]
    command = [sys.executable, "-c", KILLER, str(Path(__file__).parent), str(source), str(tmp_path), *moments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 2, "the kills came too late to interrupt anything"
    undisturbed = tree(tmp_path / "undisturbed")
    assert len(undisturbed) == len(ENDINGS) * 4 + 7
    for number in range(len(moments)):
        assert tree(tmp_path / f"killed{number}") == undisturbed


@pytest.mark.slow
def test_two_processes_that_prepare_into_one_folder_do_not_disturb_each_other(tmp_path):
    source = scripted(24)
    expected = write(source, tmp_path / "alone")
    out = tmp_path / "both"
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\nfrom scripted import scripted\nfrom test_writer import write\n"
        "print('ready', flush=True); input(); write(scripted(24), Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(out)]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.close()
    for process in both:
        with process:
            assert process.wait(timeout=60) == 0
    assert tree(out) == expected
