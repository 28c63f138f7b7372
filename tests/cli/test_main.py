"""The entry point: one door to all commands; errors in one line, before heavy imports."""

import os
import subprocess
import sys

import pytest

import brnn
from brnn.cli import failures
from brnn.cli.commands import COMMANDS


@pytest.mark.parametrize("arguments", [["--version"], ["epochs=3", "--version"]])
def test_the_version_is_the_package_s_and_needs_neither_hydra_nor_tensorflow(light, arguments):
    done = light(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"brnn {brnn.__version__}\n"


VERSION_WITHOUT = """
import sys
from brnn.cli.main import main
sys.argv[1:] = ["--version"]
import atexit
atexit.register(lambda: print(*{"hydra", "yaml", "numpy"} & sys.modules.keys()))
main()
"""


def test_the_version_is_printed_at_once():
    done = subprocess.run(
        [sys.executable, "-c", VERSION_WITHOUT], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"brnn {brnn.__version__}\n\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_page(light, command):
    for flag in ("--help", "-h"):
        done = light(command, flag)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"usage: brnn {command} ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["smaple"],
            "smaple is neither a command (compare, doctor, export, import, sample, sync, ui,"
            " verify) nor key=value; did you mean sample?",
        ),
        (["epochs=3", "sample"], "sample is a command and must be the first word"),
        (
            ["--multrun", "seed=0,1"],
            "--multrun is not valid here; --help lists what is; did you mean --multirun?",
        ),
        (["--nonsense"], "--nonsense is not valid here; --help lists what is"),
        (["--cfg", "jobs"], "argument --cfg/-c: invalid choice: 'jobs' (choose from"),
        (["-sc"], "Expecting one subcommand from"),
        (["sample"], "run is missing; try: brnn sample run=<id>"),
        (
            ["sample", "run=1", "lenght=3"],
            "lenght is not a key of brnn sample; valid are: run, tracking.uri, temperature, prompt,"
            " length, seed; did you mean length?",
        ),
        (["sample", "prompt"], "prompt is not key=value"),
        (["sample", "--nonsense"], "--nonsense is not valid here; --help lists what is"),
        (
            ["sync", "--hlep"],
            "--hlep is not valid here; --help lists what is; did you mean --help?",
        ),
        (["sync", "a", "b"], "b is not valid here; --help lists what is"),
    ],
)
def test_a_mistyped_word_is_an_error_in_one_line(light, error_of, arguments, message):
    done = light(*arguments)
    assert error_of(done).startswith(message)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.mark.parametrize("arguments", [[], ["seed=0,1", "-m"], ["sample", "run=1"]])
def test_another_backend_of_keras_is_an_error_before_it_is_imported(light, error_of, arguments):
    message = error_of(light(*arguments, KERAS_BACKEND="jax"))
    assert message.startswith("KERAS_BACKEND=jax must be tensorflow for brnn")


def test_a_variable_without_effect_is_named(light):
    done = light("epochs=-1", MLFLOW_RUN_ID="abc")
    assert done.stderr.startswith("warning: MLFLOW_RUN_ID is not used: ")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["epochs=-1"], "brnn.errors.ConfigError: epochs must be a whole number"),
        (["sample"], "brnn.errors.ConfigError: run is missing"),
    ],
)
def test_a_traceback_is_shown_on_request(light, arguments, error):
    done = light(*arguments, BRNN_TRACEBACK="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(error)


ENDING = """
import atexit, sys, threading, time
from brnn.cli import main, train

class Late:
    def __del__(self):
        print("taken apart", flush=True)

late, statement = Late(), sys.argv.pop()

def end():
    atexit.register(print, "last handler")
    threading.Thread(target=lambda: (time.sleep(0.5), print("thread"))).start()
    sys.stdout.write("block\\n")
    exec(statement)

train._hydra = end
main.main()
"""


@pytest.mark.parametrize(
    ("statement", "traceback", "code", "error"),
    [
        ("pass", "", 0, ""),
        ("sys.exit()", "", 0, ""),
        ("sys.exit(3)", "", 3, ""),
        ("sys.exit('why')", "", 1, "why"),
        ("raise ValueError('why')", "", 1, "error: why"),
        ("raise ValueError('why')", "1", 1, "ValueError: why"),
        ("raise KeyboardInterrupt", "", 130, "error: stopped; the same command continues after"),
        ("import signal; signal.raise_signal(15)", "", 143, "error: stopped; the same command"),
    ],
)
def test_a_process_ends_as_any_other_but_without_teardown(statement, traceback, code, error):
    command = [sys.executable, "-c", ENDING, statement]
    environment = {**os.environ, "BRNN_TRACEBACK": traceback}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines() == ["block", "thread", "last handler"]
    assert (done.stderr.splitlines() or [""])[-1].startswith(error)
    assert ("Traceback" in done.stderr) == bool(traceback)


def test_another_command_stops_without_a_promise_to_continue(tmp_path):
    code = "import sys; from brnn.cli import main, sync; sys.argv[1:] = ['sync']; "
    code += "sync.main = lambda _: (_ for _ in ()).throw(KeyboardInterrupt); main.main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (130, "error: stopped\n")


PLUGIN = """
import keras
from brnn.data.dataset import Data

def mine(*, rows: int):
    x = keras.random.uniform((rows, 8), seed=0).numpy()
    y = (keras.ops.arange(rows) % 3).numpy().astype("int32")
    return Data((x, y), (x, y), (x, y), 3, "mine")
"""


def test_a_plugin_in_the_current_folder_works_by_the_script_and_in_every_process(script, tmp_path):
    (tmp_path / "mylab.py").write_text(PLUGIN)  # imports Keras itself
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "mine.yaml").write_text("name: mylab.mine\nrows: 200\n")
    words = (
        f"hydra.searchpath=[file://{tmp_path}/conf]",
        "dataset=mine",
        "plugins=[mylab]",
        "attack=none",
        "figures=[]",
        "epochs=1",
        "seed=0,1",
        "hydra.launcher.n_jobs=2",
        "--multirun",
    )
    done = script(tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 finished, 0 failed, 0 skipped" in done.stdout


def test_the_current_folder_stays_off_the_path_where_python_is_told_so(script, error_of, tmp_path):
    (tmp_path / "mylab.py").write_text(PLUGIN)
    words = ("plugins=[mylab]", "estimator.name=mylab.mine")
    message = error_of(script(tmp_path, *words, PYTHONSAFEPATH="1"))
    assert message.startswith("estimator.name=mylab.mine: ")
    assert "No module" in message or "there is no" in message or "mylab" in message


def test_a_reader_that_has_enough_is_no_error(capsys):
    with pytest.raises(SystemExit) as ended, failures.in_one_line("stopped"):
        raise BrokenPipeError
    assert ended.value.code == 141  # 128 and SIGPIPE
    assert capsys.readouterr().err == ""
