"""Failures and stops after training cost no epoch, and change no number."""

import pytest
from support import processes
from support.repeated import Repeated, assert_same

from brnn.errors import TrackingError

PLUGIN = """
import time
from pathlib import Path

import tensorflow as tf

from brnn.config.ranges import Positive

SEES_GRADIENT = False
MARKER = Path(__file__).with_name("marker")


def obedient(net, x, labels, seed, *, epsilon: Positive):
    def act(images):
        if len(images) > 2:  # not in a rehearsal
            MARKER.with_name("begun").touch()
            while MARKER.exists():
                if MARKER.read_text() == "fail":
                    raise RuntimeError("bad luck")
                time.sleep(0.05)
        return images

    return tf.ensure_shape(tf.numpy_function(act, [x], tf.float32), x.shape)
"""
OBEDIENT = ("epochs=2", "attack.name=mylab_obedient.obedient", "plugins=[mylab_obedient]")
FGSM_KEYS = ("norm", "iterations", "targeted", "clip")  # of the option in its place
OBEDIENT = (*OBEDIENT, "attack.checks=false", *(f"~attack.{key}" for key in FGSM_KEYS))


def begin_attack(repeated, order):
    """Start a run in another process, with an order to its attack; return when that has begun."""
    (repeated.path / "begun").unlink(missing_ok=True)
    (repeated.path / "marker").write_text(order)
    process = repeated.begin(*OBEDIENT)
    processes.wait_until(lambda: (repeated.path / "begun").exists() or process.poll() is not None)
    assert (repeated.path / "begun").exists(), process.communicate()
    return process


def failed_process(process):
    """What a process that fails prints on stderr."""
    out, err = process.communicate()
    assert process.returncode == 1, out + err
    assert "the trained net is kept; the same command with resume=true repeats the" in out + err
    return err


def block_model(repeated, run):
    """Write a file in place of the folder of a run's model, and return its path."""
    path = repeated.path / "mlartifacts" / run.info.run_id / "artifacts" / "model"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


@pytest.mark.slow
def test_failures_after_training_cost_no_epoch_and_change_no_number(
    repeated, empty_store, data_path, options, monkeypatch
):
    monkeypatch.syspath_prepend(repeated.path)
    (repeated.path / "mylab_obedient.py").write_text(PLUGIN)
    (repeated.path / "uninterrupted").mkdir()
    expected = Repeated(repeated.path / "uninterrupted", empty_store, data_path, options)
    assert expected.trained_epochs(*OBEDIENT) == [1, 2]

    assert "attack=mylab_obedient.obedient failed: RuntimeError: bad luck" in failed_process(
        begin_attack(repeated, "fail")
    )
    (run,) = repeated.runs()
    assert (run.info.status, run.data.tags["failed_in"]) == ("FAILED", "attack")
    assert {"test/accuracy", "size/bits_per_weight"} <= run.data.metrics.keys()

    killed = begin_attack(repeated, "wait")
    (run,) = repeated.runs()
    assert "failed_in" not in run.data.tags
    killed.kill()
    killed.communicate()

    refused = begin_attack(repeated, "wait")
    blocked = block_model(repeated, run)
    (repeated.path / "marker").unlink()
    assert "error: tracking.uri=" in failed_process(refused)
    (run,) = repeated.runs()
    assert (run.info.status, run.data.tags["failed_in"]) == ("FAILED", "artifacts")

    blocked.unlink()
    (repeated.path / "marker").write_text("fail")  # a complete attack is not repeated
    assert repeated.trained_epochs(*OBEDIENT) == []
    assert_same(repeated, expected)
    assert not {"failed_in", "error"} & repeated.runs()[0].data.tags.keys()
    assert not repeated.unfinished()


def test_the_net_of_an_unfinished_run_is_kept_whatever_other_runs_publish(repeated):
    def on_epoch(epoch, metrics):
        blocked.append(block_model(repeated, repeated.runs()[0]))
        return True

    blocked = []
    with pytest.raises(TrackingError, match=r"failed \(.*artifacts/model"):
        repeated.run("epochs=1", "attack=none", on_epoch=on_epoch)
    blocked[0].unlink()
    repeated.run("epochs=1", "attack=none", "seed=1", "keep_trained=1")
    assert len(list((repeated.path / "checkpoints" / "trained").iterdir())) == 1
    assert repeated.trained_epochs("epochs=1", "attack=none") == []
    assert repeated.statuses() == ["FINISHED", "FINISHED"]
