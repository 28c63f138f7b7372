"""Progress: a bar on a terminal of one process, plain and whole lines elsewhere."""

import io
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest
from support.pseudo_terminal import on_a_terminal, without_escapes

from brnn.terminal import lines, progress

METRICS = {
    "train/loss": 0.4123,
    "train/accuracy": 0.9,
    "validation/accuracy": 0.91,
    "test/loss": 0.5,
    "test/accuracy": 0.8934,
    "train/images_per_second": 231_234.0,
}


WRITER = """
import sys
from brnn.terminal import progress

with progress.training_progress(200, sys.argv[1] * 60) as run:
    for epoch in range(1, 201):
        run.update({"train/loss": 1.0}, epoch)
"""


WORKER = """
import multiprocessing
from brnn.terminal import progress

def work():
    with progress.training_progress(1, "some-run") as run:
        run.update({}, 1)

process = multiprocessing.get_context("fork").Process(target=work)
process.start()
process.join()
"""


def run_one_epoch():
    with progress.training_progress(1, "some[bold]run") as run:
        run.update(METRICS, 1)


def test_an_epoch_is_one_plain_line(capsys):
    with progress.training_progress(1, "binarynet-ste-simple-original-s0") as run:
        run.update(METRICS, 1)
    name = "binarynet-ste-simple-original-s0"
    facts = "epoch 1/1  loss 0.412  test 0.893  231,000 images/s  0 s left"
    assert capsys.readouterr().out == f"{name}  {facts}\n"


def test_missing_metrics_are_left_out_and_nan_is_shown(capsys):
    with progress.training_progress(3, "[bold]:smile:") as run:
        run.update({"train/loss": float("nan")}, 3)
    assert capsys.readouterr().out == "[bold]:smile:  epoch 3/3  loss nan  0 s left\n"


def test_a_line_is_out_before_the_next_epoch(tmp_path):
    path = tmp_path / "log"
    with path.open("w") as log, redirect_stdout(log), progress.training_progress(2, "run") as run:
        run.update({}, 1)
        assert path.read_text().startswith("run  epoch 1/2  ")


def test_a_long_epoch_shows_how_far_it_is(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.training_progress(4, "run") as run:  # whose first epoch another process trained
        for now[0], share in (
            (10.0, 0.0),
            (29.0, 0.1),
            (31.0, 0.25),
            (60.0, 0.5),
        ):  # compiled after 10 seconds
            run.within(1, share)
        now[0] = 94.0
        run.update({}, 2)
        for now[0], share in ((95.0, 0.0), (123.0, 0.2), (124.0, 0.25)):
            run.within(2, share)
    assert capsys.readouterr().out.splitlines() == [
        "run  epoch 2/4  25% of it  4 min left",  # 2.75 epochs of 84 seconds
        "run  epoch 2/4  3 min left",
        "run  epoch 3/4  25% of it  3 min left",  # 1.75 epochs of 94 and 116 seconds
    ]


def test_an_attack_has_a_line_each_half_minute(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.attack_progress("run") as on_progress:
        for now[0], what, share in (
            (29.0, "pgd", 0.1),
            (31.0, "pgd", 0.5),
            (60.0, "pgd", 0.9),
            (61.0, "square", 0),
        ):
            on_progress(what, share)
    assert capsys.readouterr().out.splitlines() == [
        "run  attack pgd  50%",
        "run  attack square  0%",
    ]


def test_the_time_left_does_not_count_compilation(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.training_progress(5, "run") as run:
        now[0] = 60.0  # 40 seconds of compilation, 10 of training, 10 of a first evaluation
        run.update({"time/compile": 40.0, "time/training": 10.0}, 1)
        now[0] = 75.0  # 1 second of compilation, 14 of training, evaluation and a checkpoint
        run.update({"time/compile": 1.0, "time/training": 10.0}, 2)
        now[0] = 90.0
        run.update({"time/compile": 0.0, "time/training": 10.0}, 3)
    assert capsys.readouterr().out.splitlines() == [
        "run  epoch 1/5  40 s left",  # 4 epochs of 10 seconds
        "run  epoch 2/5  42 s left",  # 3 epochs of 14
        "run  epoch 3/5  28 s left",  # 2 epochs of the lower median of 14 and 15
    ]


def test_lines_of_several_processes_do_not_mix():
    reader, writer = os.pipe()
    names = "abc"
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITER, name], stdout=writer) for name in names
    ]
    os.close(writer)
    with open(reader, encoding="utf-8") as lines:
        shown = lines.read().splitlines()
    assert [process.wait() for process in processes] == [0, 0, 0]
    for name in names:
        mine = [
            line
            for line in shown
            if re.fullmatch(rf"{name}{{60}}  epoch \d+/200  loss 1\.000  \d+ s left", line)
        ]
        assert len(mine) == 200
    assert len(shown) == 600


def test_a_terminal_gets_a_bar(monkeypatch):
    shown = on_a_terminal(monkeypatch, run_one_epoch)
    last = re.split(r"[\r\n]+", without_escapes(shown).rstrip())[-1]
    assert re.fullmatch(
        r" +some\[bold\]run ━+ epoch 1/1  loss 0\.412  test 0\.893  231,000 images/s  0 s left *",
        last,
    )
    assert shown.count("\n") == 1


def test_a_narrow_terminal_gets_the_name_above_the_bar(monkeypatch):
    shown = without_escapes(on_a_terminal(monkeypatch, run_one_epoch, columns=80))
    assert shown.startswith("some[bold]run\r\n")
    assert "231,000 images/s  0 s left" in shown


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}])
def test_what_cannot_show_a_bar_gets_lines(monkeypatch, variables):
    shown = on_a_terminal(monkeypatch, run_one_epoch, **variables)
    assert (
        shown == "some[bold]run  epoch 1/1  loss 0.412  test 0.893  231,000 images/s  0 s left\r\n"
    )


def test_a_worker_among_others_writes_lines(monkeypatch):
    def write():
        subprocess.run([sys.executable, "-c", WORKER], stdout=sys.stdout, check=True)

    assert on_a_terminal(monkeypatch, write) == "some-run  epoch 1/1  0 s left\r\n"


def test_a_warning_stands_above_the_bar(monkeypatch):
    def write():
        with progress.training_progress(2, "some-run") as run:
            run.update(METRICS, 1)
            lines.warning("beware of [1, 2]")
            run.update(METRICS, 2)

    assert re.search(
        r"[\r\n]warning: beware of \[1, 2\] *\r\n",
        without_escapes(on_a_terminal(monkeypatch, write)),
    )


def test_a_log_of_stderr_keeps_what_is_written_while_there_is_a_bar(monkeypatch):
    log = io.StringIO()

    def write():
        with redirect_stderr(log), progress.training_progress(1, "some-run"):
            lines.warning("beware")

    assert "beware" not in on_a_terminal(monkeypatch, write)
    assert log.getvalue() == "warning: beware\n"


def test_a_failed_run_leaves_its_bar_and_raises(monkeypatch):
    def diverge():
        with progress.training_progress(2, "some-run") as run:
            run.update(METRICS, 1)
            raise ValueError("diverged")

    def write():
        with pytest.raises(ValueError, match="diverged"):
            diverge()

    shown = on_a_terminal(monkeypatch, write)
    assert "epoch 1/2" in shown
    assert shown.rstrip().endswith("\x1b[?25h")  # the cursor is back
