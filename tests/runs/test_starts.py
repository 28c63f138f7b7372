"""Runs that start or learn from others: their weights, name and tags; refusals before training."""

import io
import re
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import pytest

from brnn.config.model_file import with_architecture
from brnn.data.pixels import to_pixels
from brnn.errors import BrnnError, ConfigError
from brnn.exchange.levels import levels
from brnn.exchange.reading import read
from brnn.nets import models
from brnn.nets.task import Task
from brnn.robustness.nets import RunNets
from brnn.runs.plan import plan_run
from brnn.runs.run import run
from brnn.runs.starts import load_start, load_surrogate
from brnn.tracking.store import Store, open_store
from brnn.training import build
from brnn.training.loop import no_progress
from tests.support.data import write_two_classes
from tests.support.exported_nets import images, model_of

NET = ("topology=mlp", "topology.width=6", "topology.depth=1", "recipe=modern")
QUICK = ("epochs=1", "batch_size=50", "attack=none", "figures=[]", "compiled=false")


@dataclass
class Place:
    """A store with a net in full precision, and a binary one that started from it."""

    options: object
    words: tuple
    store: Store
    full: str = ""
    binary: str = ""

    def plan(self, *words):
        return plan_run(self.options(*self.words, *words), None, ())

    def run(self, *words):
        run(self.options(*self.words, *words), None, (), lambda epoch, metrics: True)
        return self.runs()[0].info.run_id

    def runs(self):
        return self.store.search("")


@pytest.fixture(scope="module")
def place(options, folder_with_store):
    folder = folder_with_store("starts")
    data = write_two_classes(folder / "two.npz")
    uri = f"sqlite:///{folder}/mlflow.db"
    words = (*NET, *QUICK, f"tracking.uri={uri}", f"checkpoints={folder}/checkpoints")
    words = (*words, "dataset=arrays", f"dataset.path={data}", "dataset.seed=0")
    made = Place(options, words, open_store(uri=uri, experiment="brnn"))
    made.full = made.run("precision=full")
    made.binary = made.run("precision=binarynet", f"init.from={made.full}")
    return made


def started(place, *words):
    plan = place.plan(*words)
    return build.program(plan.options, plan.task, start=load_start(plan, place.store)).manager


def test_a_binary_net_starts_from_a_float_one(place):
    manager = started(place, "precision=binarynet", f"init.from={place.full}")
    real = place.store.model(place.full).get_weights()
    for variable, value, old in zip(
        manager.model.weights, manager.model.get_weights(), real, strict=True
    ):
        is_discretized = variable.path.endswith(("kernel", "bias"))
        size = 1.4 * np.abs(old).mean() if is_discretized else 1
        expected = np.clip(old / size, -1, 1) if is_discretized else old
        np.testing.assert_allclose(value, expected, rtol=1e-5, err_msg=variable.path)


def test_a_ternary_net_starts_from_the_latent_weights_of_a_binary_one(place):
    manager = started(place, "precision=ternary", f"init.from={place.binary}")
    with np.load(io.BytesIO(place.store.file(place.binary, "latent.npz"))) as arrays:
        kernel, bound = arrays["latent_0"], float(arrays["bound_0"])
    assert bound == 1.0
    assert len(np.unique(np.abs(kernel))) > 100  # latent weights, not levels
    new = manager.rules[0].bound
    expected = np.clip(kernel * new / (1.4 * np.abs(kernel).mean()), -new, new)
    np.testing.assert_allclose(manager.model.get_weights()[0], expected, rtol=1e-5)
    assert 0.2 < np.mean(manager.weights()[0] == 0) < 0.7
    again = started(place, "precision=binarynet", f"init.from={place.binary}")
    np.testing.assert_array_equal(again.model.get_weights()[0], kernel)


def test_name_tags_and_fingerprint_state_the_other_runs(place):
    words = ("precision=binarynet", f"init.from={place.full}", f"teacher={place.full}")
    short = place.full[:8]
    plan = place.plan(*words)
    assert plan.name == f"binarynet-identity-mlp-modern-init.from={short}-teacher={short}-s0"
    others = [place.plan(*words[:count]) for count in (1, 2)]
    assert len({plan.fingerprint, *(other.fingerprint for other in others)}) == 3
    assert len({plan.trained, *(other.trained for other in others)}) == 3
    learnt = place.store.get(place.run(*words))
    assert learnt.data.tags["init_from"] == learnt.data.tags["teacher"] == place.full
    assert learnt.data.params["teacher"] == place.full
    assert learnt.info.run_name == plan.name
    plain = place.store.get(place.full).data.tags
    assert not plain.keys() & {"init_from", "teacher"}


@pytest.fixture(scope="module")
def small(place, tmp_path_factory):
    """A run on images of 4 by 4 and four classes, in the same store."""
    path = tmp_path_factory.mktemp("small") / "small.npz"
    rng = np.random.default_rng(0)
    np.savez(path, x=rng.random((100, 4, 4)).astype("float32"), y=np.arange(100) % 4)
    return place.run("precision=full", f"dataset.path={path}")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["init.from=nothing"],
            "init.from must be null or the id of a run with a net, got nothing",
        ),
        (["teacher=nothing"], "teacher must be null or the id of a run with a net, got nothing"),
        (
            ["init.from={full}", "topology.width=7"],
            "init.from must be a run or a file whose net has the same shapes; hidden_0/kernel is"
            " (784, 7) here and (784, 6) there",
        ),
        (["init.from={small}"], "hidden_0/kernel is (784, 6) here and (16, 6) there"),
        (
            ["teacher={small}"],
            "teacher={small} maps inputs of (4, 4) to outputs of (4,), and the data have (28, 28)"
            " and 2 classes",
        ),
    ],
)
def test_a_run_that_does_not_fit_is_refused_before_training(place, small, words, message):
    known = {"full": place.full, "small": small}
    before = len(place.runs())
    with pytest.raises(ConfigError, match=re.escape(message.format(**known))) as refused:
        place.run("precision=binarynet", *(word.format(**known) for word in words))
    assert "\n" not in str(refused.value)
    assert len(place.runs()) == before


def test_a_net_of_a_file_needs_the_file_no_more(place, tmp_path):
    layers = [keras.Input((784,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(2)]
    keras.Sequential(layers).save(tmp_path / "net.keras")
    words = ("topology=keras", f"topology.path={tmp_path}/net.keras", "precision=binarynet")
    options = with_architecture(place.options(*place.words[len(NET) :], *words))
    run(options, None, (), lambda epoch, metrics: True)
    (tmp_path / "net.keras").unlink()
    logged = place.runs()[0]
    assert logged.info.run_name == "binarynet-identity-keras-original-s0"
    assert "topology.path" in logged.data.params
    assert "topology.net" not in logged.data.params
    config, weights = place.store.net(logged.info.run_id)
    net = models.model_with_weights(config, Task((28, 28), 2), "trained", weights)
    x = np.random.default_rng(0).random((3, 28, 28)).astype("float32")
    np.testing.assert_allclose(net(x), place.store.model(logged.info.run_id)(x), rtol=1e-5)
    assert np.unique(weights[0]).tolist() == [-1, 1]


@pytest.fixture(scope="module")
def surrogates(tmp_path_factory):
    """Files of nets of these data, images with the logits of each, and files that do not fit."""
    folder = tmp_path_factory.mktemp("surrogates")
    net = read(model_of(task=Task((28, 28), 2)), pixels=True)
    (folder / "net.npz").write_bytes(levels(net).content)
    layers = [keras.Input((784,)), keras.layers.Dense(5, activation="relu"), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.save(folder / "net.keras")
    (folder / "small.npz").write_bytes(levels(read(model_of(), pixels=True)).content)
    other = read(model_of(task=Task((28, 28), 4)), pixels=True)
    (folder / "other.npz").write_bytes(levels(other).content)
    (folder / "part.npz").write_bytes(levels(net).content[:500])
    x = images(50, image=(28, 28))
    pixels = np.asarray(to_pixels(x))
    real = np.asarray(model(pixels.reshape(-1, 784)))
    return folder, pixels, {"net.npz": net.logits(x), "net.keras": real}


def nets_of(place):
    plan = place.plan("precision=binarynet")
    load = partial(load_surrogate, plan, place.store)
    return RunNets(plan.options, plan.data, [], load, no_progress)


@pytest.mark.parametrize("name", ["net.npz", "net.keras"])
def test_a_file_is_a_surrogate(place, surrogates, name):
    folder, x, logits = surrogates
    found = np.asarray(nets_of(place).through("trained", str(folder / name))(x))
    np.testing.assert_allclose(found, logits[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("small.npz", r"small.npz is a net of inputs of \[1, 1, 30\], not \(28, 28\)"),
        ("other.npz", r"attack.source=\S+other.npz does not fit inputs of \(28, 28\): .*of \(4,\)"),
        ("part.npz", "part.npz is not a complete file of the format levels"),
        ("no.npz", "no.npz is not a file"),
    ],
)
def test_a_surrogate_that_does_not_fit_is_named(place, surrogates, name, message):
    with pytest.raises(BrnnError, match=message):
        nets_of(place).through("trained", str(surrogates[0] / name))


def test_a_start_that_does_not_fit_says_what_trains_the_net_of_a_file(place, surrogates):
    with pytest.raises(ConfigError, match="brnn import FILE epochs=5 trains the net of a file"):
        started(place, f"init.from={surrogates[0]}/net.npz")


def test_another_file_under_the_same_name_makes_another_run(place, tmp_path):
    words = ("attack=pgd", "attack.early_stop=false", f"attack.source={tmp_path}/net.npz")
    fingerprints = set()
    for content in (b"one", b"two"):
        (tmp_path / "net.npz").write_bytes(content)
        fingerprints.add(place.plan(*words).fingerprint)
    assert len(fingerprints) == 2
