"""The command line: help at once, errors in one line before anything heavy is imported, a whole run without data."""

import gzip
import os
import resource
import subprocess
import sys

import pytest
import yaml

from brnn import paths
from brnn.cli import compile_cache
from brnn.config.signatures import parameters
from brnn.data import images
from brnn.tracking.store import open_store

HEAVY = ("tensorflow", "keras", "mlflow", "matplotlib", "mlxtend")


@pytest.fixture(scope="module")
def light(command_line, tmp_path_factory):
    """Runs the command line where nothing heavy can be imported, and in less than two seconds of work."""
    broken = tmp_path_factory.mktemp("broken")
    for name in HEAVY:
        (broken / f"{name}.py").write_text(f"raise SystemExit('{name} was imported')")
    path = os.pathsep.join([str(broken), *filter(None, [os.environ.get("PYTHONPATH")])])

    def light_(*arguments, **environment):
        empty = tmp_path_factory.mktemp("empty")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = command_line(empty, *arguments, PYTHONPATH=path, **environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
        assert list(empty.iterdir()) == []
        return done

    return light_


def error_of(done) -> str:
    """The one line that says what went wrong."""
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert line.startswith("error: ")
    return line.removeprefix("error: ")


# What needs no run


def test_help_explains_every_group_and_key_and_has_three_commands(light):
    done = light("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert sum(line.startswith("  python -m brnn ") for line in done.stdout.splitlines()) == 3
    groups = {path.name for path in paths.conf().iterdir() if path.is_dir()} - {"hydra"}
    words = set(done.stdout.replace(",", " ").split())
    assert {
        *groups,
        *parameters("brnn.config.schema", "Root"),
        "tracking.uri",
        "--multirun",
        "--cfg",
    } <= words


def test_the_configuration_is_shown_without_a_run(light):
    done = light("--cfg", "job", "precision=ternary", "precision.scale=0.3")
    assert (done.returncode, done.stderr) == (0, "")
    shown = yaml.safe_load(done.stdout)
    assert shown["precision"] == {"name": "ternary", "scale": 0.3}
    assert shown["epochs"] == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "estimator=sté",
            "estimator must be one of approx_sign, binary_gradient, chernoff, identity, leaky_softsign,",
        ),
        ("epohcs=3", "epohcs is not a key here; valid are: epochs, batch_size, seed,"),
        ("tracking.url=x", "tracking.url is not a key here; valid are: uri, experiment"),
        ("+estimator.bound=1", "estimator.bound is not a key here; valid are: none"),
        ("epochs=ten", "epochs must be a whole number, 1 or more, got 'ten'"),
        ("epochs=-1", "epochs must be a whole number, 1 or more, got -1"),
        ("batch_size=0", "batch_size must be a whole number, 1 or more, got 0"),
        (
            "dataset=text",
            "topology must be one of clockwork, gru, lstm, mut1, mut2, rnn, scaled_gru for dataset=text",
        ),
        (
            "optimizer.nesterov=true",
            "optimizer.nesterov is not a key here; valid are: name, learning_rate, beta_1, beta_2",
        ),
        ("--nonsense", "unrecognized arguments: --nonsense; --help lists what there is"),
        ("estimator=ste,chernoff", "Ambiguous value for argument 'estimator=ste,chernoff'"),
        ("tracking.uri=a(b", "tracking.uri=a(b cannot be read; put its value in quotes"),
        ("checkpoints=${nowhere}", "Interpolation key 'nowhere' not found"),
    ],
)
def test_an_error_is_one_line_before_anything_heavy_is_imported(light, arguments, message):
    done = light(arguments)
    assert error_of(done).startswith(message)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


def test_a_traceback_is_shown_where_it_is_asked_for(light):
    done = light("epochs=0", BRNN_TRACEBACK="1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(
        "brnn.errors.ConfigError: epochs must be a whole number"
    )


@pytest.fixture
def damaged_idx(tmp_path):
    """A folder of MNIST's four files with nothing of MNIST in them."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in images.MNIST:
        (folder / name).write_bytes(bytes(1000))
    return folder


def test_a_file_that_is_not_the_original_is_one_line_that_waits_for_no_import(light, damaged_idx):
    done = light(f"dataset.root={damaged_idx}")
    first = damaged_idx / "train-images-idx3-ubyte"
    assert (
        error_of(done)
        == f"{first} is not the original file: get it again; data of your own go into dataset=arrays"
    )


def test_a_truncated_archive_is_one_line(command_line, damaged_idx, tmp_path):
    first = damaged_idx / "train-images-idx3-ubyte.gz"
    first.with_suffix("").unlink()
    first.write_bytes(gzip.compress(bytes(range(256)) * 50)[:-20])
    message = error_of(command_line(tmp_path, f"dataset.root={damaged_idx}"))
    assert message.startswith(f"{first} cannot be read (")
    assert message.endswith("): get the file again")


ENDING = """
import atexit, sys, threading, time
from brnn import __main__

class Late:
    def __del__(self):
        print("taken apart", flush=True)

late, statement = Late(), sys.argv.pop()

def end():
    atexit.register(print, "last handler")
    threading.Thread(target=lambda: (time.sleep(0.5), print("thread"))).start()
    sys.stdout.write("block\\n")
    exec(statement)

__main__._hydra = end
__main__.main()
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
        ("raise KeyboardInterrupt", "", 130, "error: stopped; the same command goes on after"),
        ("import signal; signal.raise_signal(15)", "", 143, "error: stopped; the same command"),
    ],
)
def test_a_process_ends_as_any_other_but_takes_nothing_apart(statement, traceback, code, error):
    command = [sys.executable, "-c", ENDING, statement]
    environment = {**os.environ, "BRNN_TRACEBACK": traceback}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == code, done.stderr
    assert done.stdout.splitlines() == ["block", "thread", "last handler"]
    assert (done.stderr.splitlines() or [""])[-1].startswith(error)
    assert ("Traceback" in done.stderr) == bool(traceback)


# What only a run can find


KERAS_OF_THEIR_OWN = """
import keras
from brnn.datasets import Data

def mine(*, rows: int):
    x, y = keras.random.uniform((rows, 8), seed=0).numpy(), (keras.ops.arange(rows) % 3).numpy().astype("int32")
    return Data((x, y), (x, y), (x, y), 3, "mine")
"""


def test_a_data_set_of_a_plugin_may_import_keras_itself(command_line, tmp_path):
    (tmp_path / "mylab.py").write_text(KERAS_OF_THEIR_OWN)
    (tmp_path / "conf" / "dataset").mkdir(parents=True)
    (tmp_path / "conf" / "dataset" / "mine.yaml").write_text("name: mylab.mine\nrows: 200\n")
    words = (
        f"hydra.searchpath=[file://{tmp_path}/conf]",
        "dataset=mine",
        "plugins=[mylab]",
        "attack=none",
        "epochs=1",
    )
    done = command_line(tmp_path, *words)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_for_the_store_is_one_line(command_line, tmp_path):
    message = error_of(command_line(tmp_path, "epochs=1", limit=100))
    assert message.startswith(f"tracking.uri=sqlite:///{tmp_path}/mlflow.db failed (")
    assert message.endswith("; check that it can be opened and written, and has room")


def test_what_xla_compiled_is_kept_where_it_can_be_and_nobody_said_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=0")
    compile_cache.keep_compiled()
    assert os.environ["TF_XLA_FLAGS"] == "--tf_xla_auto_jit=0"
    monkeypatch.delenv("TF_XLA_FLAGS")
    compile_cache.keep_compiled()
    (folder,) = (tmp_path / "cache" / "brnn").iterdir()
    assert os.environ["TF_XLA_FLAGS"] == f"--tf_xla_persistent_cache_directory={folder}"
    for number in range(compile_cache.KEPT + 3):
        (folder / f"{number}.pb").touch()
        os.utime(folder / f"{number}.pb", (number, number))
    monkeypatch.setenv("TF_XLA_FLAGS", "")
    compile_cache.keep_compiled()
    assert {path.stem for path in folder.iterdir()} == {
        str(number) for number in range(3, compile_cache.KEPT + 3)
    }
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("TF_XLA_FLAGS")
    compile_cache.keep_compiled()
    assert "TF_XLA_FLAGS" not in os.environ


def test_a_run_from_an_empty_folder_without_data_trains_attacks_and_tracks_a_net(
    command_line, tmp_path
):
    done = command_line(tmp_path)
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()  # and nothing that TensorFlow, Hydra or MLflow would say
    assert warning.startswith("warning: ONLY 5,000 DIGITS: not MNIST")
    lines = done.stdout.splitlines()
    assert sum("binarynet-identity-simple-original-s0  epoch " in line for line in lines) == 5
    first_words = {line.split()[0] for line in lines if line.strip()}
    assert {
        "hidden_0/kernel",
        "total",
        "test/accuracy",
        "sparsity/all",
        "success_rate",
    } <= first_words
    (verdict,) = [line for line in lines if line.startswith("trusted: ")]
    assert lines[-1] == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
    found = {path.name for path in tmp_path.iterdir()}
    assert found == {"checkpoints", "mlartifacts", "mlflow.db"}
    store = open_store(uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="brnn")
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.status, run.info.run_name) == (
        "FINISHED",
        "binarynet-identity-simple-original-s0",
    )
    assert run.data.tags["data_source"] == "embedded"
    assert verdict == f"trusted: {run.data.tags['trusted']}"
    assert run.data.metrics["test/accuracy"] > 0.6
