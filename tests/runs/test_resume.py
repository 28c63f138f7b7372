"""Repeated commands: what is skipped, shared or trained again, and when training ends."""

import contextlib

import numpy as np
import pytest
from support import stores
from support.repeated import NET

from brnn import locks
from brnn.config.fingerprint import run_fingerprint
from brnn.data.load import load
from brnn.errors import TrackingError
from brnn.runs.plan import fingerprints
from brnn.runs.run import run
from brnn.terminal import lines
from brnn.tracking import tag_names
from brnn.tracking.process import owner
from brnn.tracking.sweep_job import SweepJob

# Finished runs


def test_a_finished_run_is_not_repeated_and_returns_any_objective(repeated):
    value = repeated.run("epochs=1", "attack=none")
    epochs = []
    again = repeated.run("epochs=1", "attack=none", on_epoch=lambda *epoch: epochs.append(epoch))
    assert (again, epochs) == (value, [])
    (run,) = repeated.runs()
    keys = ("test/loss", "size/bits_per_weight")
    values = repeated.run("epochs=1", "attack=none", f"objective=[{','.join(keys)}]")
    assert values == [run.data.metrics[key] for key in keys]
    assert len(repeated.runs()) == 1


@pytest.mark.parametrize(("precision", "epochs"), [("full", []), ("binarynet", [1])])
def test_an_estimator_without_effect_does_not_make_another_net(repeated, capsys, precision, epochs):
    keys = ("epochs=1", "attack=none", f"precision={precision}")
    assert repeated.trained_epochs(*keys, "estimator=identity") == [1]
    assert "has no effect" not in "".join(capsys.readouterr())
    assert repeated.trained_epochs(*keys, "estimator=ste") == epochs
    note = f"{precision}-ste-mlp-modern-s0: estimator=ste has no effect, since precision="
    assert (note in "".join(capsys.readouterr())) == (not epochs)
    first, *others = repeated.runs()
    assert len(others) == len(epochs)  # the run with the same numbers counts as this one
    assert first.data.tags.get("without_effect") == (None if epochs else "estimator")


@pytest.mark.parametrize("resume", ["resume=true", "resume=false"])
def test_jobs_that_differ_in_a_choice_without_effect_share_a_run(repeated, capsys, resume):
    keys = ("epochs=1", "attack=none", "precision=full", resume)
    with repeated.store.run("sweep", {"sweep": "estimator=identity,ste"}, None) as parent:
        for number, estimator in enumerate(("identity", "ste")):
            job = SweepJob(parent.id, "launch", (), {}, number)
            options = repeated.options(*repeated.overrides, *keys, f"estimator={estimator}")
            run(options, job, (), lambda epoch, metrics: True)
    assert "full-ste-mlp-modern-s0 is skipped: it finished as run" in capsys.readouterr().out
    (child,) = repeated.store.children(parent.id)
    assert child.data.params["estimator"] == "identity"


def test_the_verdict_of_a_finished_run_is_printed_again(repeated, capsys):
    verdicts = []
    for _ in range(2):
        repeated.run("epochs=1", "attack.checks=true")
        out = capsys.readouterr().out
        (run,) = repeated.runs()
        trusted = run.data.tags["trusted"]
        verdicts += [line for line in out.splitlines() if line.endswith(trusted)]
    first, again = verdicts
    assert first == again


def test_resume_false_starts_afresh(repeated):
    repeated.stop("epochs=2", "attack=none", after=1)
    assert repeated.trained_epochs("epochs=2", "attack=none", "resume=false") == [1, 2]
    assert repeated.statuses() == ["KILLED", "FINISHED"]


# Trained nets


def test_another_attack_on_the_same_net_does_not_train_it_again(repeated):
    repeated.run("epochs=2", "attack=none", "keep=last")  # another training
    assert repeated.trained_epochs("epochs=2", "attack=none") == [1, 2]
    assert repeated.trained_epochs("epochs=2") == []
    assert repeated.trained_epochs("epochs=2", "resume=false") == [1, 2]
    _, first, second, expected = repeated.runs()
    assert second.data.tags["trained_by"] == first.info.run_id
    assert repeated.numbers(second) == repeated.numbers(expected)
    assert repeated.weights(second) == repeated.weights(expected)


def test_a_run_waits_for_a_net_that_another_process_trains(repeated, monkeypatch):
    repeated.run("epochs=1", "attack=none")
    (net,) = (repeated.path / "checkpoints" / "trained").iterdir()
    messages = []
    with contextlib.ExitStack() as other:

        def note(text):
            messages.append(text)
            if "waits for its net" in text:
                other.close()  # the other process is done

        monkeypatch.setattr(lines, "note", note)
        other.enter_context(locks.locked(net))  # as another process would hold it
        assert repeated.trained_epochs("epochs=1") == []
    assert sum(" waits for its net, which another process trains" in text for text in messages) == 1


def test_only_the_newest_trained_nets_are_kept(repeated):
    for seed in range(3):
        repeated.run("epochs=1", "attack=none", f"seed={seed}", "keep_trained=2")
    kept = list((repeated.path / "checkpoints" / "trained").iterdir())
    assert [file.suffix for file in kept] == [".npz"] * 2
    assert repeated.trained_epochs("epochs=1", "seed=2", "keep_trained=2") == []
    assert repeated.trained_epochs("epochs=1", "seed=0", "keep_trained=2") == [1]


# Running runs


def test_a_running_run_is_not_started_again(repeated):
    def on_epoch(epoch, metrics):
        repeated.run("epochs=2", "attack=none")

    message = r"this run is running already, as process .*resume=force"
    with pytest.raises(TrackingError, match=message):
        repeated.run("epochs=2", "attack=none", on_epoch=on_epoch)


def interrupt_as(repeated, owner):
    """Leave a run that its store takes to be running in a process."""
    repeated.stop("epochs=2", "attack=none", after=1)
    (run,) = repeated.runs()
    repeated.store.client.update_run(run.info.run_id, "RUNNING")
    repeated.store.client.set_tag(run.info.run_id, tag_names.OWNER, owner)


def test_a_run_whose_process_has_ended_continues(repeated):
    interrupt_as(repeated, f"{owner().rpartition(':')[0]}:1")  # its id belongs to a later process
    repeated.run("epochs=2", "attack=none")
    assert repeated.statuses() == ["FINISHED"]


def test_a_run_of_another_machine_continues_only_by_force(repeated):
    interrupt_as(repeated, "elsewhere:1:1")
    message = "this run is running already, as process elsewhere:1:1"
    with pytest.raises(TrackingError, match=message):
        repeated.run("epochs=2", "attack=none")
    repeated.run("epochs=2", "attack=none", "resume=force")
    assert repeated.statuses() == ["FINISHED"]


# Fingerprints


def test_a_fingerprint_does_not_depend_on_locations(options, data_path):
    def fingerprint(*overrides, digest="d"):
        return run_fingerprint(options(*NET, f"dataset.path={data_path}", *overrides), digest)

    same = ["checkpoints=x", "tracking.uri=sqlite:///x.db", "dataset.path=x.npz"]
    same += ["objective=test/loss", "resume=false"]
    assert {fingerprint(override) for override in same} == {fingerprint()}
    other = ["epochs=7", "seed=1", "topology.width=17", "patience=3", "dataset.seed=1"]
    assert len({fingerprint(), fingerprint(digest="e"), *map(fingerprint, other)}) == 2 + len(other)


def test_a_digest_depends_on_the_data_alone(tmp_path, data_path):
    digests = []
    for number, factor in enumerate((1, 1, 0.5)):
        file = tmp_path / f"{number}.npz"
        with np.load(data_path) as arrays:
            np.savez(file, x=factor * arrays["x"], y=arrays["y"])
        keys = '"validation": 0.1, "test": 0.1, "seed": null, "names": [], "normalization": "none"'
        digests.append(load(f'{{"name": "arrays", "path": "{file}", {keys}}}', ())[1])
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("attack", "attacked_alone"),
    [
        (["attack=pgd", "attack.source={net}", "attack.early_stop=false"], True),
        (["attack=suite", "attack.members=[fgsm,'pgd early_stop=false source={net}']"], True),
        (["attack=adaptive", "attack.base='pgd early_stop=false source={net}'"], True),
        (["init.from={net}", "attack=fgsm"], False),
    ],
)
def test_another_net_in_a_file_that_a_run_reads_is_another_run(
    options, data_path, tmp_path, attack, attacked_alone
):
    net = tmp_path / "net.npz"
    words = [word.format(net=net) for word in attack]
    chosen = options(*NET, f"dataset.path={data_path}", *words)
    found = []
    for content in (b"a", b"b", b"a"):
        net.write_bytes(content)
        found.append(fingerprints(chosen, "d"))
    assert found[0] == found[2]
    assert found[0][0] != found[1][0]
    assert (found[0][1] == found[1][1]) == attacked_alone  # the training reads no surrogate


# Patience; the learning rate falls from epoch to epoch


@pytest.mark.parametrize(
    ("monitor", "epochs"), [("max train/learning_rate", 3), ("min train/learning_rate", 5)]
)
def test_training_ends_after_epochs_without_a_better_monitor(repeated, monitor, epochs):
    arguments = ("epochs=5", "attack=none", "patience=2", f"monitor={monitor}")
    assert repeated.trained_epochs(*arguments) == list(range(1, epochs + 1))
    (run,) = repeated.runs()
    logged = stores.history(repeated.store, run.info.run_id, "train/loss")
    assert [step for step, _ in logged] == list(range(1, epochs + 2))  # and the kept epoch


def test_patience_counts_the_epochs_before_an_interruption(repeated):
    arguments = ("epochs=5", "attack=none", "patience=2", "monitor=max train/learning_rate")
    repeated.stop(*arguments, after=2)
    assert repeated.trained_epochs(*arguments) == [3]
