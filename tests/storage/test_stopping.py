"""A signal ends a command in order: what is held is given back, work is finished where it asked to be."""

# ruff: noqa: PT012

import os
import signal

import pytest

from semantoks.storage.stopping import Stopped, StopRequest, stoppable


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_is_an_exception_that_knows_its_exit_code_and_the_handlers_come_back(number):
    ours, tidied = signal.signal(number, signal.SIG_DFL), []  # nohup ignores SIGHUP
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as stopped, stoppable():
        try:
            os.kill(os.getpid(), number)
        finally:
            tidied.append(True)
            os.kill(os.getpid(), number)  # a batch system that repeats itself does not disturb the tidying
    assert tidied == [True]
    assert stopped.value.exit_code == 128 + number
    assert signal.getsignal(number) == before
    signal.signal(number, ours)


def test_a_signal_that_was_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_work_is_finished_first_and_then_the_signal_is_passed_on():
    finished = False
    with pytest.raises(Stopped) as stopped, stoppable(), StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.asked
        finished = True
    assert finished
    assert stopped.value.number == signal.SIGTERM


def test_without_a_command_around_it_a_request_is_only_a_request_and_ctrl_c_interrupts_afterwards():
    with StopRequest() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
    assert stop.asked
    done = False
    with pytest.raises(KeyboardInterrupt), StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        done = True
    assert done


def test_a_second_ctrl_c_does_not_wait():
    with pytest.raises(KeyboardInterrupt), StopRequest():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError
