import dataclasses
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from simulated_probe import NETWORKS

from semantoks.reporting.content import Block, Bullets, Card, Figure, Figures, Folded, Table, Words
from semantoks.reporting.run.amounts import learning_curves, reliability
from semantoks.reporting.run.confounds import confounds, decodable
from semantoks.reporting.run.evaluation import Evaluation
from semantoks.reporting.run.folder import Atlas, RunFolder
from semantoks.reporting.run.lengths import NOT_MEASURED, lengths
from semantoks.reporting.run.networks import MOST_BARS, networks
from semantoks.reporting.wording import mean_sd, score

pytestmark = pytest.mark.slow

Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture(scope="module")
def probe(whole: RunFolder) -> Evaluation:
    assert whole.probe is not None
    return whole.probe


def with_scores(probe: Evaluation, change: Change) -> Evaluation:
    return dataclasses.replace(probe, scores=change(probe.scores.copy()))


def unfolded(parts: Sequence[Block]) -> list[Block]:
    inner = [one for part in parts if isinstance(part, Folded) for one in unfolded(part.blocks)]
    return [*parts, *inner]


def figures_of(parts: Sequence[Block]) -> list[Figure]:
    parts = unfolded(parts)
    return [figure for part in parts if isinstance(part, Figures) for figure in part.figures]


def words_of(parts: Sequence[Block]) -> str:
    parts = unfolded(parts)
    said = [p.text for p in parts if isinstance(p, Words)]
    return " ".join([*said, *(f"{i.lead}{i.text}" for p in parts if isinstance(p, Bullets) for i in p.items)])


def tables_of(parts: Sequence[Block]) -> list[Table]:
    return [part for part in unfolded(parts) if isinstance(part, Table)]


def test_learning_curves_run_over_numbers_and_not_over_words(probe: Evaluation) -> None:
    def more(scores: pd.DataFrame) -> pd.DataFrame:
        extra = scores[scores["condition"] == "40"].assign(condition="100")
        return pd.concat([extra, scores], ignore_index=True)

    parts = learning_curves(with_scores(probe, more))
    table = tables_of(parts)[0]
    assert [row[0].text for row in table.rows] == ["10", "20", "40", "100"]
    assert table.columns == ("Labelled people", "encoder", "FC + encoder", "random weights", "FC")
    found = probe.over_splits("learning_curve", "20", "sex", "fc", "balanced_accuracy")
    assert found is not None
    assert table.rows[1][4].text == mean_sd(found.mean, found.sd, "balanced_accuracy")
    assert len(figures_of(parts)) == 4


def test_reliability_says_who_is_identified_with_the_most_data(probe: Evaluation) -> None:
    parts = reliability(probe)
    assert (
        "Of two halves of one recording, the easy case, from 5 minutes: encoder 73\u00a0%, random weights 46\u00a0% "
        "and FC 83\u00a0% of 30 people are re-identified." in words_of(parts)
    )
    assert len(figures_of(parts)) == 6
    first = next(part for part in parts if isinstance(part, Bullets)).items[0]
    assert first.lead == "Across sessions, from 5 minutes: "
    assert [row[0].text for row in tables_of(parts)[0].rows] == ["1", "2.5", "5"]
    cautious = dataclasses.replace(probe, about={"notes": ["Reliability is inflated.", "sex: something else"]})
    assert "Reliability is inflated." in words_of(reliability(cautious))
    assert "something else" not in words_of(reliability(cautious))


def test_a_confound_is_decodable_beyond_two_standard_deviations(probe: Evaluation) -> None:
    found = probe.over_splits("decode", "", "mean_fd", "encoder", "r")
    assert found is not None

    def shift(by: float) -> Evaluation:
        def change(scores: pd.DataFrame) -> pd.DataFrame:
            rows = (scores["analysis"] == "decode") & (scores["target"] == "mean_fd")
            scores.loc[rows, "r"] += by - found.mean
            return scores

        return with_scores(probe, change)

    assert decodable(shift(2.01 * found.sd), "mean_fd", "encoder")
    assert not decodable(shift(1.99 * found.sd), "mean_fd", "encoder")
    assert "mean framewise displacement (FD): can be decoded" in words_of(confounds(shift(3 * found.sd)))
    assert "mean framewise displacement (FD): is not decoded above chance" in words_of(confounds(shift(0.0)))


def test_a_score_that_falls_without_a_decodable_confound_is_called_that(probe: Evaluation) -> None:
    plain, left = (probe.compared("age", a)["encoder"] for a in ("main", "deconfounded"))
    assert plain.mean - left.mean > plain.sd
    change = f"from {score(plain.mean, 'r')} to {score(left.mean, 'r')}"
    said = words_of(confounds(probe))
    assert (
        f"age: the encoder falls {change} once confounds are regressed out, and its features also predict site" in said
    )
    matched = probe.compared("age", "motion_matched")["encoder"]
    assert f"among 45 motion-matched people it reaches {score(matched.mean, 'r')}." in said
    quiet = probe.summary.copy()
    rows = (quiet["analysis"] == "deconfounded") & (quiet["target"] == "age")
    quiet.loc[rows, "mean"] = plain.mean - 0.99 * plain.sd
    said = words_of(confounds(dataclasses.replace(probe, summary=quiet)))
    assert "age: regressing confounds out takes the encoder from" in said


def test_scores_with_and_without_confounds_stand_side_by_side(probe: Evaluation) -> None:
    parts = confounds(probe)
    table = next(t for t in tables_of(parts) if t.label == "Scores with and without confounds")
    assert table.columns == ("Target and method", "As it is", "Confounds removed", "Motion-matched")
    row = next(row for row in table.rows if row[0].text == "sex: FC")
    analyses = ("main", "deconfounded", "motion_matched")
    assert [c.text for c in row[1:]] == [score(probe.compared("sex", a)["fc"].mean, "r") for a in analyses]
    captions = [figure.caption for figure in figures_of(parts)]
    assert "Regressed out inside each training fold: mean framewise displacement (FD) and site." in captions


def test_small_p_of_the_partial_confounder_test_are_marked(probe: Evaluation) -> None:
    table = next(t for t in tables_of(confounds(probe)) if t.label == "Partial confounder test")
    assert table.columns == ("Predictions", "site", "mean framewise displacement (FD)")
    assert [cell.text for cell in table.rows[0]] == ["sex: encoder", "0.310", "0.003 *"]


def test_a_chance_that_is_not_known_is_not_made_up(probe: Evaluation) -> None:
    unknown = dataclasses.replace(probe, about={})
    said = words_of(confounds(unknown))
    assert "site: decoded; balanced accuracy encoder" in said
    assert "chance is not recorded" in said


def test_what_was_not_asked_is_a_sentence(probe: Evaluation) -> None:
    bare = with_scores(probe, lambda scores: scores[scores["analysis"] == "main"])
    bare = dataclasses.replace(bare, summary=probe.summary[probe.summary["analysis"] == "main"])
    for parts, words in (
        (learning_curves(bare), "No learning curves were computed."),
        (reliability(bare), "Reliability was not measured."),
        (networks(bare, None), "Single networks were not scored."),
        (confounds(bare), "Confounds were not decoded."),
        (confounds(bare), "No target was scored with confounds regressed out or with motion matched."),
        (confounds(bare), "The partial confounder test was not run."),
    ):
        assert words in words_of(parts)
        assert not figures_of(parts)


def test_networks_are_ranked_by_the_encoder_s_score(probe: Evaluation, whole: RunFolder) -> None:
    parts = networks(probe, whole.atlas)
    card = next(part for part in unfolded(parts) if isinstance(part, Card) and part.title == "sequence")
    bars, brain = figures_of(card.blocks)
    found = {n: probe.over_splits("network", n, "sequence", "encoder", "r") for n in NETWORKS}
    ranked = sorted(NETWORKS, key=lambda n: -found[n].mean)  # type: ignore[union-attr]
    assert [row[0].text for row in tables_of(card.blocks)[0].rows] == ranked
    assert re.findall(r"(\w+): encoder", bars.drawing.alt) == ranked
    assert [name for name in re.split(r"[ ,.:]+", brain.drawing.alt) if name in NETWORKS] == ranked
    assert "The coordinates of 2 of 70 ROIs are not known; they are not drawn on the brain." in words_of(parts)


def test_the_brain_is_drawn_only_where_places_are_known(probe: Evaluation) -> None:
    nowhere = Atlas(networks=NETWORKS, centroids=np.full((7, 3), np.nan))
    strange = Atlas(networks=("elsewhere",), centroids=np.zeros((1, 3)))
    for atlas, words in (
        (None, "No brain is drawn: the run's encoder has no coordinates of its ROIs."),
        (nowhere, "The coordinates of all ROIs are not known; they are not drawn on the brain."),
        (strange, ""),
    ):
        parts = networks(probe, atlas)
        assert words in words_of(parts)
        assert all(len(figures_of(part.blocks)) == 1 for part in unfolded(parts) if isinstance(part, Card))


def test_of_very_many_networks_the_best_are_drawn(probe: Evaluation) -> None:
    def many(scores: pd.DataFrame) -> pd.DataFrame:
        rows = scores[(scores["analysis"] == "network") & (scores["target"] == "sex") & (scores["condition"] == "Vis")]
        copies = [rows.assign(condition=f"net {n}", balanced_accuracy=0.5 + 0.01 * n) for n in range(30)]
        return pd.concat(copies, ignore_index=True)

    (card,) = (part for part in unfolded(networks(with_scores(probe, many), None)) if isinstance(part, Card))
    (bars,) = figures_of(card.blocks)
    assert (
        bars.caption
        == f"Mean over splits; thin lines: ± one standard deviation over splits. The best {MOST_BARS} of 30 networks."
    )
    assert re.findall(r"net (\d+): encoder", bars.drawing.alt) == [str(n) for n in range(29, 9, -1)]
    assert len(tables_of(card.blocks)[0].rows) == 30


def test_confounds_with_the_same_scores_are_drawn_once(probe: Evaluation) -> None:
    def twins(scores: pd.DataFrame) -> pd.DataFrame:
        copy = scores[(scores["analysis"] == "decode") & (scores["target"] == "site")]
        return pd.concat([scores, copy.assign(target="source_tr")], ignore_index=True)

    about = dict(probe.about)
    about["decoded"] = {**about["decoded"], "source_tr": about["decoded"]["site"]}
    one, two = probe, dataclasses.replace(with_scores(probe, twins), about=about)
    assert len(figures_of(confounds(two))) == len(figures_of(confounds(one)))
    assert "site = repetition time (TR): " in words_of(confounds(two))
    assert any("The same for site and repetition time (TR)." in f.caption for f in figures_of(confounds(two)))


def test_a_learning_curve_needs_three_sizes(probe: Evaluation) -> None:
    few = with_scores(probe, lambda scores: scores[scores["condition"] != "40"])
    parts = learning_curves(few)
    assert figures_of(parts) == []
    assert "fewer than 3 numbers of people, so there is a table but no curve." in words_of(parts)
    assert [row[0].text for row in tables_of(parts)[0].rows] == ["10", "20"]


def test_a_brain_whose_networks_differ_by_noise_is_not_shaded(probe: Evaluation, whole: RunFolder) -> None:
    def scored(step: float) -> Evaluation:
        def change(scores: pd.DataFrame) -> pd.DataFrame:
            rows = scores["analysis"] == "network"
            place = scores.loc[rows, "condition"].map(NETWORKS.index)
            noise = np.random.default_rng(1).normal(scale=0.02, size=int(rows.sum()))
            for name in ("balanced_accuracy", "r"):
                scores.loc[rows, name] = 0.6 + step * place + noise
            return scores

        return with_scores(probe, change)

    for step, said in ((0.0, True), (0.3, False)):
        parts = networks(scored(step), whole.atlas)
        assert ("The networks do not differ by more than noise" in words_of(parts)) is said
        card = next(part for part in unfolded(parts) if isinstance(part, Card))
        brain = figures_of(card.blocks)[1].drawing
        assert ("not shaded: the differences are within noise" in brain.alt) is said
        dots = set(re.findall(r"fill-opacity: ([\d.]+)|opacity: ([\d.]+)", brain.svg))
        assert (len(dots) < 5) is said, dots


def test_scores_over_seconds_are_drawn_and_listed_with_what_is_too_short(probe: Evaluation) -> None:
    noted = dataclasses.replace(
        probe, about={"notes": ["From 30, 60 s: one window.", "Not scored from 30 s: encoder."]}
    )
    parts = lengths(noted)
    assert len(figures_of(parts)) == 2
    assert "Not scored from 30 s: encoder." in words_of(parts)
    for target, table in zip(("sex", "age"), tables_of(parts), strict=True):
        assert table.columns == ("Method", "30 s", "60 s", "all")
        assert table.rows[0][0].text == "encoder"
        assert [row[0].text for row in table.rows[-4:]] == [
            *("encoder minus FC", "vs FC", "encoder minus tangent FC", "vs tangent FC"),
        ]
        assert table.rows[0][1].text == "too short"
        for column, condition in ((2, "60"), (3, "all")):
            one = probe.compared(target, "seconds", condition)["encoder"]
            hard = probe.compared(target, "seconds", condition, bar="fc_tangent")["encoder"]
            assert table.rows[0][column].text == score(one.mean, one.metric)
            assert table.rows[-4][column].text == score(one.diff, one.metric, sign=True)
            assert table.rows[-2][column].text == score(hard.diff, hard.metric, sign=True)
    without = probe.scores[probe.scores["analysis"] != "seconds"]
    (words,) = lengths(dataclasses.replace(probe, scores=without))
    assert isinstance(words, Words)
    assert words.text == NOT_MEASURED
