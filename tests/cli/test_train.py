"""Training from the command line: errors in one line; a run needs no data."""

import gzip

import pytest
import yaml

from brnn import paths
from brnn.data import images
from brnn.tracking.store import open_store


def test_the_configuration_is_shown_without_a_run(light):
    done = light("--cfg", "job", "precision=ternary", "precision.scale=0.3")
    assert (done.returncode, done.stderr) == (0, "")
    shown = yaml.safe_load(done.stdout)
    assert shown["precision"] == {"name": "ternary", "scale": 0.3}
    assert shown["epochs"] == 5


def test_flags_may_stand_between_overrides(light):
    done = light("epochs=3", "--cfg", "job", "seed=2", "--package", "seed")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_the_value_of_a_flag_may_have_an_equals_sign(light, tmp_path):
    folder = tmp_path / "run=1"
    (folder / "experiment").mkdir(parents=True)
    (folder / "experiment" / "mine.yaml").write_text("# @package _global_\nepochs: 3\n")
    words = ("--config-dir", str(folder), "experiment=mine", "--cfg", "job", "--package", "epochs")
    done = light("seed=2", *words)
    assert (done.returncode, done.stdout, done.stderr) == (0, "3\n", "")


def test_an_option_of_another_folder_must_not_have_the_name_of_one_of_the_package(
    light, error_of, tmp_path
):
    (tmp_path / "config.yaml").write_text("epochs: 7\n")
    message = f"{tmp_path}/config.yaml would not be read, since brnn has a file config.yaml"
    for words in (
        ("--config-dir", str(tmp_path), "--config-name", "config"),
        (f"hydra.searchpath=[file://{tmp_path}]",),
    ):
        assert error_of(light(*words)).startswith(message)
    (tmp_path / "config.yaml").write_bytes((paths.conf() / "config.yaml").read_bytes())
    assert light("--config-dir", str(tmp_path), "--cfg", "job").returncode == 0


def test_the_jobs_of_a_sweep_share_the_current_folder(light, error_of):
    done = light("seed=0,1", "hydra.job.chdir=true", "hydra.sweep.dir=jobs", "--multirun")
    assert error_of(done).startswith("hydra.job.chdir must be false in a sweep, got true")


def test_the_options_that_have_a_key_are_named(light, error_of):
    message = error_of(light("attack.step=0.1"))
    assert message.endswith("; options of attack with it: bim, mim, pgd, pgd_plus_plus, spsa")


def test_a_flag_with_an_optional_value_may_stand_last(light):
    done = light("epochs=3", "--info")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Config search path" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("epochs=ten", "epochs must be a whole number, 0 or more, got 'ten'"),
        ("epochs=-1", "epochs must be a whole number, 0 or more, got -1"),
        ("batch_size=0", "batch_size must be a whole number, 1 or more, got 0"),
        ("dataset=text", "topology must be one of clockwork, gru, lstm, mut1, mut2, rnn,"),
        ("estimator=ste,chernoff", "Ambiguous value for argument 'estimator=ste,chernoff'"),
        ("checkpoints=${nowhere}", "checkpoints: Interpolation key 'nowhere' not found"),
        (
            "tracking.uri=${oc.env:NOWHERE}",
            "tracking.uri: the environment variable NOWHERE is not set; a default:"
            " ${oc.env:NOWHERE,…}",
        ),
        ("attack.step=0.1", "attack.step is not a key here; valid are: images,"),
    ],
)
def test_a_bad_value_is_one_line_before_anything_heavy_is_imported(
    light, error_of, arguments, message
):
    done = light(arguments)
    assert error_of(done).startswith(message)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)


@pytest.fixture
def damaged_idx(tmp_path):
    """A folder of MNIST's four files with nothing of MNIST in them."""
    folder = tmp_path / "mnist"
    folder.mkdir()
    for name in images.MNIST:
        (folder / name).write_bytes(bytes(1000))
    return folder


def test_a_damaged_file_is_one_line_that_waits_for_no_import(light, error_of, damaged_idx):
    message = error_of(light(f"dataset.root={damaged_idx}"))
    assert message.startswith(f"{damaged_idx / 'train-images-idx3-ubyte'} is not the original file")


def test_a_truncated_archive_is_one_line(command_line, error_of, damaged_idx, tmp_path):
    first = damaged_idx / "train-images-idx3-ubyte.gz"
    first.with_suffix("").unlink()
    first.write_bytes(gzip.compress(bytes(range(256)) * 50)[:-20])
    message = error_of(command_line(tmp_path, f"dataset.root={damaged_idx}"))
    assert message.startswith(f"{first} cannot be read (")
    assert "get the file again" in message


def test_a_full_disk_for_the_store_is_one_line(command_line, error_of, tmp_path):
    message = error_of(command_line(tmp_path, "epochs=1", limit=100))
    assert message.startswith(f"tracking.uri=sqlite:///{tmp_path}/mlflow.db failed (")


def test_a_run_from_an_empty_folder_without_data_trains_attacks_and_tracks_a_net(
    command_line, tmp_path
):
    done = command_line(tmp_path)
    assert done.returncode == 0, done.stderr
    (warning,) = done.stderr.splitlines()  # and nothing that TensorFlow, Hydra or MLflow print
    assert warning.startswith("warning: ONLY 5,000 DIGITS: not MNIST")
    lines = done.stdout.splitlines()
    name = "binarynet-identity-simple-original-s0"
    assert sum(f"{name}  epoch " in line for line in lines) == 5
    first_words = {line.split()[0] for line in lines if line.strip()}
    assert {
        "hidden_0/kernel",
        "total",
        "test/accuracy",
        "sparsity/all",
        "success_rate",
    } <= first_words
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints", "mlartifacts", "mlflow.db"}
    store = open_store(uri=f"sqlite:///{tmp_path}/mlflow.db", experiment="brnn")
    (run,) = store.client.search_runs([store.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", name)
    assert run.data.tags["data_source"] == "embedded"
    trusted = run.data.tags["trusted"]
    assert {trusted, f"trusted: {trusted}"} & set(lines)
    assert run.data.metrics["test/accuracy"] > 0.6
    assert lines[-2:] == [
        f"run={run.info.run_id}",
        f"brnn ui run={run.info.run_id} tracking.uri=sqlite:///{tmp_path}/mlflow.db",
    ]
    assert run.data.tags["mlflow.source.name"] == "brnn"
