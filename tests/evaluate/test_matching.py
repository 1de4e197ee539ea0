"""Motion matching: what is kept, whole groups, the same splits, and when there is nothing to match."""

import numpy as np
import pytest

from semantoks.evaluate.analyses.matching import imbalance, match_motion
from semantoks.evaluate.study.splits import split_people
from semantoks.evaluate.study.tasks import Plan


def make_plan(labels, groups=None, folds=5):
    kind = "class" if labels.dtype.kind == "U" else "value"
    groups = np.arange(len(labels)) if groups is None else groups
    people = np.arange(len(labels)) * 2
    splits = split_people(labels, groups, kind=kind, folds=folds, repeats=2, seed=0)
    return Plan(target="dx", kind=kind, people=people, labels=labels, groups=groups, splits=tuple(splits))


def moved(plan, rng, by=1.0):
    """Log FD of everybody (twice as many as in the plan): the second class, or a higher value, moves more."""
    level = (plan.labels == np.unique(plan.labels)[-1]) * 1.0 if plan.kind == "class" else plan.labels
    log_fd = np.full(2 * len(plan.people), np.nan)
    log_fd[plan.people] = by * level + rng.normal(size=len(plan.people)) - 2
    return log_fd


def alone(plan):
    return np.arange(2 * len(plan.people))


def test_matched_classes_move_alike_and_keep_their_shares():
    rng = np.random.default_rng(0)
    plan = make_plan(np.where(rng.random(600) < 0.2, "patient", "control"))
    log_fd = moved(plan, rng)
    found = match_motion(plan, log_fd, alone(plan), seed=0)
    assert found.before == pytest.approx(1, abs=0.25)
    assert found.after < 0.15
    assert np.mean(found.plan.labels == "patient") == pytest.approx(np.mean(plan.labels == "patient"), abs=0.01)
    assert 250 < len(found.plan.people) < 550
    assert found.words == (
        f"dx: {len(found.plan.people)} of 600 people are matched for motion; the largest class difference "
        f"in log FD (in sd) is {found.before:.2f} in all people and {found.after:.2f} in these."
    )


def test_a_value_is_matched_by_its_terciles():
    rng = np.random.default_rng(0)
    plan = make_plan(rng.normal(size=900))
    found = match_motion(plan, moved(plan, rng, by=0.5), alone(plan), seed=0)
    assert found.before == pytest.approx(0.45, abs=0.07)
    assert found.after < 0.15
    assert "|r| with log FD is 0.4" in found.words


def test_everybody_stays_where_motion_tells_nothing():
    plan = make_plan(np.tile(["a", "b"], 100))
    log_fd = np.full(400, np.nan)
    log_fd[plan.people] = np.repeat(np.random.default_rng(0).normal(size=100), 2)
    found = match_motion(plan, log_fd, alone(plan), seed=0)
    assert found.plan.people.tolist() == plan.people.tolist()
    assert found.before == found.after == pytest.approx(0)


def test_people_stay_on_their_side_of_every_split():
    rng = np.random.default_rng(1)
    plan = make_plan(np.where(rng.random(400) < 0.5, "a", "b"))
    found = match_motion(plan, moved(plan, rng), alone(plan), seed=3).plan
    assert (found.analysis, found.condition, len(found.splits)) == ("motion_matched", "", 10)
    kept = set(found.people)
    for old, new in zip(plan.splits, found.splits, strict=True):
        for before, after in zip(old, new, strict=True):
            assert sorted(found.people[after]) == sorted(kept & set(plan.people[before]))
    places = np.searchsorted(plan.people, found.people)
    assert found.labels.tolist() == plan.labels[places].tolist()
    assert found.groups.tolist() == plan.groups[places].tolist()


def test_groups_are_kept_or_left_out_as_a_whole():
    rng = np.random.default_rng(2)
    plan = make_plan(np.repeat(np.where(rng.random(200) < 0.5, "a", "b"), 2), np.arange(400) // 2)
    groups, log_fd = np.arange(800) // 4, moved(plan, rng)
    log_fd[plan.people] = np.repeat(log_fd[plan.people[::2]], 2)
    found = match_motion(plan, log_fd, groups, seed=0).plan
    _, counts = np.unique(groups[found.people], return_counts=True)
    assert set(counts) == {2}
    assert len(found.people) < 400


def test_the_draw_is_that_of_the_seed():
    rng = np.random.default_rng(1)
    plan = make_plan(np.where(rng.random(400) < 0.5, "a", "b"))
    log_fd = moved(plan, rng)
    first, again, other = (match_motion(plan, log_fd, alone(plan), seed=seed).plan.people for seed in (0, 0, 1))
    assert first.tolist() == again.tolist() != other.tolist()


def test_people_of_unknown_motion_are_left_out():
    rng = np.random.default_rng(1)
    plan = make_plan(np.where(rng.random(200) < 0.5, "a", "b"))
    log_fd = moved(plan, rng, by=0.2)
    log_fd[plan.people[:20]] = np.nan
    assert match_motion(plan, log_fd, alone(plan), seed=0).plan.people.min() >= 40
    log_fd[plan.people[59:]] = np.nan
    found = match_motion(plan, log_fd, alone(plan), seed=0)
    assert found.plan is None
    assert np.isnan(found.after)
    assert found.words == "dx: no motion-matched subset, because motion is known for 39 people, but 60 are needed."


def test_many_classes_leave_too_few():
    rng = np.random.default_rng(1)
    plan = make_plan(np.array([f"site {i:02d}" for i in range(15)])[rng.integers(0, 15, 600)])
    log_fd = moved(plan, rng)
    log_fd[plan.people] += np.unique(plan.labels, return_inverse=True)[1]
    found = match_motion(plan, log_fd, alone(plan), seed=0)
    assert found.plan is None
    assert "of 600 people in 15 classes " in found.words
    assert found.words.endswith("would be left, too few for 10 splits.")


def test_people_among_whom_motion_still_tells_are_not_matched():
    rng = np.random.default_rng(1)
    plan = make_plan(np.array([f"site {i:02d}" for i in range(10)])[rng.integers(0, 10, 200)], folds=3)
    found = match_motion(plan, moved(plan, rng, by=0.2), alone(plan), seed=0)
    assert found.plan is None
    assert "matched people is still 0." in found.words
    assert found.words.endswith("(at most 0.25 is allowed).")


def test_imbalance_is_the_difference_over_the_sd_within_or_the_correlation():
    motion = np.array([0.0, 2, 5, 7, 1, 3])
    assert imbalance(motion, np.array(list("aabbcc"))) == pytest.approx(5.0)
    assert imbalance(motion, np.array([0.0, 2, 5, 7, 1, -3])) == pytest.approx(
        abs(np.corrcoef(motion, [0, 2, 5, 7, 1, -3])[0, 1])
    )
    assert np.isnan(imbalance(np.ones(4), np.array(list("aabb"))))
    assert np.isnan(imbalance(np.ones(4), np.arange(4.0)))
    assert np.isnan(imbalance(np.ones(0), np.ones(0)))
