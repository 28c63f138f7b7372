"""A run on text: its logged net predicts in a new process what it reported, and writes again."""

import json
import subprocess
import sys
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest

from brnn import config, datasets, nets, run, sample, tracking, training, writing
from brnn.config import ConfigError
from brnn.tasks import Task

TEXT = "the cat sat on the mat. a bat ate the rat.\n" * 30
NETS = {
    "gru": ("topology=gru", "precision=contextual_binary", "precision.recurrent_scale=0.25"),
    "clockwork": ("topology=clockwork", "precision=binarynet"),  # a cell of ours, and signs inside
}
BATCH = 4
PREDICT = """
import sys
import mlflow, numpy as np
mlflow.set_tracking_uri(sys.argv[1])
net = mlflow.pyfunc.load_model(sys.argv[2])
np.save(sys.argv[4], net.predict(np.load(sys.argv[3])))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts")
    (path / "text.txt").write_text(TEXT)
    return path


@pytest.fixture(scope="module", params=NETS.values(), ids=NETS)
def finished(request, folder, options):
    """A finished run on the text: its options, its objective, its place in the store."""
    chosen = options(
        "dataset=text", f"dataset.path={folder}/text.txt", "dataset.sequence=10", "dataset.test=0.1",
        *request.param, "topology.width=12", "topology.depth=2", "epochs=2", f"batch_size={BATCH}", "compiled=false",
        "sample.length=20", f"checkpoints={folder}", f"tracking.uri=sqlite:///{folder}/mlflow.db",
    )  # fmt: skip
    opened = tracking.open_store(**chosen["tracking"])
    store = Future()
    store.set_result(opened)
    own = {key: chosen[key] for key in config.parameters("brnn.run", "run")}
    objective = run.run(chosen, store, None, "", lambda epoch, metrics: True, **own)
    (newest, *_) = opened.client.search_runs([opened.experiment_id], order_by=["start_time DESC"])
    return chosen, objective, newest, opened


def whole_streams(data):
    """The rows that the run read as streams, one behind the other; and those which are there."""
    x, y = data.test
    order = training.streams(len(x), BATCH)
    rows = order.T % len(x)
    return x[rows].reshape(len(rows), -1), y[rows].reshape(len(rows), -1), np.repeat(len(x) > order.T, 10, axis=1)


def test_the_logged_net_predicts_in_a_new_process_what_the_run_reported(finished, tmp_path):
    options, objective, found, store = finished
    x, y, there = whole_streams(config.function("dataset", options["dataset"], [])())
    np.save(tmp_path / "x.npy", x)
    arguments = [store.uri, f"runs:/{found.info.run_id}/model", tmp_path / "x.npy", tmp_path / "logits.npy"]
    command = [sys.executable, "-I", "-c", PREDICT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    logits = np.load(tmp_path / "logits.npy")
    assert np.mean((logits.argmax(axis=-1) == y)[there]) == pytest.approx(objective, abs=1e-6)
    assert objective == found.data.metrics["test/accuracy"]


def test_the_logged_recurrent_kernels_hold_exactly_the_scale(finished):
    options, _, found, store = finished
    _, weights = store.net(found.info.run_id)
    scale = options["precision"].get("recurrent_scale", 1.0)
    square = [weight for weight in weights if weight.ndim == 2 and weight.shape[0] == 12 and weight.shape[1] % 12 == 0]
    assert {value for weight in square[:1] for value in np.unique(weight)} == {-scale, scale}


def test_a_run_on_text_logs_bits_perplexity_and_the_spectral_radius(finished):
    metrics = finished[2].data.metrics
    loss = metrics["test/loss"]
    assert metrics["test/bits_per_character"] == pytest.approx(loss / np.log(2))
    assert metrics["test/perplexity"] == pytest.approx(np.exp(loss))
    assert metrics["spectral_radius/recurrent_1/cell/recurrent_kernel"] > 0
    assert metrics["cost/sign_flips"] > 0


def test_a_run_leaves_a_sample_which_the_command_writes_again(finished, capsys):
    options, _, found, store = finished
    left = store.text(found.info.run_id, "sample.txt")
    assert len(left) == options["sample"]["length"]
    sample.main([f"run={found.info.run_id}", f"tracking.uri={store.uri}"])
    assert capsys.readouterr().out == left + "\n"
    sample.main([f"run={found.info.run_id}", f"tracking.uri={store.uri}", "prompt=the c", "length=3", "seed=5"])
    assert len(capsys.readouterr().out) == len("the c") + 3 + 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["temperature=0"], "error: sample.temperature must be a finite number above 0, got 0"),
        (["length=many"], "error: sample.length must be a whole number, 1 or more, got 'many'"),
        (["prompt=THE"], "error: sample.prompt must be of the characters"),
        (["lenght=3"], "error: usage: python -m brnn.sample run=<id>; keys: tracking.uri, temperature, prompt, length"),
    ],
)
def test_a_bad_key_is_refused_in_one_line(finished, words, message, capsys):
    _, _, found, store = finished
    with pytest.raises(SystemExit):
        sample.main([f"run={found.info.run_id}", f"tracking.uri={store.uri}", *words])
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


# What is written


def chain(options, **keys):
    """What a net of one unit per character writes, that was made to say what follows each of abcd in turn."""
    whole = options("dataset=text", "topology=rnn", "topology.width=4", "precision=full")
    task = Task((1,), 4, tokens=True, per_step=True, carried=True)
    weights = nets.program(whole, task).manager.weights()
    kernel, recurrent, bias, logits, offset = (np.zeros_like(weight) for weight in weights)
    kernel[:] = 2 * np.eye(4)
    logits[:] = 9 * np.roll(np.eye(4), 1, axis=1)
    return writing.written(whole, "abcd", [kernel, recurrent, bias, logits, offset], **SAMPLE | keys)


SAMPLE = {"temperature": 0.1, "prompt": "", "length": 8, "seed": 0}


def test_a_net_goes_on_from_the_prompt_which_comes_first(options):
    assert chain(options) == "bcdabcda"
    assert chain(options, prompt="ac", length=3) == "acdab"


def test_a_high_temperature_surprises_and_a_seed_repeats(options):
    hot = {"temperature": 50.0, "length": 40}
    assert chain(options, **hot) == chain(options, **hot) != chain(options, **hot, seed=1)
    assert chain(options, **hot) != chain(options, length=40)


def test_a_character_that_the_net_does_not_know_is_refused(options):
    with pytest.raises(ConfigError, match=r"sample\.prompt must be of the characters 'abcd', got 'x'"):
        chain(options, prompt="ax")


# Texts that cannot be learned


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "at least 2 different characters, got 0"),
        (b"a" * 40, "at least 2 different characters, got 1"),
        (b"\xff\xfe\xfa", "UTF-8"),
        (b"ab" * 20, r"dataset\.sequence must be below"),
    ],
)
def test_a_text_that_cannot_be_learned_is_refused(content, message, tmp_path):
    path = Path(tmp_path, "text.txt")
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        datasets.text(path=str(path), root="", sequence=50, validation=0.0, test=0.1)
    assert "\n" not in str(error.value)


def test_the_alphabet_is_kept_with_the_run(finished):
    _, _, found, store = finished
    assert json.loads(store.text(found.info.run_id, "alphabet.json")) == "".join(sorted(set(TEXT)))
