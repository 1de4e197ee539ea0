import numpy as np
import pandas as pd
from simulated_run import metrics_table

from semantoks.curves import Curve
from semantoks.objective.self_distillation import CURVES as OF_THE_OBJECTIVE
from semantoks.reporting.figures.training import points_of
from semantoks.train.monitor import CURVES as OF_THE_TRAINER


def test_a_term_is_shown_only_at_steps_where_it_takes_part() -> None:
    table = pd.DataFrame({"step": [1.0, 2, 3, 4], "loss_tok": [0.0, -0.5, 0.0, -0.7], "masked": [0.0, 1, np.nan, 1]})
    points = points_of(Curve(column="loss_tok", only_where="masked"), table)
    assert points.to_dict() == {2.0: -0.5, 4.0: -0.7}


def test_values_that_are_not_finite_leave_a_gap() -> None:
    table = pd.DataFrame({"step": [1.0, 2, 3], "loss": [np.inf, np.nan, -1.0]})
    assert points_of(Curve(column="loss"), table).to_dict() == {3.0: -1.0}


def test_a_column_that_is_not_logged_has_no_points() -> None:
    assert points_of(Curve(column="loss_new"), pd.DataFrame({"step": [1.0]})).empty


def test_every_logged_metric_is_drawn_somewhere() -> None:
    curves = [curve for panel in (*OF_THE_TRAINER, *OF_THE_OBJECTIVE) for curve in panel.curves]
    drawn = {curve.column for curve in curves} | {curve.only_where for curve in curves}
    assert set(metrics_table(3, 3).columns) - drawn == {"step", "epoch"}
