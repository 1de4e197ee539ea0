import numpy as np
import pandas as pd
from simulated_run import metrics_table

from semantoks.report.run.panels import COLLAPSE, LOSS, MACHINE, SCHEDULES, Curve


def test_a_term_is_shown_only_at_steps_where_it_takes_part() -> None:
    table = pd.DataFrame({"step": [1.0, 2, 3, 4], "loss_tok": [0.0, -0.5, 0.0, -0.7], "masked": [0.0, 1, np.nan, 1]})
    points = Curve(column="loss_tok", only_where="masked").points(table)
    assert points.to_dict() == {2.0: -0.5, 4.0: -0.7}


def test_values_that_are_not_finite_leave_a_gap() -> None:
    table = pd.DataFrame({"step": [1.0, 2, 3], "loss": [np.inf, np.nan, -1.0]})
    assert Curve(column="loss").points(table).to_dict() == {3.0: -1.0}


def test_a_column_that_is_not_logged_has_no_points() -> None:
    assert Curve(column="loss_new").points(pd.DataFrame({"step": [1.0]})).empty


def test_every_logged_metric_is_drawn_somewhere() -> None:
    curves = [curve for panel in (*LOSS, *COLLAPSE, *SCHEDULES, *MACHINE) for curve in panel.curves]
    drawn = {curve.column for curve in curves} | {curve.only_where for curve in curves}
    assert set(metrics_table(3, 3).columns) - drawn == {"step", "epoch"}
