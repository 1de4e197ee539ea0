"""The series without a band-pass beside those with it: what is in them, that they last, and that none is made up."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scripted import ROIS, TOY, ScriptedSource, noise, scripted, tree

from semantoks.cli.main import run
from semantoks.errors import ConfigError, DataError
from semantoks.signals.clean import CleaningConfig, band_pass, clean, detrend, full_band, zscore
from semantoks.signals.cohort import Cohort
from semantoks.signals.part import Part
from semantoks.signals.prepare import prepare
from semantoks.signals.quality import GateConfig
from semantoks.signals.recording import Recording

ALL = np.ones(600, dtype=bool)


def tone(hz, tr, frames=600):
    return np.sin(2 * np.pi * hz * tr * np.arange(frames))[:, None]


def power_at(series, hz, tr=2.0):
    """Amplitude of a tone, without the ends."""
    inside = series[30:-30, 0]
    return 2 * abs(np.exp(-2j * np.pi * hz * tr * np.arange(len(inside))) @ inside) / len(inside)


@dataclass(frozen=True)
class PartlyFiltered(ScriptedSource):
    """Recordings called f... came band-passed."""

    def read(self, item):
        one = super().read(item)
        band = (0.01, 0.08) if item.key.startswith("f") else None
        return Recording(series=one.series, tr=one.tr, participant=one.participant, band=band, source=one.source)


def test_a_line_is_removed_as_the_good_frames_have_it_whatever_the_others_are():
    good = np.ones(100, dtype=bool)
    good[[0, 40, 41]] = False
    line = 7 - 0.3 * np.arange(100.0)[:, None] * [1, 2]
    line[~good] = 1e6
    np.testing.assert_allclose(detrend(line, good)[good], 0, atol=1e-9)
    np.testing.assert_allclose(detrend(line[:3], np.array([False, True, False]))[1], 0, atol=1e-9)


def test_at_its_own_tr_the_full_band_is_the_recording_without_its_line():
    raw = noise(1, 90) + 0.1 * np.arange(90)[:, None]
    cleaned = clean(raw, 2.0, CleaningConfig())
    x = np.column_stack([np.ones(90), np.arange(90)])
    expected = raw - x @ np.linalg.lstsq(x, raw, rcond=None)[0]
    np.testing.assert_allclose(cleaned.full, expected / expected.std(axis=0), atol=1e-5)
    np.testing.assert_array_equal(cleaned.series, clean(raw, 2.0, CleaningConfig(full_band=False)).series)


@pytest.mark.parametrize(("hz", "alias"), [(0.3, 0.2), (0.45, 0.05), (0.6, 0.1)])
def test_what_the_longer_tr_cannot_hold_does_not_fold_back(hz, alias):
    assert power_at(full_band(tone(hz, 0.735), 0.735, 2.0, ALL), alias) < 2e-3
    assert power_at(full_band(tone(0.18, 0.735), 0.735, 2.0, ALL), 0.18) == pytest.approx(1, abs=0.03)


def test_a_shorter_tr_brings_nothing_above_what_the_recording_could_hold():
    found = full_band(tone(0.12, 3.0), 3.0, 2.0, ALL)
    assert power_at(found, 0.12) == pytest.approx(1, abs=0.15)
    assert power_at(found, 1 / 3 - 0.12) < 2e-3


def test_censored_frames_are_bridged_and_long_gaps_are_zero_in_both_bands():
    raw, good = noise(2, 120), np.ones(120, dtype=bool)
    good[[30, 31, *range(60, 80)]] = False
    raw[~good] = np.nan
    cleaned = clean(raw, 2.0, CleaningConfig(), good=good)
    assert (cleaned.full[60:80] == 0).all()
    assert np.isfinite(cleaned.full).all()
    np.testing.assert_allclose(cleaned.full[cleaned.good].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(cleaned.full[cleaned.good].std(axis=0), 1, atol=1e-5)


def test_half_precision_changes_a_correlation_by_less_than_a_thousandth():
    full = clean(noise(3, 150), 2.0, CleaningConfig()).full
    stored = full.astype(np.float16).astype(float)
    assert np.abs(np.corrcoef(stored.T) - np.corrcoef(full.T)).max() < 1e-3


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("full") / "cohort"
    holes = noise(98)
    holes[:, 2] = np.nan
    return prepare(scripted(40, q_holes=holes, r_short=noise(99, 5)), out=out, atlas=TOY).path


def test_one_cohort_gives_both_bands_of_every_recording(made):
    cohort = Cohort(made)
    full = cohort.in_band("full")
    assert cohort.has_full_band
    assert (cohort.band, full.band, full.in_band("passed").band) == ("passed", "full", "passed")
    assert (cohort.description["Band"], full.description["Band"]) == ([0.01, 0.1], None)
    for index in (0, 31, 32, 39):
        expected = clean(noise(index, 40 + index % 7), 2.0, CleaningConfig())
        np.testing.assert_array_equal(cohort.series(index), expected.series.astype(np.float16))
        np.testing.assert_array_equal(full.series(index), expected.full.astype(np.float16))
    assert np.shares_memory(full.series(0), full.shards[0])
    assert full.recordings is cohort.recordings
    assert (full.series(40)[:, 2] == 0).all()
    assert full.checksums == cohort.recordings["full_sha256"].tolist() != cohort.checksums
    assert "full band" in repr(full)


def test_a_part_of_a_cohort_has_both_bands_too(made):
    cohort = Cohort(made)
    people = [cohort.recordings["participant_id"][row] for row in (3, 9)]
    part, full = Part(cohort, people=people), Part(cohort, people=people).in_band("full")
    whole = cohort.in_band("full")
    assert (full.band, full.description["Band"], full.in_band("passed").band) == ("full", None, "passed")
    assert full.recordings["participant_id"].tolist() == people
    for row, there in ((0, 3), (1, 9)):
        np.testing.assert_array_equal(full.series(row), whole.series(there))
        assert full.checksums[row] == whole.checksums[there] != part.checksums[row]


def test_without_it_the_cohort_has_the_bytes_it_had_before(made, tmp_path):
    cleaning = CleaningConfig(full_band=False)
    holes = noise(98)
    holes[:, 2] = np.nan
    source = scripted(40, q_holes=holes, r_short=noise(99, 5))
    without = tree(prepare(source, out=tmp_path / "out", atlas=TOY, cleaning=cleaning).path)
    kept = tree(made)
    for name in kept:
        if name.endswith(".npy") and ".full." not in name:
            assert kept[name] == without[name]
    assert not [name for name in without if ".full." in name]
    with pytest.raises(
        DataError, match=r"was prepared with --no-full-band: prepare the source again, into another fold"
    ):
        Cohort(tmp_path / "out").in_band("full")


def test_verify_names_what_changed_in_the_full_band_alone(made, tmp_path):
    folder = shutil.copytree(made, tmp_path / "c")
    file = folder / "shards" / "000002.full.npy"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    (problem,) = Cohort(folder).verify()
    assert "q_holes in 000002.full.npy does not match its checksum" in problem
    np.save(file, np.load(file)[:-1])
    assert "000002.full.npy holds" in Cohort(folder).verify()[0]
    with pytest.raises(DataError, match=r"000002\.full\.npy holds \d+ frames, but 000002\.npy"):
        _ = Cohort(folder).in_band("full").shards
    file.unlink()
    assert "000002.full.npy cannot be opened" in Cohort(folder).verify()[0]


def test_what_came_band_passed_has_no_full_band_and_none_is_made_up(tmp_path, capsys):
    series = {"a": noise(1), "f": noise(2), "g": noise(3)}
    cohort = prepare(PartlyFiltered(Path("s"), series), out=tmp_path / "some", atlas=TOY)
    assert (cohort.recordings["full_sha256"] == "").tolist() == [False, True, False]
    assert (np.load(tmp_path / "some" / "shards" / "000001.full.npy")[60:120] == 0).all()
    assert cohort.verify() == []
    with pytest.raises(DataError, match="1 of its 3 recordings came band-passed, or look so, and what a filter took"):
        cohort.in_band("full")
    assert run(["info", str(tmp_path / "some")]) == 0
    assert (
        "the full band is kept of 2 of 3 recordings: the others came band-passed, or look so" in capsys.readouterr().out
    )
    none = prepare(PartlyFiltered(Path("s"), {"f": noise(2)}), out=tmp_path / "none", atlas=TOY)
    assert not (tmp_path / "none" / "shards" / "000001.full.npy").exists()
    assert none.verify() == []


@pytest.mark.parametrize(
    ("cleaning", "why"),
    [
        (CleaningConfig(already_filtered=True), "came band-passed (--already-filtered)"),
        (CleaningConfig(band=None), "its series were not band-passed, and there are no others"),
    ],
)
def test_without_a_band_pass_of_ours_there_is_one_series(tmp_path, cleaning, why):
    cohort = prepare(scripted(2), out=tmp_path / "out", atlas=TOY, cleaning=cleaning)
    assert not list(tmp_path.glob("out/shards/*.full.npy"))
    with pytest.raises(DataError) as refused:
        cohort.in_band("full")
    assert why in str(refused.value)


def test_a_recording_that_was_filtered_without_a_word_shows_it_by_its_spectrum(tmp_path):
    silent = 100 + band_pass(noise(2, 200).astype(float), 2.0, (0.01, 0.1))
    source = scripted(0, a=noise(1, 200), f=silent.astype(np.float32))
    cohort = prepare(source, out=tmp_path / "out", atlas=TOY)
    assert (cohort.recordings["full_sha256"] == "").tolist() == [False, True]
    gated = prepare(source, out=tmp_path / "gated", atlas=TOY, gates=GateConfig(full_band=True))
    assert gated.excluded["participant_id"].tolist() == ["f"]


def test_a_band_that_there_is_not_is_refused(made):
    with pytest.raises(ConfigError, match="one of passed, full, not 'ful'"):
        Cohort.in_band.__wrapped__(Cohort(made), "ful")


def test_a_gate_lets_in_only_what_has_the_full_band(tmp_path):
    source = PartlyFiltered(Path("s"), {"a": noise(1), "f": noise(2)})
    cohort = prepare(source, out=tmp_path / "out", atlas=TOY, gates=GateConfig(full_band=True))
    assert cohort.has_full_band
    assert cohort.excluded["reason"].tolist() == [
        "band-passed: it came filtered, and the full band, which is asked for, cannot come back."
    ]


def as_an_earlier_version_wrote_it(folder):
    """Take away what the full band added."""
    file = folder / "dataset_description.json"
    told = json.loads(file.read_text())
    del told["FullBand"]
    file.write_text(json.dumps(told))
    for table in [*folder.glob("shards/*[0-9].tsv"), *folder.glob("recordings.tsv")]:
        rows = pd.read_csv(table, sep="\t", dtype=str, keep_default_na=False)
        rows.drop(columns="full_sha256").to_csv(table, sep="\t", index=False)
    for newer in (*folder.glob("shards/*.full.npy"), folder / "SHA256SUMS"):
        newer.unlink()


def test_a_finished_cohort_of_an_earlier_version_opens_verifies_and_stays_as_it_is(tmp_path, capsys):
    out = prepare(scripted(3), out=tmp_path / "out", atlas=TOY).path
    as_an_earlier_version_wrote_it(out)
    before = tree(out)
    cohort = prepare(scripted(3), out=out, atlas=TOY)
    assert tree(out) == before
    assert cohort.verify() == []
    assert not cohort.has_full_band
    with pytest.raises(
        DataError, match="an earlier version prepared it: prepare the source again, into another folder"
    ):
        cohort.in_band("full")
    assert run(["info", str(out)]) == 0
    assert "0.01 to 0.1 Hz; the full band is not kept (by an earlier version)" in capsys.readouterr().out


def test_an_unfinished_one_is_finished_as_it_was_begun_by_the_option_that_the_refusal_names(tmp_path):
    out = prepare(scripted(40), out=tmp_path / "out", atlas=TOY).path
    as_an_earlier_version_wrote_it(out)
    (out / "recordings.tsv").unlink()
    (out / "shards" / "000002.tsv").unlink()
    with pytest.raises(ConfigError, match=r"FullBand is False there, True now.*--no-full-band"):
        prepare(scripted(40), out=out, atlas=TOY)
    cohort = prepare(scripted(40), out=out, atlas=TOY, cleaning=CleaningConfig(full_band=False))
    assert cohort.verify() == []
    assert not list(out.glob("shards/*.full.npy"))


def test_the_command_keeps_both_unless_told_otherwise(tmp_path, capsys):
    raw = tmp_path / "raw"
    raw.mkdir()
    np.save(raw / "sub-1_timeseries.npy", noise(1))
    TOY.to_frame().to_csv(tmp_path / "toy.tsv", sep="\t", index=False)
    words = ["prepare", str(raw), "--atlas", str(tmp_path / "toy.tsv"), "--tr", "2"]
    assert run([*words, "--out", str(tmp_path / "both")]) == 0
    assert "0.01 to 0.1 Hz; the full band is kept, too" in capsys.readouterr().out
    assert run([*words, "--out", str(tmp_path / "one"), "--no-full-band"]) == 0
    assert "the full band is not kept (as asked)" in capsys.readouterr().out
    full = Cohort(tmp_path / "both").in_band("full").series(0).astype(float)
    np.testing.assert_allclose(full, zscore(detrend(noise(1).astype(float), np.ones(60, bool))), atol=5e-3)
    assert full.shape == (60, ROIS)
