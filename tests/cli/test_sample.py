"""A run on text: its logged net predicts in a new process what it reported, and writes again."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brnn.cli import sample
from brnn.config import groups
from brnn.data import sequences
from brnn.errors import ConfigError
from brnn.nets import models
from brnn.nets.task import Task
from brnn.runs import text
from brnn.runs.run import run
from brnn.tracking.store import open_store
from brnn.training import build, loop

TEXT = "the cat sat on the mat. a bat ate the rat.\n" * 30
NETS = {
    "gru": ("topology=gru", "precision=contextual_binary", "precision.recurrent_scale=0.25"),
    "scaled_gru": ("topology=scaled_gru", "precision=binaryconnect", "distribution=none"),
    "clockwork": ("topology=clockwork", "precision=binarynet", "distribution=none"),  # signs inside
}
BATCH = 4
ONE_STEP = Task((1,), len(set(TEXT)), tokens=True, per_step=True, carried=True)
PREDICT = """
import sys
import mlflow, numpy as np
uri, x, *runs = sys.argv[1:]
mlflow.set_tracking_uri(uri)
for run in runs:
    np.save(run, mlflow.pyfunc.load_model(f"runs:/{run}/model").predict(np.load(x)))
"""


@pytest.fixture(scope="module")
def folder(folder_with_store):
    path = folder_with_store("texts")
    (path / "text.txt").write_text(TEXT)
    return path


def goes_on(epoch, metrics):
    return True


def stops(epoch, metrics):
    raise KeyboardInterrupt


def tracked_run(chosen, on_epoch=goes_on):
    """Return a new run's options, its objective, its record in the store and the store."""
    objective = run(chosen, None, (), on_epoch)
    store = open_store(**chosen["tracking"])
    (newest, *_) = store.client.search_runs([store.experiment_id], order_by=["start_time DESC"])
    return chosen, objective, newest, store


@pytest.fixture(scope="module")
def all_finished(folder, options):
    """Finished runs on the text."""
    common = (
        "dataset=text", f"dataset.path={folder}/text.txt", "dataset.sequence=10",
        "dataset.test=0.1",
        "topology.width=12", "topology.depth=2", "epochs=2",
        f"batch_size={BATCH}", "compiled=false", "figures=[]",
        "sample.length=20", f"checkpoints={folder}", f"tracking.uri=sqlite:///{folder}/mlflow.db",
    )  # fmt: skip
    return {name: tracked_run(options(*words, *common)) for name, words in NETS.items()}


@pytest.fixture(params=["gru", "clockwork"])
def finished(request, all_finished):
    return all_finished[request.param]


def whole_streams(data):
    """Return the rows that the run read as streams, joined, and which of them are not padding."""
    x, y = data.test
    order = loop.streams(len(x), BATCH)
    rows = order.T % len(x)
    return (
        x[rows].reshape(len(rows), -1),
        y[rows].reshape(len(rows), -1),
        np.repeat(len(x) > order.T, 10, axis=1),
    )


def test_the_logged_nets_predict_in_a_new_process_what_their_runs_reported(all_finished, tmp_path):
    options, _, _, store = all_finished["gru"]
    x, y, real = whole_streams(groups.function("dataset", options["dataset"], [])())
    np.save(tmp_path / "x.npy", x)
    ids = [tracked.info.run_id for _, _, tracked, _ in all_finished.values()]
    command = [sys.executable, "-I", "-c", PREDICT, store.uri, "x.npy", *ids]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for _, outcome, tracked, _ in all_finished.values():
        logits = np.load(tmp_path / f"{tracked.info.run_id}.npy")
        accuracy = np.mean((logits.argmax(axis=-1) == y)[real])
        assert accuracy == pytest.approx(tracked.data.metrics["test/accuracy"], abs=1e-6)
        assert outcome.value == tracked.data.metrics["validation/accuracy"]


def test_the_logged_recurrent_kernels_hold_exactly_the_scale(all_finished):
    for options, _, tracked, store in all_finished.values():
        _, weights = store.net(tracked.info.run_id)
        paths = [weight.path for weight in models.plain_model(options, ONE_STEP, weights).weights]
        kernels = [
            weight
            for path, weight in zip(paths, weights, strict=True)
            if path.endswith("/recurrent_kernel")
        ]
        scale = options["precision"].get("recurrent_scale", 1.0)
        assert [set(np.unique(kernel)) for kernel in kernels] == 2 * [{-scale, scale}]


def test_a_stopped_run_goes_on_to_the_same_bits(all_finished):
    options, objective, tracked, store = all_finished["gru"]
    with pytest.raises(KeyboardInterrupt):
        tracked_run(options | {"resume": False}, stops)  # after the first of two epochs
    _, again, resumed, _ = tracked_run(options)
    assert again == objective
    metrics, others = (
        {
            key: value
            for key, value in record.data.metrics.items()
            if "time" not in key and "second" not in key
        }
        for record in (tracked, resumed)
    )
    assert metrics == others
    (_, weights), (_, others) = (store.net(record.info.run_id) for record in (tracked, resumed))
    assert [w.tobytes() for w in weights] == [w.tobytes() for w in others]


def test_a_run_on_text_logs_bits_perplexity_and_the_spectral_radius(finished):
    metrics = finished[2].data.metrics
    loss = metrics["test/loss"]
    assert metrics["test/bits_per_character"] == pytest.approx(loss / np.log(2))
    assert metrics["test/perplexity"] == pytest.approx(np.exp(loss))
    assert metrics["spectral_radius/recurrent_1/cell/recurrent_kernel"] > 0
    assert metrics["cost/sign_flips"] > 0


def test_a_run_leaves_a_sample_which_the_command_writes_again(finished, capsys):
    options, _, tracked, store = finished
    sampled = store.text(tracked.info.run_id, "sample.txt")
    assert len(sampled) == options["sample"]["length"]
    sample.main([f"run={tracked.info.run_id}", f"tracking.uri={store.uri}"])
    assert capsys.readouterr().out == sampled + "\n"
    sample.main(
        [
            f"run={tracked.info.run_id}",
            f"tracking.uri={store.uri}",
            "prompt=the c",
            "length=3",
            "seed=5",
        ]
    )
    assert len(capsys.readouterr().out) == len("the c") + 3 + 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["temperature=0"], "sample.temperature must be a finite number above 0, got 0"),
        (["length=many"], "sample.length must be a whole number, 1 or more, got 'many'"),
        (["prompt=THE"], "sample.prompt must be of the characters"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(finished, words, message):
    _, _, tracked, store = finished
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        sample.main([f"run={tracked.info.run_id}", f"tracking.uri={store.uri}", *words])
    assert "\n" not in str(error.value)


# What is written


def chain(options, **keys):
    """Return the text of a net with a unit per character that puts b after a, c after b, …"""
    whole = options("dataset=text", "topology=rnn", "topology.width=4", "precision=full")
    task = replace(ONE_STEP, classes=4)
    weights = build.program(whole, task).manager.weights()
    kernel, recurrent, bias, logits, offset = (np.zeros_like(weight) for weight in weights)
    kernel[:] = 2 * np.eye(4)
    logits[:] = 9 * np.roll(np.eye(4), 1, axis=1)
    return text.write(whole, "abcd", [kernel, recurrent, bias, logits, offset], **SAMPLE | keys)


SAMPLE = {"temperature": 0.1, "prompt": "", "length": 8, "seed": 0}


def test_a_net_goes_on_from_the_prompt_which_comes_first(options):
    assert chain(options) == "bcdabcda"
    assert chain(options, prompt="ac", length=3) == "acdab"


def test_a_high_temperature_surprises_and_a_seed_repeats(options):
    hot = {"temperature": 50.0, "length": 40}
    assert chain(options, **hot) == chain(options, **hot) != chain(options, **hot, seed=1)
    assert chain(options, **hot) != chain(options, length=40)


def test_a_character_that_the_net_does_not_know_is_refused(options):
    with pytest.raises(
        ConfigError, match=r"sample\.prompt must be of the characters 'abcd', got 'x'"
    ):
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
        sequences.text(path=str(path), root="", sequence=50, carried=True, validation=0.0, test=0.1)
    assert "\n" not in str(error.value)


def test_the_alphabet_is_kept_with_the_run(finished):
    _, _, tracked, store = finished
    assert json.loads(store.text(tracked.info.run_id, "alphabet.json")) == "".join(
        sorted(set(TEXT))
    )
