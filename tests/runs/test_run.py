"""A run: its records in the store, a model that predicts as reported, the same bits every time."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import yaml
from support import processes
from support.tracked import (
    ATTACKS,
    BY_EPOCH,
    COMMAND,
    EPOCHS,
    NET,
    ONCE,
    QUICK,
    TEST,
    Tracked,
    placed,
    runs,
)

from brnn.config import groups
from brnn.data.load import load
from brnn.runs import record


@pytest.fixture(scope="module")
def tracked(track):
    """The run that most tests look at."""
    return track()


@pytest.fixture(scope="module")
def checked(track):
    """A run whose attack is checked."""
    return track("epochs=1", "attack.checks=true", "attack.images=40", "figures=[svg]")


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
    found = {path.name: path.read_bytes()[:4] for path in tracked.artifact("figures").iterdir()}
    names = ("adversarial_examples", "confusion", "confusion_under_attack", "flips")
    shown = (*names, "latent_weights", "latent_weights_by_epoch", "learning_curves")
    assert found == {f"{name}.png": b"\x89PNG" for name in shown}


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
shares = (np.mean(logits.argmax(axis=1) == y) for logits in (outputs, of_bytes))
print(len(y), *shares, "brnn" in sys.modules)
"""


def test_the_logged_model_predicts_what_was_reported_in_a_fresh_process_without_this_package(
    tracked, folder
):
    arguments = [tracked.options["tracking"]["uri"], tracked.id, str(folder / "digits.npz")]
    command = [sys.executable, "-c", FRESH, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    rows, of_pixels, of_bytes, ours = done.stdout.splitlines()[-1].split()
    assert (int(rows), ours) == (TEST, "False")
    assert float(of_bytes) == tracked.data.metrics["test/accuracy"]
    assert float(of_pixels) == pytest.approx(float(of_bytes), abs=2e-3)  # pixels are rounded


# The same bits


def test_a_run_gives_the_same_bits_alone_and_again_and_after_another(tracked, track, folder):
    other = track(*QUICK, "seed=4")
    assert other.bits()["train/loss"] != tracked.bits()["train/loss"][:1]
    assert track("figures=[]").bits() == tracked.bits()
    code, _, err = processes.complete(folder, *placed(folder, "alone.db"), *NET)
    assert code == 0, err
    assert Tracked(0, *runs(folder, "alone.db")[0], {}).bits() == tracked.bits()
