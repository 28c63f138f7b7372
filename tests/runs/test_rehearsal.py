"""The rehearsal: what a configuration can never do is refused before the first training step."""

import importlib.util
import re
from typing import Any, NamedTuple

import numpy as np
import pytest
from support import stores

from brnn.config import groups
from brnn.config.annealing import annealed_keys
from brnn.errors import ConfigError, PluginError
from brnn.robustness.metrics import OF_BROKEN
from brnn.runs.plan import plan_run
from brnn.runs.rehearsal import rehearse
from brnn.runs.run import run
from brnn.tracking.sweep_job import SweepJob
from brnn.training import build

NET = ("dataset=arrays", "batch_size=20", "epochs=1", "compiled=false", "figures=[png]")
DEFAULTS = {
    "topology": "dense",
    "dataset": "arrays",
    "attack": "fgsm",
    "loss": "cross_entropy",
    "estimator": "identity",
}
PLUGIN = """
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from brnn.config.ranges import Positive
from brnn.data.dataset import Data


def traced(net, x, labels, seed, *, epsilon: Positive):
    return tf.matmul(x, tf.ones((5, 5)))


def computed(net, x, labels, seed, *, epsilon: Positive):
    return tf.numpy_function(_refused, [x], tf.float32)


def _refused(images):
    raise RuntimeError("no image of mine")


def sharp(x, upstream, fan_in):
    return upstream @ keras.ops.ones((5, 5))


def strict(labels, outputs):
    raise KeyError(
        "logits"
    )


def deep(task, activate, *, first_width: Any):
    raise ValueError("too deep")


def named(task, activate, *, first_width: Any):
    inputs = keras.Input(task.shape)
    hidden = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(task.classes, name="a+b")(hidden))


def doubles(*, path: str, seed: Any):
    x, y = np.random.default_rng(0).random((40, 6)), (np.arange(40) % 3).astype("int32")
    return Data((x, y), (x, y), (x, y), 3, "generated")


def absent(*, path: str, seed: Any):
    raise OSError("no such disk")
"""


class Place(NamedTuple):
    """A folder with data, a store and a plugin."""

    path: Any
    options: Any

    def given(self, *overrides, shape=(4, 4), classes=3):
        """The configuration of a run on data of a shape."""
        rng, y = np.random.default_rng(0), np.arange(100) % classes
        file = self.path / f"{'_'.join(map(str, (*shape, classes)))}.npz"
        np.savez(file, x=rng.random((100, *shape)).astype("float32"), y=y)
        places = [f"dataset.path={file}", f"checkpoints={self.path}/checkpoints"]
        places += [f"tracking.uri=sqlite:///{self.path}/mlflow.db", "plugins=[mylab_rehearsed]"]
        return self.options(*NET, *places, *overrides)

    def run(self, *overrides, job=None, **data):
        """Run, and return the run of the store."""
        run(self.given(*overrides, **data), job, (), lambda epoch, metrics: True)
        return stores.all_runs(self.store)[-1]

    def refusal(self, *overrides, job=None, **data):
        """The line that refuses a run before it is in the store."""
        before = len(stores.all_runs(self.store))
        with pytest.raises(ConfigError) as refused:
            self.run(*overrides, job=job, **data)
        made = stores.all_runs(self.store)[before:]
        assert made == []
        assert "\n" not in str(refused.value)
        return str(refused.value)

    def failure(self, *overrides):
        """The line of an error in the plugin, and the traceback that the failed run keeps."""
        before = len(stores.all_runs(self.store))
        with pytest.raises(PluginError) as failed:
            self.run(*overrides)
        (made,) = stores.all_runs(self.store)[before:]
        assert made.info.status == "FAILED"
        assert made.data.tags["error"] == f"PluginError: {failed.value}"
        assert made.data.params["loss"] in ("cross_entropy", "strict")
        return str(failed.value), self.store.text(made.info.run_id, "error.txt")

    @property
    def store(self):
        return stores.open_in(self.path)


@pytest.fixture(scope="module")
def place(folder_with_store, options):
    """A place whose plugin can be imported."""
    path = folder_with_store("rehearsed")
    (path / "mylab_rehearsed.py").write_text(PLUGIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(path)
        yield Place(path, options)


def of_plugin(group, name, *kept):
    """Overrides that put a function of the plugin in the place of the default option."""
    keys = groups.arguments(groups.option(group, DEFAULTS[group]))
    removed = [f"~{group}.{key}" for key in keys if key not in kept]
    return [f"{group}.name=mylab_rehearsed.{name}", *removed]


def line_of(text):
    """The number of the line of the plugin that holds a text."""
    (number,) = [n for n, line in enumerate(PLUGIN.splitlines(), 1) if text in line]
    return number


# Names


def test_the_rehearsal_names_all_metrics_of_a_run_and_leaves_its_net_as_it_is(place):
    configuration = place.given(
        *("topology=mlp", "topology.dropout=0.5", "attack=suite", "attack.members=[bim,noise]"),
        "export.formats=[levels]", "figures=[]",
    )  # fmt: skip
    plan = plan_run(configuration, None, ())
    program = build.program(configuration, plan.task)
    before = program.state()
    names = set(rehearse(plan, program, place.store, None))
    assert all(np.array_equal(a, b) for a, b in zip(before, program.state(), strict=True))
    run(configuration, None, (), lambda epoch, metrics: True)
    logged = stores.all_runs(place.store)[-1].data.metrics.keys()
    assert not logged - names
    assert not {name for name in names - logged if not name.endswith(OF_BROKEN)}


@pytest.mark.parametrize("estimator", ["ede", "reste", "tanh"])
def test_an_annealed_estimator_is_rehearsed_with_its_first_value(place, estimator):
    configuration = place.given("attack=none", f"estimator={estimator}", "progression=layerwise")
    plan = plan_run(configuration, None, ())
    metrics = rehearse(plan, build.program(configuration, plan.task), place.store, None)
    (key, annealing), *_ = annealed_keys(configuration["estimator"]).items()
    assert metrics[f"annealed/{key}"] == annealing["from"] > 0


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["attack=none", "objective=variables/positive/logits/bais"],
            r"objective must be a metric of the run, as variables/positive/logits/bias, .*/bais'",
        ),
        (
            ["attack=suite", "attack.members=[noise,bim]", "objective=suite/nose/broke_further"],
            r"objective must be a metric of the run, as suite/noise/broke_further, .*",
        ),
        (
            ["attack=none", "epochs=2", "patience=1", "monitor=min train/los"],
            r"monitor must name a metric of an epoch, got 'train/los': train/loss, .*",
        ),
        (
            ["attack.source=nowhere"],
            "attack.source must be null, twin, the id of a run .* file of one, got nowhere: .*",
        ),
        (
            ["attack=none", *of_plugin("topology", "named", "first_width")],
            r"the name of a metric must have .*, got '.*/a\+b/kernel'; rename the layer .*",
        ),
    ],
)
def test_what_has_no_such_name_is_refused(place, overrides, message):
    assert re.fullmatch(message, place.refusal(*overrides))


def test_a_search_needs_its_monitor_from_the_first_epoch_on(place):
    job = SweepJob(parent="p", launch="l", trial=0)
    refused = place.refusal("attack=none", "monitor=min test/los", job=job)
    assert refused.startswith("monitor must name a metric of an epoch, got 'test/los': ")


def test_an_objective_that_exists_only_where_an_image_is_broken_is_not_refused(place):
    place.run("objective=attack/linf_median", "figures=[]")


def test_quotes_have_no_part_in_the_name_of_a_member(place):
    members = """attack.members=['pgd loss="margin"',noise]"""
    metrics = place.run("attack=suite", members, "attack.checks=false", "figures=[]").data.metrics
    assert "suite/pgd-loss:margin/broke_further" in metrics


# Shapes


@pytest.mark.parametrize("shape", [(7,), (5, 1), (1, 3, 4, 5), (2, 2, 1, 2, 3)])
def test_inputs_of_any_number_of_axes_are_attacked(place, shape):
    run = place.run("topology.width=4", shape=shape)
    assert {"trust/squares", "attack_noise/robust_accuracy"} <= run.data.metrics.keys()
    drawn = place.store.client.list_artifacts(run.info.run_id, "figures")
    assert {file.path.rpartition(".")[2] for file in drawn} == {"png"}
    assert "figures/adversarial_examples.png" in [file.path for file in drawn]


def test_a_member_that_two_classes_do_not_allow_is_named(place):
    refused = place.refusal("attack=suite", classes=2)
    assert refused.startswith("attack.members: apgd loss=dlr: dlr needs at least 3 classes, got 2")


@pytest.mark.skipif(not importlib.util.find_spec("art"), reason="needs the toolbox")
def test_a_foreign_attack_that_wants_images_is_refused(place):
    overrides = ["attack=art", "attack.method=SquareAttack", "attack.checks=false"]
    refused = place.refusal(*overrides, "+attack.arguments.max_iter=2", shape=(7,))
    assert refused.startswith("attack=art failed: ")


def test_data_of_a_plugin_in_float64_are_attacked(place):
    run = place.run(*of_plugin("dataset", "doubles", "path", "seed"), "figures=[]")
    assert "trust/squares" in run.data.metrics


# Functions of plugins


@pytest.mark.parametrize(
    ("overrides", "name", "line"),
    [
        (of_plugin("attack", "traced", "epsilon"), "attack.name", "tf.matmul"),
        (of_plugin("estimator", "sharp"), "estimator.name", "upstream @"),
        (of_plugin("topology", "deep", "first_width"), "topology.name", '"too deep"'),
        (["attack=none", *of_plugin("loss", "strict")], "loss.name", "raise KeyError("),
        (of_plugin("dataset", "absent", "path", "seed"), "dataset.name", '"no such disk"'),
    ],
)
def test_an_error_of_a_plugin_names_the_option_and_the_line(place, overrides, name, line):
    failed, kept = place.failure(*overrides)
    file, number = f"{place.path}/mylab_rehearsed.py", line_of(line)
    assert failed.startswith(f"{name}=mylab_rehearsed.")
    assert f" failed at {file}:{number} (" in failed
    assert f'File "{file}", line {number}, in ' in kept
    assert kept.rstrip().endswith(failed)


def test_an_error_of_a_plugin_that_computes_outside_tensorflow_is_refused(place):
    refused = place.refusal(*of_plugin("attack", "computed", "epsilon"))
    message = "attack=mylab_rehearsed.computed failed: RuntimeError: no image of mine"
    assert refused.startswith(message)


def test_a_format_that_cannot_hold_the_net_is_refused_before_it_is_trained(place):
    line = place.refusal("export.formats=[levels,c]", "attack=none")
    assert line.startswith(
        "format=c needs bytes or levels as inputs, weights of two or three levels"
    )
    assert "but hidden_0 has real inputs; formats that hold it: levels, onnx" in line
