"""Signals: a request to stop holds, whatever a library makes of its KeyboardInterrupt."""

import signal
import sys

import pytest
from support import processes
from support.stores import all_runs, open_in, sweep_runs

from brnn import signals

SCHEDULES = """
import signal

def deaf(steps, total):
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        pass
    return steps * 0 + 1

def failing(steps, total):
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ValueError("an error of a library")
"""
SHORT = ("plugins=[lab]", "topology.width=8", "schedule=constant", "attack=none", "figures=[]")
STOPPED = "error: stopped; the same command continues after the last finished epoch\n"


@pytest.fixture
def handlers(monkeypatch):
    """The handlers of the command line, as long as a test runs."""
    monkeypatch.setattr(signals, "_received", [])
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    previous = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    signals.handle()
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


def test_a_request_is_raised_again_until_the_process_ends(handlers):
    signals.check()
    assert signals.received() is None
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert signals.received() == signal.SIGTERM
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            signals.check()


def test_ctrl_c_stays_ignored_where_a_shell_has_started_the_process_so(handlers):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signals.handle()
    signal.raise_signal(signal.SIGINT)
    signals.check()


class Interrupted:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)


def test_an_interruption_that_python_ignores_is_not_printed_and_not_lost(handlers, capsys):
    Interrupted()
    assert signals.received() == signal.SIGINT
    assert capsys.readouterr().err == ""


def test_a_run_ends_as_killed_though_a_library_ignores_the_interruption(folder_with_store, offline):
    folder = folder_with_store("deaf")
    (folder / "lab.py").write_text(SCHEDULES)
    words = (*SHORT, "schedule.name=lab.deaf", "epochs=100000")
    code, out, err = processes.complete(folder, *words, environment=offline)
    assert code == 128 + signal.SIGTERM, out + err
    assert err.endswith(STOPPED)
    [run] = all_runs(open_in(folder, "brnn"))
    assert run.info.status == "KILLED"


def test_a_sweep_ends_though_a_library_makes_another_error_of_the_interruption(
    folder_with_store, offline
):
    folder = folder_with_store("failing")
    (folder / "lab.py").write_text(SCHEDULES)
    words = (*SHORT, "schedule.name=lab.failing", "seed=0,1", "hydra.launcher.n_jobs=1")
    code, out, err = processes.complete(folder, *words, "--multirun", environment=offline)
    assert code == 128 + signal.SIGINT, out + err
    assert err.endswith(STOPPED)
    assert "an error of a library" not in out + err
    runs = sweep_runs(folder)
    assert [run.info.status for run in [*runs.parents, *runs.children]] == ["KILLED"] * 2
