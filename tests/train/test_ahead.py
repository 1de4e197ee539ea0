"""The next batch is drawn while the present one is in use: once each, and what goes wrong is said in its step."""

import threading

import pytest
import torch

from semantoks.train.ahead import Ahead

CPU = torch.device("cpu")


def test_each_batch_is_drawn_once_and_the_next_one_before_it_is_asked_for():
    drawn, second = [], threading.Event()

    def draw(step):
        drawn.append((step, threading.current_thread() is threading.main_thread()))
        if step == 1:
            second.set()
        return 10 * step

    ahead = Ahead(draw, 3, CPU)
    assert ahead.take(0) == 0
    assert second.wait(5)
    assert [ahead.take(1), ahead.take(2)] == [10, 20]
    ahead.close()
    assert drawn == [(0, True), (1, False), (2, False)]


def test_a_step_that_was_not_foreseen_is_drawn_too():
    ahead = Ahead(lambda step: step, 100, CPU)
    assert [ahead.take(3), ahead.take(50), ahead.take(51)] == [3, 50, 51]
    ahead.close()
    assert not ahead.thread._threads or not any(thread.is_alive() for thread in ahead.thread._threads)


def test_what_goes_wrong_is_raised_in_the_step_that_it_is_of():
    ahead = Ahead(lambda step: 1 // (1 - step), 9, CPU)
    assert ahead.take(0) == 1
    with pytest.raises(ZeroDivisionError):
        ahead.take(1)
    ahead.close()
