"""The encoder in the box as a baseline: its rows are the embeddings, and other atlases have none."""

import numpy as np
import pandas as pd
import pytest

from semantoks import CleaningConfig, ProbeConfig, embed, get_atlas, prepare, probe, recordings_from_arrays
from semantoks.atlas.atlas import join
from semantoks.evaluate.baselines.boxed import encoder_in_the_box
from semantoks.signals.sources.memory import MemorySource
from tiny_people import shown

MIST = get_atlas("mist122")
WIDE = join("mist122+buckner7", get_atlas("buckner7"), MIST)


def people_with(atlas, folder, people=3, lacking=()):
    rng = np.random.default_rng(0)
    series = [rng.normal(size=(60, atlas.n_rois)).cumsum(axis=0) for _ in range(people)]
    series[-1][:, list(lacking)] = np.nan
    recordings = recordings_from_arrays(series, tr=2.0, atlas=atlas)
    return prepare(MemorySource(recordings, atlas=atlas), out=folder, atlas=atlas, cleaning=CleaningConfig(band=None))


def test_its_rows_are_the_embeddings_whatever_else_the_atlas_has(tmp_path):
    cohort = people_with(WIDE, tmp_path / "cohort", lacking=(3, 20, 90))
    expected = embed(cohort).filter(like="avg_").to_numpy()
    np.testing.assert_allclose(encoder_in_the_box(shown(cohort)), expected, atol=1e-4)


def test_a_cohort_of_an_atlas_that_the_box_lacks_has_no_such_row(cohort):
    assert encoder_in_the_box(shown(cohort)) is None


@pytest.mark.slow
def test_it_is_probed_by_name_on_the_rois_that_it_takes_and_stands_beside_others(tmp_path):
    cohort = people_with(WIDE, tmp_path / "cohort", people=24)
    table = pd.DataFrame({"participant_id": cohort.recordings["participant_id"], "age": np.arange(24) + 20.5})
    vars(cohort)["participants"] = table
    config = ProbeConfig(folds=2, repeats=1, methods=("box",), analyses=())
    summary = probe("mist122", cohort, targets=["age"], out=tmp_path / "probe", config=config).set_index("method")
    assert summary.loc["box", "mean"] == pytest.approx(summary.loc["encoder", "mean"], abs=1e-3)
    notes = (tmp_path / "probe" / "probe.json").read_text()
    assert "All methods see 122 of the 122 ROIs that the encoder takes (mist122:one); the cohort has 129" in notes
