import dataclasses
import re
from collections.abc import Sequence

import pytest

from semantoks.reporting.content import Beside, Block, Bullets, Figures, Folded, Table, Words
from semantoks.reporting.run.answer import adds_sentence, answer, fc_sentence, headline, optimism, reached
from semantoks.reporting.run.evaluation import Compared, Evaluation
from semantoks.reporting.run.folder import RunFolder
from semantoks.reporting.wording import interval, p_value, score

pytestmark = pytest.mark.slow

NAN = float("nan")
ROW = Compared(
    metric="auroc",
    mean=0.7,
    sd=0.02,
    splits=25,
    low=0.65,
    high=0.75,
    diff=-0.05,
    diff_low=-0.09,
    diff_high=-0.01,
    p_holm=0.012,
    p_equal=NAN,
    null_mean=0.68,
    p_null=0.001,
    optimism=0.01,
    verdict="lower",
    reached_by=(),
)


@pytest.fixture(scope="module")
def probe(whole: RunFolder) -> Evaluation:
    assert whole.probe is not None
    return whole.probe


def said(**verdicts: str) -> dict[str, dict[str, Compared]]:
    return {target: {"encoder": dataclasses.replace(ROW, verdict=verdict)} for target, verdict in verdicts.items()}


def test_the_headline_says_direction_and_size_and_never_that_both_are_equal() -> None:
    found = said(sex="lower", age="lower", sequence="higher", dx="undecided", iq="")
    assert headline(found, "encoder") == (
        "Of 5 targets, the encoder scores higher than functional connectivity on sequence (−0.050), scores lower than "
        "it on sex (−0.050) and age (−0.050), is neither clearly above nor below it on dx (−0.050) and cannot be "
        "compared with it on iq."
    )
    assert headline({"dx": {"finetuned": ROW}}, "finetuned") == (
        "Of 1 target, the fine-tuned encoder scores lower than functional connectivity on dx (−0.050)."
    )
    assert headline({"dx": {}}, "encoder") == (
        "Of 1 target, the encoder cannot be compared with functional connectivity on dx."
    )


def unfolded(parts: Sequence[Block]) -> list[Block]:
    inner = [one for part in parts if isinstance(part, Folded) for one in unfolded(part.blocks)]
    inner += [one for part in parts if isinstance(part, Beside) for one in unfolded([*part.left, *part.right])]
    return [*parts, *inner]


def test_what_reaches_the_scores_without_a_brain_stands_in_the_headline() -> None:
    rows = {
        "encoder": dataclasses.replace(ROW, reached_by=("motion", "random_weights")),
        "fc": dataclasses.replace(ROW, reached_by=("motion",)),
    }
    assert reached({"dx": rows}, "encoder") == (
        "On dx, the encoder's score or FC's is also reached without brain signals (by motion) and without training (by "
        "random weights)."
    )
    assert reached({"dx": {"encoder": ROW, "fc": ROW}}, "encoder") == ""


def test_one_row_per_target_has_the_bars_the_verdict_and_what_confounds_leave(probe: Evaluation) -> None:
    table = next(part for part in answer(probe) if isinstance(part, Table))
    assert table.answers
    assert [row[0].text for row in table.rows] == probe.targets()
    for target, row in zip(probe.targets(), table.rows, strict=True):
        found, left = probe.compared(target), probe.compared(target, "deconfounded")
        assert row[1].drawing is not None
        assert row[1].drawing.alt.startswith(f"Dot plot, {target}: ")
        for name, method in (
            ("encoder", "encoder"),
            ("FC", "fc"),
            ("tangent FC", "fc_tangent"),
            ("random weights", "random_weights"),
            ("motion", "motion"),
        ):
            mean = f"{round(found[method].mean, 3):g}".replace("-", "−")
            assert f"{name}: {mean} (" in row[1].drawing.alt
        assert row[2].verdict == found["encoder"].verdict
        assert p_value(found["encoder"].p_holm) in row[2].notes[0]
        hard = probe.compared(target, bar="fc_tangent")
        assert row[3].verdict == hard["encoder"].verdict
        assert p_value(hard["encoder"].p_holm) in row[3].notes[0]
        assert score(hard["tangent+encoder"].diff, hard["encoder"].metric, sign=True) in row[3].notes[-1]
        assert all(
            score(found[m].mean, found[m].metric) in " ".join(row[2].notes)
            for m in (*found["encoder"].reached_by, *found["fc"].reached_by)
        )
        one = left.get("encoder")
        assert row[4].text == (score(one.mean, one.metric) if one else "not run")
        bars = [left[m] for m in ("fc", "fc_tangent")] if one else []
        assert len(row[4].notes) == len(bars)
        assert all(score(bar.mean, bar.metric) in note for bar, note in zip(bars, row[4].notes, strict=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {},
            "The encoder scores lower than FC: difference in AUROC −0.050 "
            "(95\u00a0% interval −0.090 to −0.010; p\u00a0=\u00a00.012).",
        ),
        (
            {"verdict": "higher", "diff": 0.2, "diff_low": NAN, "p_holm": 0.0},
            "The encoder scores higher than FC: difference in AUROC +0.200 (p\u00a0<\u00a00.001).",
        ),
        (
            {"verdict": "undecided", "p_holm": NAN},
            "No test: difference in AUROC −0.050 "
            "(95\u00a0% interval −0.090 to −0.010); a test needs predictions from at least two splits.",
        ),
        (
            {"verdict": "undecided", "p_holm": 0.121, "p_equal": 0.4},
            "Undecided whether the encoder scores higher or lower than FC: difference in AUROC −0.050 "
            "(95\u00a0% interval −0.090 to −0.010; p\u00a0=\u00a00.121). "
            "Not shown to be as good as FC, within the equivalence bound (p\u00a0=\u00a00.400).",
        ),
        ({"verdict": ""}, "No comparison: the encoder and FC were not scored on the same splits."),
    ],
)
def test_the_answer_for_a_target_is_a_sentence(change: dict[str, object], words: str) -> None:
    assert fc_sentence({"encoder": dataclasses.replace(ROW, **change)}, "encoder") == words


def test_whether_the_encoder_adds_to_fc_is_said() -> None:
    assert adds_sentence({"fc+encoder": ROW}).startswith("No, both together score lower: −0.050")
    assert adds_sentence({"encoder": ROW}) == "No comparison: FC + encoder and FC were not scored on the same splits."
    assert adds_sentence({"tangent+encoder": ROW}, "fc_tangent").startswith("No, both together score lower: −0.050")


def test_tangent_fc_is_the_second_bar_of_the_headline_where_it_was_run(probe: Evaluation) -> None:
    assert headline(said(sex="lower", age="undecided"), "encoder", "fc_tangent") == (
        "It scores lower than tangent FC on sex (−0.050) and is neither clearly above nor below it on age (−0.050)."
    )
    loud, table, *_ = answer(probe)
    assert isinstance(loud, Words)
    assert isinstance(table, Table)
    assert " It " in loud.text
    assert "tangent FC" in loud.text
    assert table.columns == ("Target", "Scores", "vs FC", "vs tangent FC", "Without confounds")
    without = dataclasses.replace(probe, summary=probe.summary.assign(tangent_verdict=""))
    loud, table, *_ = answer(without)
    assert isinstance(loud, Words)
    assert isinstance(table, Table)
    assert "tangent FC" not in loud.text
    assert "vs tangent FC" not in table.columns


def test_the_overview_shows_the_summary_s_numbers(probe: Evaluation) -> None:
    table, hard = (part for part in unfolded(answer(probe)) if isinstance(part, Table) and not part.answers)
    assert [row[0].text for row in table.rows] == probe.targets()
    for target, row in zip(probe.targets(), hard.rows, strict=True):
        found = probe.compared(target, bar="fc_tangent")
        assert (row[1].verdict, row[1].under) == (found["encoder"].verdict, p_value(found["encoder"].p_holm))
        assert row[2].text == score(found["encoder"].diff, found["encoder"].metric, sign=True)
        assert row[4].text == score(found["fc_tangent"].mean, found["encoder"].metric)
        assert row[5].verdict == found["tangent+encoder"].verdict
    for target, row in zip(probe.targets(), table.rows, strict=True):
        found = probe.compared(target)
        encoder, both = found["encoder"], found["fc+encoder"]
        assert (row[1].verdict, row[1].under) == (encoder.verdict, p_value(encoder.p_holm))
        assert row[2].text == score(encoder.diff, encoder.metric, sign=True)
        assert row[2].under == interval(encoder.diff_low, encoder.diff_high, encoder.metric, sign=True)
        for place, method in ((3, "encoder"), (4, "fc"), (6, "random_weights"), (7, "motion")):
            assert row[place].text == score(found[method].mean, encoder.metric)
            assert row[place].under == interval(found[method].low, found[method].high, encoder.metric)
        assert row[5].verdict == both.verdict
        assert row[5].under == f"{score(both.mean, both.metric)}; {p_value(both.p_holm)}"


def test_there_is_a_sentence_and_a_row_of_the_figure_for_each_target(probe: Evaluation) -> None:
    loud, *rest = answer(probe)
    assert isinstance(loud, Words)
    assert loud.tone == "loud"
    bullets = next(part for part in unfolded(rest) if isinstance(part, Bullets))
    figures = next(part for part in unfolded(rest) if isinstance(part, Figures))
    assert [item.lead for item in bullets.items] == [f"{target}: " for target in probe.targets()]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", figures.figures[0].drawing.svg)
    assert {*probe.targets(), "encoder", "FC + encoder", "difference in score (dashed: FC = 0)"} <= set(texts)


def test_what_was_not_run_is_called_that(probe: Evaluation) -> None:
    left = probe.summary[probe.summary["method"].isin(["encoder", "motion"])]
    left = left.assign(verdict="", tangent_verdict="", diff=NAN)
    parts = unfolded(answer(dataclasses.replace(probe, summary=left)))
    (table,) = (part for part in parts if isinstance(part, Table) and not part.answers)
    assert [table.rows[0][place].text for place in (4, 6)] == ["not run", "not run"]
    assert table.rows[0][1].verdict == "not compared"
    assert not any(isinstance(part, Figures) for part in parts)


def test_the_largest_gain_of_peeking_is_named(probe: Evaluation) -> None:
    words, table = (part for part in unfolded(optimism(probe)) if not isinstance(part, Folded))
    gains = probe.summary[probe.summary["analysis"] == "main"].set_index(["target", "method"])["optimism"]
    assert isinstance(words, Words)
    assert f"up to {score(gains.max(), 'r')} " in words.text
    assert isinstance(table, Table)
    by_method = {row[0].text: row for row in table.rows}
    assert by_method["encoder"][1].text == score(float(gains["sex", "encoder"]), "r", sign=True)
    unknown = dataclasses.replace(probe, summary=probe.summary.assign(optimism=NAN))
    assert optimism(unknown) == [Words("What peeking would have gained is not recorded.")]
