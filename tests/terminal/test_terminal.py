"""The terminal: what a run tells is complete, literal and in whole lines; colours and a bar only where they fit."""

import io
import os
import re
import subprocess
import sys
from contextlib import ExitStack, redirect_stderr, redirect_stdout

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brnn.terminal import lines, numbers, progress, tables

METRICS = {
    "train/loss": 0.4123,
    "train/accuracy": 0.9,
    "validation/accuracy": 0.91,
    "test/loss": 0.5,
    "test/accuracy": 0.8934,
    "train/images_per_second": 231_234.0,
}
LAYERS = [
    {"path": "dense/kernel", "shape": (784, 256), "role": "kernel", "quantizer": "binary(scale=1)"}
    | {"parameters": 200_704, "bits_per_weight": 1},
    {"path": "dense/bias", "shape": (256,), "role": "bias", "quantizer": "real"}
    | {"parameters": 256, "bits_per_weight": 32},
]
JOBS = [
    {
        "name": "estimator=ste,seed=0",
        "status": "finished",
        "objective": 0.8934,
        "test/accuracy": 0.8934,
    },
    {
        "name": "estimator=ste,seed=1",
        "status": "skipped",
        "objective": 0.75,
        "attack/robust_accuracy": float("nan"),
    },
    {"name": "units=[1,2]", "status": "failed", "error": "units must be one of [3, 4]\ngot [1, 2]"},
]
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


def on_a_terminal(monkeypatch, write, columns=120, **variables) -> str:
    """What `write()` shows on a real (pseudo) terminal, escape sequences included."""
    pytest.importorskip("pty")
    for name in ("CI", "NO_COLOR", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), **variables}.items():
        monkeypatch.setenv(name, value)
    reader, writer = os.openpty()
    with ExitStack() as stack:
        stream = stack.enter_context(open(writer, "w", encoding="utf-8"))
        stack.enter_context(redirect_stdout(stream))
        stack.enter_context(redirect_stderr(stream))
        write()
        stream.write("\0")
        stream.flush()
        shown = b""
        while not shown.endswith(b"\0"):  # a terminal hands over what it has, piece by piece
            shown += os.read(reader, 65_536)
    os.close(reader)
    return shown[:-1].decode()


def without_escapes(shown: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", shown)


def words(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def run_one_epoch():
    with progress.training_progress(1, "some[bold]run") as run:
        run.update(METRICS, 1)


def test_an_epoch_is_one_plain_line(capsys):
    with progress.training_progress(1, "binarynet-ste-simple-original-s0") as run:
        run.update(METRICS, 1)
    line = "binarynet-ste-simple-original-s0  epoch 1/1  loss 0.412  test 0.893  231,000 images/s  0 s left\n"
    assert capsys.readouterr().out == line


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


QUIET = """
import os, sys
from brnn.terminal import lines, stderr
stderr.keep_stderr()
with stderr.quiet():
    os.write(2, b"of a library\\n")
    lines.error("of another thread")
if len(sys.argv) > 1:
    with stderr.quiet():
        os.write(2, b"why it failed\\n")
        raise SystemExit
"""


@pytest.mark.parametrize(("words", "shown"), [([], ""), (["fail"], "why it failed\n")])
def test_only_what_other_languages_write_is_kept_quiet(words, shown):
    done = subprocess.run(
        [sys.executable, "-c", QUIET, *words], capture_output=True, text=True, check=False
    )
    assert done.stderr == f"error: of another thread\n{shown}"


def test_an_attack_has_a_line_each_half_minute(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.attack_progress("run") as tell:
        for now[0], what, share in (
            (29.0, "pgd", 0.1),
            (31.0, "pgd", 0.5),
            (60.0, "pgd", 0.9),
            (61.0, "square", 0),
        ):
            tell(what, share)
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


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (2.0, "2 s"),
        (119.0, "119 s"),
        (120.0, "2 min"),
        (3600.0, "60 min"),
        (9000.0, "2.5 h"),
    ],
)
def test_durations_have_one_unit(seconds, text):
    assert numbers.duration(seconds) == text


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


def test_layers_are_listed_and_added_up(capsys):
    tables.layers_table(LAYERS)
    lines = [words(line) for line in capsys.readouterr().out.splitlines()]
    assert ["dense/kernel", "(784, 256)", "kernel", "binary(scale=1)", "200,704", "1"] in lines
    assert ["dense/bias", "(256,)", "bias", "real", "256", "32"] in lines
    assert ["total", "200,960", "1.039"] in lines  # (200704 + 32 * 256) / 200960
    # 208896 bits are 26112 bytes, 4 * 200960 are 803840
    assert lines[-1] == ["25.5 KiB packed, 785.0 KiB as float32"]


def test_large_sizes_are_in_mebibytes():
    assert numbers.size(2**20 - 103) == "1,023.9 KiB"
    assert numbers.size(2.5 * 2**20) == "2.5 MiB"


def test_results_show_closing_metrics_and_attacks_side_by_side(capsys):
    metrics = {
        "test/accuracy": 0.8934,
        "best/epoch": 4,
        "sparsity/all": 0.0,
        "sparsity/dense/kernel": 0.1234,
        "size/bits_per_weight": 1.0,
        "attack/robust_accuracy": 0.787,
        "attack/images": 1000.0,
        "attack/clean_accuracy": 0.9,
        "attack/broke": 0.213,
        "suite/pgd-source:twin/broke": 0.25,
        "attack_identity/robust_accuracy": 0.1375,
        "attack_noise/robust_accuracy": float("nan"),
        "attack_noise/l2": 2.8,
    }
    tables.results_table("[some] run", metrics, seconds=83.2, hint="mlflow ui --port [5000]")
    lines = [words(line) for line in capsys.readouterr().out.splitlines()]
    assert ["[some] run", "finished in 83 s"] in lines
    assert ["test/accuracy", "0.8934"] in lines
    assert ["best/epoch", "4"] in lines
    assert ["sparsity/all", "0.0000"] in lines
    assert ["size/bits_per_weight", "1.0000"] in lines
    assert ["attack", "attack_identity", "attack_noise"] in lines
    assert ["robust_accuracy", "0.7870", "0.1375", "nan"] in lines
    heading = lines.index(["attacks on 1,000 test images"])
    assert heading < lines.index(["clean_accuracy", "0.9000"])
    assert ["broke", "0.2130"] in lines
    assert lines[lines.index(["member", "broke"]) + 2] == ["pgd-source:twin", "0.2500"]
    assert ["l2", "2.8000"] in lines
    assert lines[-1] == ["mlflow ui --port [5000]"]
    assert not {"sparsity/dense/kernel", "linf", "images"} & {line[0] for line in lines}
    assert lines.index(["best/epoch", "4"]) < heading


def test_a_run_without_attacks_has_no_table_of_attacks(capsys):
    tables.results_table("run", {"test/accuracy": 0.5}, seconds=1.0, hint="look there")
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == ["", "run  finished in 1 s", "", "test/accuracy  0.5000", "", "look there"]


def test_a_sweep_lists_its_jobs_and_what_went_wrong(capsys):
    tables.sweep_table(JOBS)
    lines = [words(line) for line in capsys.readouterr().out.splitlines()]
    assert ["estimator=ste,seed=0", "finished", "0.8934", "0.8934"] in lines
    assert ["estimator=ste,seed=1", "skipped", "0.7500", "nan"] in lines
    assert ["units=[1,2]", "failed"] in lines
    assert lines[-2:] == [
        ["units=[1,2]: units must be one of [3, 4] got [1, 2]"],
        ["1 finished, 1 failed, 1 skipped"],
    ]


RUN_ID = "0123456789abcdef" * 2


def test_a_sweep_shows_ids_of_runs_in_a_pipe_and_on_a_wide_terminal(capsys, monkeypatch):
    def show():
        tables.sweep_table([{"name": "seed=0", "status": "finished", "run": RUN_ID}])

    show()
    assert ["seed=0", "finished", RUN_ID] in [
        words(row) for row in capsys.readouterr().out.splitlines()
    ]
    assert RUN_ID in on_a_terminal(monkeypatch, show, columns=140)
    assert "run" not in without_escapes(on_a_terminal(monkeypatch, show, columns=120))


def test_what_went_wrong_is_red_on_a_terminal(monkeypatch):
    shown = on_a_terminal(monkeypatch, lambda: tables.sweep_table(JOBS))
    assert "\x1b[31munits=[1,2]: units must be" in shown


def test_a_narrow_terminal_folds_names_and_keeps_numbers(monkeypatch):
    name = "precision=binarynet,estimator=leaky_softsign,topology.units=[256,128],seed=0"
    numbers = {
        "objective": 0.8934,
        "test/accuracy": 0.9012,
        "attack_identity/robust_accuracy": 0.1234,
    }
    numbers |= {"attack_noise/robust_accuracy": 0.5678, "size/bits_per_weight": 1.0}
    job = {"name": name, "status": "finished", **numbers}
    shown = without_escapes(
        on_a_terminal(monkeypatch, lambda: tables.sweep_table([job]), columns=80)
    )
    lines = shown.splitlines()
    first = next(i for i, line in enumerate(lines) if "finished" in line)
    assert words(lines[first])[1:] == ["finished", "0.8934", "0.9012", "0.1234", "0.5678", "1.0000"]
    folded = [lines[first].split()[0], *(line.strip() for line in lines[first + 1 : -1])]
    assert "".join(folded) == name


@pytest.mark.parametrize("length", [150, 1000])
def test_nothing_is_cropped_where_there_is_no_terminal(capsys, length):
    name = "n" * length
    tables.layers_table([LAYERS[0] | {"path": name, "quantizer": name}])
    tables.results_table(name, {f"best/{name}": 1.0}, seconds=1.0, hint=name)
    tables.sweep_table([{"name": name, "status": "failed", "error": name, f"test/{name}": 1.0}])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.count(name) for line in lines) == 9


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (200_704, "200,704"),
        (0.0, "0.0000"),
        (0.89342, "0.8934"),
        (-2.5, "-2.5000"),
        (1e-5, "1e-05"),
        (123_456.0, "1.235e+05"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
    ],
)
def test_numbers_line_up_and_lose_nothing(value, text):
    assert numbers.number(value) == text


@pytest.mark.parametrize(
    ("write", "prefix"), [(lines.warning, "warning: "), (lines.error, "error: ")]
)
@given(
    text=st.text(
        st.characters(categories=["L", "N", "P", "S"], include_characters=" "), max_size=300
    )
)
def test_messages_are_one_literal_line(write, prefix, text):
    stream = io.StringIO()
    with redirect_stderr(stream):
        write(text)
    assert stream.getvalue() == f"{prefix}{text}\n"


def test_messages_go_to_stderr_in_one_line(capsys):
    lines.error("epochs must be [1, 2]\nnot [bold]3[/bold] :smile:")
    captured = capsys.readouterr()
    assert captured.err == "error: epochs must be [1, 2] not [bold]3[/bold] :smile:\n"
    assert captured.out == ""


def test_only_the_prefix_of_a_message_is_coloured_on_a_terminal(monkeypatch):
    shown = on_a_terminal(monkeypatch, lambda: lines.error("got [1, 2]"))
    assert shown == "\x1b[1;31merror:\x1b[0m got [1, 2]\r\n"


def test_a_terminal_breaks_a_long_message_by_itself(monkeypatch):
    text = "a word " * 30 + "end"
    assert on_a_terminal(monkeypatch, lambda: lines.error(text), columns=80).count("\n") == 1
