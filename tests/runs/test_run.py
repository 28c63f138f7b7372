"""A run: its records in the store, a model that predicts as reported, the same bits every time."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from support import processes

from brnn.attacks import batches
from brnn.config import groups
from brnn.data import sources
from brnn.data.load import load
from brnn.errors import ConfigError, NonFiniteError
from brnn.robustness import nets
from brnn.runs import record
from brnn.runs.run import run
from brnn.tracking.store import open_store
from brnn.training import build
from brnn.training.lending import Lending

EPOCHS, TEST = 2, 1000
NET = (
    *("precision=stochastic_ternary", "estimator=ste", "attack.checks=false", "seed=3"),
    *(
        "topology=mlp",
        "topology.width=24",
        "topology.depth=1",
        "topology.dropout=0.1",
        "topology.real_first=true",
    ),
)
QUICK = ("epochs=1", "attack=none", "figures=[]")
BY_EPOCH = {
    *("train/loss", "train/accuracy", "train/images_per_second"),
    *("validation/accuracy", "test/loss", "test/accuracy", "sparsity/all", "flip_rate/all"),
}
ATTACKS = ("attack", "attack_identity", "attack_noise")
OF_ATTACKS = ("clean_accuracy", "robust_accuracy", "success_rate", "broke", "linf", "l2")
ONCE = {
    "size/bits_per_weight",
    "best/epoch",
    *(f"{attack}/{key}" for attack in ATTACKS for key in OF_ATTACKS),
}
COMMAND = "brnn optimizer.learning_rate=0.1 tracking.uri=sqlite:///a/mlflow.db"
UNREPEATABLE = ("time/", "train/images_per_second")  # measured times


@dataclass
class Tracked:
    """A run as the store has it, and the objective that it returned."""

    objective: float
    client: object
    id: str
    options: dict

    @property
    def data(self):
        return self.client.get_run(self.id).data

    @property
    def status(self) -> str:
        return self.client.get_run(self.id).info.status

    def history(self, key) -> list[tuple[int, float]]:
        values = self.client.get_metric_history(self.id, key)
        return sorted((value.step, value.value) for value in values)

    def artifact(self, path) -> Path:
        return Path(self.client.download_artifacts(self.id, path))

    def model(self) -> keras.Model:
        return keras.models.load_model(self.artifact("model/data/model.keras"))

    def bits(self) -> dict:
        """All weights of the logged model and all metrics of all epochs, to the bit; no times."""
        keys = [key for key in self.data.metrics if not key.startswith(UNREPEATABLE)]
        assert len(keys) > len(ONCE)
        weights = {weight.path: weight.numpy().tobytes() for weight in self.model().weights}
        return weights | {key: self.history(key) for key in keys}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the store of these tests lies, and the 5,000 embedded digits as somebody's own data."""
    path = tmp_path_factory.mktemp("runs")
    np.savez(
        path / "digits.npz",
        **dict(zip(("x", "y", "x_test", "y_test"), sources.embedded_digits(), strict=True)),
    )
    return path


def placed(folder, store="mlflow.db"):
    """Overrides of the data, and of what a run writes."""
    data = ("dataset=arrays", f"dataset.path={folder}/digits.npz", f"epochs={EPOCHS}")
    return (
        *data,
        "resume=false",
        f"checkpoints={folder}/checkpoints",
        f"tracking.uri=sqlite:///{folder}/{store}",
    )


def runs(folder, store="mlflow.db"):
    """What is in a store, the newest first."""
    opened = open_store(uri=f"sqlite:///{folder}/{store}", experiment="brnn")
    return [
        (opened.client, run.info.run_id)
        for run in opened.client.search_runs([opened.experiment_id])
    ]


@pytest.fixture(scope="module")
def track(folder, options):
    """A function from overrides to a run."""

    def track_(*overrides) -> Tracked:
        chosen = options(*placed(folder), *NET, *overrides)
        value = run(chosen, None, "", lambda epoch, metrics: True, COMMAND)
        return Tracked(value, *runs(folder)[0], chosen)

    return track_


@pytest.fixture(scope="module")
def tracked(track):
    """The run that most tests look at."""
    return track()


@pytest.fixture(scope="module")
def checked(track):
    """A run whose attack is checked."""
    return track("epochs=1", "attack.checks=true", "attack.images=40", "figures=[svg]")


def images(folder):
    with np.load(folder / "digits.npz") as digits:
        return (digits["x_test"] / 255).astype("float32"), digits["y_test"]


# What it leaves


def test_metrics_of_every_epoch_are_logged_at_every_epoch(tracked):
    for key in BY_EPOCH:
        assert [step for step, _ in tracked.history(key)] == list(range(1, EPOCHS + 1)), key
    for role in ("kernel", "bias"):
        for measure in ("sparsity", "positive", "flip_rate", "at_bound"):
            assert len(tracked.history(f"variables/{measure}/logits/{role}")) == EPOCHS


def test_other_metrics_are_logged_once_at_step_0_which_the_ui_draws_as_bars(tracked):
    for key in ONCE:
        assert [step for step, _ in tracked.history(key)] == [0], key


def test_metrics_are_the_decimals_that_a_person_would_write(tracked):
    for key in ("test/accuracy", "validation/accuracy", "attack/robust_accuracy"):
        assert len(str(tracked.data.metrics[key])) <= len("0.1234"), key


def test_the_run_lists_its_command_its_data_and_its_model(tracked):
    run = tracked.client.get_run(tracked.id)
    assert run.data.tags["mlflow.source.name"] == COMMAND
    assert run.data.tags["mlflow.source.type"] == "JOB"
    (entry,) = run.inputs.dataset_inputs
    assert (entry.dataset.name, entry.dataset.source_type) == ("arrays", "npz")
    assert json.loads(entry.dataset.profile) == {"train": 3600, "validation": 400, "test": 1000}
    digest = load(json.dumps(tracked.options["dataset"]), ())[1]
    assert digest.startswith(entry.dataset.digest)
    models = json.loads(run.data.tags["mlflow.log-model.history"])
    assert [model["artifact_path"] for model in models] == ["model", "model_bytes"]
    for model in models:
        assert tracked.artifact(f"{model['artifact_path']}/MLmodel").is_file()


def test_the_description_of_a_run_is_its_verdict_and_its_attacks(checked):
    tags, metrics = checked.data.tags, checked.data.metrics
    verdict, blank, head, _, *rows = tags["mlflow.note.content"].splitlines()
    assert tags["trusted"] in verdict
    assert (blank, head) == ("", "|  | attack | attack_identity | attack_noise |")
    assert f"| robust_accuracy | {metrics['attack/robust_accuracy']:.4f} |" in rows[1]


def test_metrics_have_their_units_and_fit_each_other(tracked):
    metrics = tracked.data.metrics
    shares = [
        key for key in metrics if key.endswith(("accuracy", "rate", "broke")) or "sparsity" in key
    ]
    assert len(shares) > 20
    assert all(0 <= metrics[key] <= 1 for key in shares)
    assert metrics["test/accuracy"] > 0.2
    assert metrics["train/images_per_second"] > 100
    assert 25 < metrics["size/bits_per_weight"] < 32  # the first layer has 32
    for attack in ATTACKS:
        assert metrics[f"{attack}/clean_accuracy"] == pytest.approx(
            metrics["test/accuracy"], abs=1e-6
        )
        assert metrics[f"{attack}/broke"] == pytest.approx(1 - metrics[f"{attack}/robust_accuracy"])
        assert metrics[f"{attack}/linf"] == pytest.approx(0.1, abs=2e-3)


def test_tags_and_parameters_are_the_plain_names_of_the_choices(tracked):
    choices = {"precision": "stochastic_ternary", "estimator": "ste", "topology": "mlp"}
    names = choices | {"attack": "fgsm", "dataset": "arrays", "seed": "3"}
    assert {key: tracked.data.tags[key] for key in names} == names
    assert {key: tracked.data.params[key] for key in names} == names
    assert tracked.data.tags["mlflow.runName"] == "stochastic_ternary-ste-mlp-modern-s3"
    assert tracked.data.tags["data_source"] == "npz"


def test_every_other_key_is_a_parameter_with_dots(tracked):
    params = tracked.data.params
    assert (params["epochs"], params["topology.width"], params["attack.epsilon"]) == (
        "2",
        "24",
        "0.1",
    )
    own = {
        key
        for key in groups.flat(tracked.options)
        if not key.endswith((".name", ".preset")) and key not in record.COMMANDS
    }
    assert params.keys() == own | set(record.GROUPS)


def test_the_artifacts_are_configuration_versions_and_figures(tracked):
    assert yaml.safe_load(tracked.artifact("config.yaml").read_text()) == tracked.options
    versions = yaml.safe_load(tracked.artifact("versions.yaml").read_text())
    assert versions.keys() == set(record.PACKAGES)
    assert versions["keras"] == keras.__version__
    kinds = {".png": b"\x89PNG", ".svg": b"<?xm"}
    found = {path.name: path.read_bytes()[:4] for path in tracked.artifact("figures").iterdir()}
    names = ("adversarial_examples", "confusion", "confusion_under_attack", "flips")
    shown = (*names, "latent_weights", "latent_weights_by_epoch", "learning_curves")
    assert found == {f"{name}{kind}": head for name in shown for kind, head in kinds.items()}


def test_figures_are_drawn_in_the_formats_of_choice(checked):
    found = {path.suffix for path in checked.artifact("figures").iterdir()}
    assert found == {".svg"}


def test_it_is_finished_and_leaves_no_checkpoint_but_of_the_trained_net(tracked, folder):
    assert tracked.status == "FINISHED"
    assert [path.name for path in (folder / "checkpoints").iterdir()] == ["trained"]


def test_it_returns_the_accuracy_of_validation_not_of_test(tracked):
    assert tracked.objective == tracked.data.metrics["validation/accuracy"]
    assert tracked.objective != tracked.data.metrics["test/accuracy"]


def test_the_terminal_shows_layers_epochs_and_results_and_no_figures_are_drawn(track, capsys):
    tracked = track(*QUICK)
    out, err = capsys.readouterr()
    assert re.search(r"\nreal_first/kernel +\(784, 24\) +kernel +real ", out)
    assert re.search(
        r"\nlogits/kernel +\(24, 10\) +kernel +stochastic_ternary\(scale=1\) +240 +2\n", out
    )
    assert "\nstochastic_ternary-ste-mlp-modern-s3  epoch 1/1  loss " in out
    assert re.search(rf"\ntest/accuracy +{tracked.data.metrics['test/accuracy']:.4f}\n", out)
    uri = tracked.options["tracking"]["uri"]
    assert out.endswith(f"\nbrnn ui run={tracked.id} tracking.uri={uri}\n")
    assert err == ""
    assert not tracked.client.list_artifacts(tracked.id, "figures")


# The logged model


def test_the_sparsity_is_the_share_of_exact_zeros_in_the_logged_model(track):
    tracked = track("precision=ternary", "topology.real_first=false", "compiled=false", *QUICK)
    kernel = tracked.model().get_layer("hidden_0").kernel.numpy()
    assert set(np.unique(kernel)) == {np.float32(-0.1), 0, np.float32(0.1)}
    weights = np.concatenate([w.numpy().ravel() for w in tracked.model().trainable_variables])
    share = (weights == 0).mean()
    assert 0.01 < share < 0.99
    assert tracked.data.metrics["sparsity/all"] == pytest.approx(share, abs=1e-12)


FRESH = """
import sys
import mlflow, numpy as np
uri, run, digits = sys.argv[1:]
mlflow.set_tracking_uri(uri)
with np.load(digits) as arrays:
    x, y = (arrays["x_test"] / 255).astype("float32"), arrays["y_test"]
    pixels = arrays["x_test"]
outputs = mlflow.pyfunc.load_model(f"runs:/{run}/model").predict(x)
of_bytes = mlflow.pyfunc.load_model(f"runs:/{run}/model_bytes").predict(pixels)
same = np.abs(outputs - of_bytes).max() < 1e-3 * np.abs(outputs).max()
print(len(y), np.mean(outputs.argmax(axis=1) == y), same, "brnn" in sys.modules)
"""


def test_the_logged_model_predicts_what_was_reported_in_a_fresh_process_without_this_package(
    tracked, folder
):
    arguments = [tracked.options["tracking"]["uri"], tracked.id, str(folder / "digits.npz")]
    command = [sys.executable, "-c", FRESH, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    rows, accuracy, same, ours = done.stdout.splitlines()[-1].split()
    assert (int(rows), same, ours) == (TEST, "True", "False")
    assert float(accuracy) == pytest.approx(tracked.data.metrics["test/accuracy"], abs=1e-6)


# Which epoch

FORGETFUL = (
    *("precision=binaryconnect", "topology.real_first=false", "topology.dropout=0"),
    *("compiled=false", "figures=[]"),
    *("schedule=exponential", "schedule.decay=30", "schedule.every=30"),  # the learning rate grows
)


def test_keep_chooses_the_net_that_is_attacked_logged_and_reported(track, folder):
    x, y = images(folder)
    best, last = (track(*FORGETFUL, f"keep={keep}") for keep in ("best", "last"))
    history = [accuracy for _, accuracy in best.history("validation/accuracy")]
    assert history[0] > history[EPOCHS - 1] + 0.05, "this net was to forget"
    assert [step for step, _ in best.history("train/loss")] == [*range(1, EPOCHS + 2)]
    assert [step for step, _ in last.history("train/loss")] == [*range(1, EPOCHS + 1)]
    for key in BY_EPOCH:  # the columns of the store show the net that was kept
        assert best.data.metrics[key] == best.history(key)[0][1], key
    assert best.data.metrics["best/epoch"] == last.data.metrics["best/epoch"] == 1
    for tracked, step in ((best, 0), (last, -1)):
        accuracy = tracked.history("test/accuracy")[step][1]
        assert np.mean(tracked.model().predict(x, verbose=0).argmax(axis=1) == y) == pytest.approx(
            accuracy, abs=1e-6
        )
        assert tracked.data.metrics["attack/clean_accuracy"] == pytest.approx(accuracy, abs=1e-6)
        assert tracked.objective == tracked.history("validation/accuracy")[step][1]


# What goes wrong


def test_a_loss_that_is_not_finite_fails_the_run_with_a_clear_error(track, folder):
    with pytest.raises(NonFiniteError) as error:
        track(
            "precision=full",
            "optimizer=sgd",
            "optimizer.learning_rate=1e35",
            "schedule=constant",
            "compiled=false",
        )
    assert str(error.value).startswith("epoch 1: the loss is ")
    assert str(error.value).endswith(
        "is not finite; try a lower optimizer.learning_rate (now 1e+35)"
    )
    latest = Tracked(0, *runs(folder)[0], {})
    assert latest.status == "FAILED"
    assert latest.data.tags["error"] == f"NonFiniteError: {error.value}"


def test_without_validation_data_the_objective_is_that_of_test(track):
    tracked = track(*QUICK, "compiled=false", "dataset.validation=0")
    assert tracked.objective == tracked.data.metrics["test/accuracy"]


def test_a_batch_larger_than_the_training_data_is_refused_before_there_is_a_run(track, folder):
    before = len(runs(folder))
    with pytest.raises(
        ConfigError, match="batch_size must be at most 3600, the training rows, got 3601"
    ):
        track("batch_size=3601")
    assert len(runs(folder)) == before


# The same bits


def test_a_run_gives_the_same_bits_alone_and_again_and_after_another(tracked, track, folder):
    other = track(*QUICK, "seed=4")
    assert other.bits()["train/loss"] != tracked.bits()["train/loss"][:1]
    assert track("figures=[]").bits() == tracked.bits()
    code, _, err = processes.complete(folder, *placed(folder, "alone.db"), *NET)
    assert code == 0, err
    assert Tracked(0, *runs(folder, "alone.db")[0], {}).bits() == tracked.bits()


def test_runs_of_one_graph_compile_it_once_even_after_one_that_failed(track, monkeypatch):
    made = {build: [], nets: []}

    def counted(module, make):
        def made_and_kept(*key):
            made[module].append(make(*key))
            return made[module][-1]

        return Lending(made_and_kept, module.KEPT)

    monkeypatch.setattr(build, "_programs", counted(build, build._program_of_graph))
    monkeypatch.setattr(nets, "_nets", counted(nets, nets._of_shape))
    keys = ("epochs=1", "topology.width=5", "figures=[]")
    track(*keys)
    (program,), attacked = made[build], len(made[nets])
    graphs = batches._graph.cache_info().misses
    with pytest.raises(NonFiniteError):
        track(*keys, "optimizer.learning_rate=1e38")
    track(*keys, "seed=4")
    assert made[build] == [program]
    assert program.train.experimental_get_tracing_count() == 1
    assert program.test.experimental_get_tracing_count() == 2  # validation and test
    assert attacked
    assert len(made[nets]) == attacked
    assert batches._graph.cache_info().misses == graphs
