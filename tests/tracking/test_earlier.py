"""The latest run of a fingerprint: its spool is delivered, and it must have ended."""

import pytest
from support.stores import open_in

from brnn.errors import TrackingError
from brnn.tracking import tag_names
from brnn.tracking.earlier import check_ended, latest_run

TAGS = {tag_names.FINGERPRINT: "f"}


def test_a_run_at_work_is_refused_and_one_that_ended_is_not(tmp_path):
    store, spool = open_in(tmp_path), tmp_path / "f.jsonl"
    assert latest_run(store, "f", spool) is None
    with store.run("first", TAGS, None) as run:
        at_work = latest_run(store, "f", spool)
        assert at_work.info.run_id == run.id
        message = f"this sweep is running already, as process .*:.* in run {run.id}; wait for it"
        with pytest.raises(TrackingError, match=message):
            check_ended(at_work, "sweep")
    check_ended(latest_run(store, "f", spool), "sweep")
