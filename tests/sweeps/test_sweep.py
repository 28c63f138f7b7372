"""Sweeps: one parent, a child for each job with a name to read, and none that stops the others."""

import numpy as np
import pytest

from brnn.tracking.store import open_store
from brnn.tracking.tag_names import PARENT


def runs(folder):
    """The parent of a sweep and its children, oldest first."""
    store = open_store(uri=f"sqlite:///{folder}/mlflow.db", experiment="brnn")
    found = store.client.search_runs([store.experiment_id])
    (parent,) = [run for run in found if PARENT not in run.data.tags]
    children = store.children(parent.info.run_id)
    assert len(children) == len(found) - 1
    return parent, children


@pytest.fixture(scope="module")
def digits_npz(tmp_path_factory):
    """A folder with easy data of one's own, and with data that are damaged."""
    folder = tmp_path_factory.mktemp("data")
    y = np.arange(400) % 2
    x = (np.random.default_rng(0).uniform(0, 0.4, (400, 4, 4)) + 0.5 * y[:, None, None]).astype(
        "float32"
    )
    np.savez(folder / "good.npz", x=x, y=y)
    np.savez(folder / "shapes.npz", x=x, y=y[1:])
    x[7, 1, 2] = np.nan
    np.savez(folder / "holes.npz", x=x, y=y)
    return folder


@pytest.fixture(scope="module")
def sweep(command_line, tmp_path_factory):
    """Two estimators, on the digits that are there without data; a flag stands amid the overrides."""
    folder = tmp_path_factory.mktemp("sweep")
    arguments = ("precision=binarynet", "--multirun", "estimator=ste,chernoff", "epochs=1")
    return command_line(folder, *arguments), *runs(folder)


def test_a_sweep_is_a_parent_with_a_child_for_each_job(sweep):
    done, parent, children = sweep
    assert done.returncode == 0, done.stderr
    assert [child.info.run_name for child in children] == [
        "binarynet-ste-simple-original-s0",
        "binarynet-chernoff-simple-original-s0",
    ]
    assert {run.info.status for run in (parent, *children)} == {"FINISHED"}
    assert parent.info.run_name == "precision=binarynet estimator=ste,chernoff epochs=1"


def test_children_are_tagged_with_every_choice(sweep):
    _, _, children = sweep
    same = {
        "precision": "binarynet",
        "topology": "simple",
        "attack": "fgsm",
        "dataset": "mnist",
        "seed": "0",
    }
    for child, estimator in zip(children, ("ste", "chernoff"), strict=True):
        expected = same | {"estimator": estimator}
        assert {key: child.data.tags[key] for key in expected} == expected
        assert {key: child.data.params[key] for key in expected} == expected


def test_a_robustness_that_is_gradient_masking_is_tagged(sweep):
    _, _, children = sweep
    for child in children:
        claimed, found = (
            child.data.metrics[f"{name}/robust_accuracy"] for name in ("attack", "attack_identity")
        )
        trusted = child.data.tags["trusted"]
        assert trusted == "yes" or trusted.startswith("no, because ")
        assert claimed < found + 0.1 or trusted != "yes"


def test_a_sweep_ends_with_a_table_of_its_jobs(sweep):
    done, _, children = sweep
    lines = done.stdout.splitlines()
    assert lines[-1] == "2 finished, 0 failed, 0 skipped"
    for child in children:
        name = child.info.run_name
        assert f"{name}  trusted: {child.data.tags['trusted']}" in lines
        (row,) = [line.split() for line in lines if line.split()[:2] == [name, "finished"]]
        assert row[1:3] == ["finished", f"{child.data.metrics['test/accuracy']:.4f}"]
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines())


@pytest.fixture(scope="module")
def partly_failed(command_line, tmp_path_factory, digits_npz):
    """Six jobs: three data sets, of which two are damaged, by two learning rates, of which one is far too high."""
    folder = tmp_path_factory.mktemp("failed")
    paths = ",".join(str(digits_npz / f"{name}.npz") for name in ("holes", "good", "shapes"))
    net = (
        "precision=full",
        "topology.width=8",
        "topology.activation=relu",
        "optimizer=sgd",
        "attack=none",
    )
    swept = (f"dataset.path={paths}", "optimizer.learning_rate=1e35,0.1")
    return command_line(
        folder, *net, "dataset=arrays", *swept, "batch_size=20", "--multirun"
    ), *runs(folder)


def test_a_failed_job_does_not_stop_the_others(partly_failed):
    done, _, children = partly_failed
    assert done.returncode == 1
    status = ["FAILED", "FAILED", "FAILED", "FINISHED", "FAILED", "FAILED"]
    assert [child.info.status for child in children] == status
    assert children[3].data.metrics["test/accuracy"] > 0.9


def test_failed_jobs_are_recorded_with_their_errors(partly_failed):
    _, parent, children = partly_failed
    errors = [child.data.tags.get("error", "none") for child in children]
    holes, labels = "holes.npz: x must be finite", "shapes.npz: y must have one label for each"
    for error, part in zip(
        errors, [holes, holes, "NonFiniteError: epoch ", "none", labels, labels], strict=True
    ):
        assert part in error
    assert parent.info.status == "FAILED"
    assert parent.data.tags["error"].startswith("SweepError: 5 of 6 jobs failed: ")


def test_names_tell_the_keys_in_which_jobs_differ(partly_failed, digits_npz):
    _, _, children = partly_failed
    names = [child.info.run_name for child in children]
    assert len(set(names)) == 6
    good = f"dataset.path={digits_npz}/good.npz"
    assert names[3] == f"full-identity-simple-original-s0 {good} optimizer.learning_rate=0.1"


def test_every_failed_job_is_a_line_and_the_last_line_counts_them(partly_failed, digits_npz):
    done, _, _ = partly_failed
    *lines, last = done.stderr.splitlines()
    assert [line.startswith("error: ") for line in lines] == [True] * 5
    assert (
        f"holes.npz optimizer.learning_rate=1e+35: {digits_npz}/holes.npz: x must be finite"
        in " ".join(lines)
    )
    assert last.startswith("error: 5 of 6 jobs failed: ")
    assert done.stdout.splitlines()[-1] == "1 finished, 5 failed, 0 skipped"
