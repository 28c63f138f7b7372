"""A run in a store: what is logged is stored, once, and how a run ends."""

import contextlib
import json
import math
import resource
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import yaml
from support.stores import history

from brnn.errors import PrunedError, TrackingError
from brnn.tracking import records, tag_names
from brnn.tracking.dataset import described
from brnn.tracking.status import is_of_launch
from brnn.tracking.sweep_job import SweepJob


def test_a_run_stores_what_is_logged(store, stored):
    with store.run("named", {"seed": 3, "masked": True, "plain": "text"}, None) as run:
        run.params({"epochs": 5, "note": "ä", "nothing": None, "hidden": [1, 2]})
        run.metrics({"loss": 0.5}, step=1)
        run.metrics({"loss": 0.25, "bad": math.nan}, step=2)
        run.tag({"late": 1.5})
    run_ = stored(run)
    assert run_.info.run_name == "named"
    assert run_.data.params == {"epochs": "5", "note": "ä", "nothing": "null", "hidden": "[1, 2]"}
    expected = {"seed": "3", "masked": "true", "plain": "text", "late": "1.5"}
    assert {key: run_.data.tags[key] for key in expected} == expected
    assert history(store, run.id, "loss") == [(1, 0.5), (2, 0.25)]
    assert math.isnan(run_.data.metrics["bad"])


@pytest.mark.parametrize(
    ("value", "logged"),
    [
        (np.float32(0.7798), 0.7798),
        (float(np.float32(0.7798)), 0.7798),
        (0.7798, 0.7798),
        (1 - 0.98, 0.02),  # 0.020000000000000018
        (1 - 0.7, 0.3),  # 0.30000000000000004
        (1 / 3, 1 / 3),  # a float64
        (2.0**40, 2.0**40),  # whole, and a float32 too
        (np.float32(1e-30), 1e-30),
        (-math.inf, -math.inf),
        (1e300, 1e300),
        (3, 3.0),
    ],
)
def test_a_number_is_logged_as_the_decimal_that_it_stands_for(value, logged):
    assert records.as_decimals({"m": value}) == {"m": logged}


def test_a_data_set_is_an_input_of_the_run_once(store, stored):
    x, y = np.zeros((5, 28, 28), "uint8"), np.zeros(5, "int32")
    splits = {"train": (x, y), "test": (x[:2], y[:2])}
    entry = described("mnist", "0123456789" * 5, "idx", {"name": "mnist"}, splits)
    with store.run("fed", {}, None) as run:
        run.dataset(entry)
        run.dataset(entry)
    (logged,) = stored(run).inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("mnist", ("0123456789" * 5)[:36])
    assert json.loads(logged.dataset.profile) == {"train": 5, "test": 2}
    features = json.loads(json.loads(logged.dataset.schema)["mlflow_tensorspec"]["features"])
    assert features[0]["tensor-spec"] == {"dtype": "uint8", "shape": [-1, 28, 28]}


def test_more_values_than_a_request_holds_are_stored(store, stored):
    values = {f"layer_{number}/kernel": number for number in range(1200)}
    with store.run("many", {}, None) as run:
        run.metrics(values, 1)
        run.params(values)
        run.tag(values)
    data = stored(run).data
    assert data.metrics == values
    assert data.params == {key: str(value) for key, value in values.items()}
    assert values.keys() <= data.tags.keys()


def transactions(store):
    """Return how often the file of a store was written, from the header of every SQLite file."""
    return int.from_bytes(Path(store.uri.removeprefix("sqlite:///")).read_bytes()[24:28], "big")


def test_the_values_of_an_epoch_are_written_together(store):
    with store.run("batched", {}, None) as run:
        before = transactions(store)
        run.metrics({f"m/{number}": number for number in range(200)}, 1)
        assert 1 <= transactions(store) - before < 5


def test_a_text_that_is_too_long_for_a_store_is_cut(store, stored):
    with store.run("long", {"error": "x" * 9000}, None) as run:
        run.params({"p": "y" * 9000})
    data = stored(run).data
    assert len(data.tags["error"]) == records.TAG
    assert len(data.params["p"]) == records.PARAMETER


def test_a_long_name_is_cut_and_differs_from_other_long_names(store, stored):
    names = ["seed=1 " * 100 + end for end in ("a", "b")]
    cut = []
    for name in names:
        with store.run(name, {}, None) as run:
            data = stored(run)
        cut.append(data.info.run_name)
        assert data.data.tags[tag_names.NOTE] == name
    assert cut[0] != cut[1]
    assert all(name.startswith("seed=1 seed=1") and len(name) <= 250 for name in cut)
    assert [name[-10:] for name in cut] == ["d=1 seed=1 a"[-10:], "d=1 seed=1 b"[-10:]]
    assert records.as_name("x" * 250) == "x" * 250


def test_passwords_are_stored_nowhere(store, stored):
    secret = "http://me:s3cret@host"
    with suppress(ValueError), store.run(f"uri={secret}", {"sweep": secret}, None) as run:
        run.params({"uri": secret, "list": [secret]})
        raise ValueError(secret)
    assert "s3cret" not in str(stored(run).to_dictionary())
    assert stored(run).info.run_name == "uri=http://me:***@host"


def test_artifacts_are_stored_under_their_paths(store, tmp_path):
    with store.run("artifacts", {}, None) as run:
        run.text(yaml.safe_dump({"a": 1}), "config.yaml")
        run.file(b"\x89PNG", "figures/curve.png")
    assert yaml.safe_load(store.text(run.id, "config.yaml")) == {"a": 1}
    figure = store.client.download_artifacts(run.id, "figures/curve.png", tmp_path)
    assert Path(figure).read_bytes() == b"\x89PNG"


def artifacts(store, run):
    """The folder of a run's artifacts."""
    return Path(store.client.get_run(run.id).info.artifact_uri.removeprefix("file://"))


@contextlib.contextmanager
def files_of_at_most(size):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_an_artifact_that_does_not_fit_on_the_disk_is_not_left_in_part(store, stored):
    size = 2**22  # more than the database has
    with suppress(TrackingError), store.run("full", {}, None) as run:
        folder = artifacts(store, run)
        run.file(b"first", "export/old.c")
        with files_of_at_most(size):
            run.file(bytes(size), "export/fits.c")
            with pytest.raises(TrackingError, match=f"too large: '{folder}/export/old.c'"):
                run.file(bytes(size + 1), "export/old.c")
            run.file(bytes(size + 1), "export/new.c")
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    assert sizes.keys() == {"old.c", "fits.c", "error.txt"}
    assert (sizes["old.c"], sizes["fits.c"]) == (5, size)
    assert f"too large: '{folder}/export/new.c'" in stored(run).data.tags["error"]
    assert stored(run).info.status == "FAILED"


def test_a_run_has_failed_even_if_its_traceback_cannot_be_written(store, stored):
    with suppress(ValueError), store.run("one", {}, None) as run:
        (artifacts(store, run) / "error.txt").mkdir(parents=True)
        raise ValueError("too bad")
    assert stored(run).info.status == "FAILED"
    assert stored(run).data.tags["error"] == "ValueError: too bad"


def test_children_have_the_id_of_their_parent_and_are_sorted_by_job(store, stored):
    with store.run("parent", {}, None) as parent:
        for number, name in ((1, "second"), (0, "first")):
            with store.run(name, {}, SweepJob(parent.id, "command", number=number)) as child:
                assert stored(child).data.tags[tag_names.PARENT] == parent.id
    assert [child.info.run_name for child in store.children(parent.id)] == ["first", "second"]
    assert store.children("nobody") == []


def test_a_job_is_tagged_with_its_launch_and_number(store, stored):
    with store.run("single", {}, None) as single:
        pass
    with store.run("job", {}, SweepJob(single.id, "command", number=3)) as job:
        pass
    store.reuse(single.id, SweepJob("another", "command", number=5))
    tags = stored(job).data.tags
    assert [tags[key] for key in (tag_names.LAUNCH, tag_names.JOB)] == ["command", "3"]
    assert stored(single).data.tags[f"{tag_names.REUSED}.another"] == "5"
    assert [is_of_launch(stored(job), launch) for launch in ("command", "")] == [True, False]
    assert not is_of_launch(stored(single), "")


def test_the_environment_does_not_make_a_run_a_job(store, stored, monkeypatch):
    for name in ("LAUNCH", "JOB", "SWEEP", "TRIAL"):
        monkeypatch.setenv(f"BRNN_{name}", "7")
    with store.run("single", {}, None) as run:
        pass
    tags = stored(run).data.tags
    assert tag_names.JOB not in tags
    assert tags[tag_names.LAUNCH] == ""


def test_a_run_is_running_until_it_is_finished(store, stored):
    with store.run("one", {}, None) as run:
        assert stored(run).info.status == "RUNNING"
    assert stored(run).info.status == "FINISHED"
    assert "error" not in stored(run).data.tags


def test_a_run_that_raises_has_failed_with_its_error_as_a_tag(store, stored):
    with pytest.raises(ValueError, match="too bad"), store.run("one", {}, None) as run:
        raise ValueError("too bad")
    assert stored(run).info.status == "FAILED"
    assert stored(run).data.tags["error"] == "ValueError: too bad"


def test_a_pruned_run_is_killed_with_the_reason_as_a_tag(store, stored):
    with pytest.raises(PrunedError), store.run("one", {}, None) as run:
        raise PrunedError("stopped after epoch 3")
    assert stored(run).info.status == "KILLED"
    assert stored(run).data.tags[tag_names.PRUNED] == "stopped after epoch 3"


def test_a_run_that_is_opened_again_logs_only_what_is_new(store, stored):
    with suppress(ValueError), store.run("again", {}, None) as run:
        run.params({"epochs": 5})
        run.metrics({"loss": 0.5}, 1)
        raise ValueError("bad")
    with store.run("ignored", {}, None, earlier=stored(run)) as again:
        again.params({"epochs": 6, "seed": 1})
        again.metrics({"loss": 0.4}, 1)
        again.metrics({"loss": 0.25}, 2)
    assert again.id == run.id
    data = stored(run).data
    assert data.params == {"epochs": "5", "seed": "1"}
    assert history(store, run.id, "loss") == [(1, 0.5), (2, 0.25)]
    assert "error" not in data.tags
    assert stored(run).info.status == "FINISHED"


def test_a_run_that_is_interrupted_is_killed(store, stored):
    with pytest.raises(KeyboardInterrupt), store.run("one", {}, None) as run:
        raise KeyboardInterrupt
    assert stored(run).info.status == "KILLED"


def test_a_run_waits_for_a_locked_database(store, stored):
    with store.run("waiting", {}, None) as run:
        lock = sqlite3.connect(
            store.uri.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
        )
        with contextlib.closing(lock):
            lock.execute("BEGIN EXCLUSIVE")
            release = threading.Timer(0.5, lock.execute, ["COMMIT"])
            release.start()
            run.metrics({"loss": 0.5}, 1)
            assert not release.is_alive()
    assert stored(run).data.metrics == {"loss": 0.5}
