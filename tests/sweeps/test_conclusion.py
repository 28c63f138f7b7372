"""What a finished sweep writes to its own run and prints."""

import base64
import json
import zlib
from pathlib import Path

import mlflow
import pytest
from support.stores import open_in
from support.sweeps import log_run, log_sweep

from brnn.sweeps.conclusion import conclude
from brnn.tracking import tag_names

ACCURACY = {"ste": [0.90, 0.92, 0.91], "identity": [0.81, 0.80, 0.79]}
ARGUMENTS = ["estimator=ste,identity", "seed=range(3)"]
COMMAND = "brnn estimator=ste,identity 'seed=range(3)' --multirun"


def jobs(seeds):
    return [
        ({"estimator": name, "seed": seed}, {"test/accuracy": values[seed]}, {})
        for name, values in ACCURACY.items()
        for seed in range(seeds)
    ]


@pytest.fixture(scope="module")
def store(folder_with_store):
    folder = folder_with_store("store")
    return folder, open_in(folder)


def concluded(store, parent):
    """Open the run of a sweep again, conclude it, and return it as the store has it."""
    earlier = store.get(parent)
    with store.run("sweep", {}, None, earlier=earlier) as run:
        conclude(store, run, COMMAND)
    return store.get(parent)


def view_of(store, sweep):
    """Return the name and the state of the view that a sweep has saved."""
    tags = store.client.get_experiment(store.experiment_id).tags
    view = json.loads(tags[f"{tag_names.VIEW}.{sweep}"])
    kind, _, packed = view["state"].partition(";")
    assert kind == "deflate"
    return view["name"], json.loads(zlib.decompress(base64.b64decode(packed)))


def test_the_run_of_a_sweep_shows_groups_command_and_page(store, capsys):
    folder, opened = store
    parent = concluded(opened, log_sweep(folder, " ".join(ARGUMENTS), jobs(3)))
    note = parent.data.tags[tag_names.NOTE]
    assert note.splitlines()[0] == "| estimator | n | test/accuracy |"
    assert note.splitlines()[2] == "| ste | 3 | **0.9100 ± 0.0100** |"
    assert "\n`brnn estimator=ste,identity 'seed=range(3)' --multirun`\n" in note
    assert "ste beats identity by 0.11" in note
    metrics = parent.data.metrics
    assert metrics["test/accuracy/mean/ste"] == pytest.approx(0.91)
    assert metrics["test/accuracy/std/identity"] == 0.01  # not 0.010000000000000009
    assert "Plotly" in opened.text(parent.info.run_id, "comparison.html")
    printed = capsys.readouterr().out.splitlines()
    assert any(line.split()[:3] == ["ste", "3", "0.9100"] for line in printed)
    assert printed[-2] == f"brnn ui tracking.uri={opened.uri}"
    query = f"workflowType=machine_learning&viewStateShareKey={parent.info.run_id}"
    assert f"/runs?{query}" in printed[-1]


def test_the_view_has_the_columns_the_groups_and_the_charts_of_the_comparison(store):
    folder, opened = store
    parent = concluded(opened, log_sweep(folder, " ".join(ARGUMENTS), jobs(3))).info.run_id
    name, state = view_of(opened, parent)
    assert name == " ".join(ARGUMENTS)
    assert state["searchFilter"] == f"tags.`mlflow.parentRunId` = '{parent}'"
    sizes = [(section["columns"], section["cardHeight"]) for section in state["compareRunSections"]]
    assert sizes == [(2, 250)]
    columns = ["metrics.`test/accuracy`", "params.`estimator`", "params.`seed`"]
    assert state["selectedColumns"] == columns
    assert state["columnOrder"] == ["attributes.`Run Name`", "runDateAndNestInfo", *columns]
    assert state["columnWidths"]["attributes.`Run Name`"] == 300
    assert state["groupBy"]["groupByKeys"] == [{"mode": "param", "groupByData": "estimator"}]
    charts = [(chart["type"], chart["metricKey"]) for chart in state["compareRunCharts"]]
    assert charts == [("LINE", "test/accuracy"), ("BAR", "test/accuracy")]


def test_groups_of_several_keys_are_named_by_their_values_alone(store):
    folder, opened = store
    swept = [
        ({"precision": precision} | params, metrics, tags)
        for precision in ("binarynet", "ternary")
        for params, metrics, tags in jobs(2)
    ]
    parent = concluded(opened, log_sweep(folder, " ".join(ARGUMENTS), swept)).info.run_id
    tag = f"group.{parent[:8]}"
    _, state = view_of(opened, parent)
    assert state["groupBy"]["groupByKeys"] == [{"mode": "tag", "groupByData": tag}]
    named = [
        (child.data.tags[tag], child.data.params["estimator"], child.data.params["precision"])
        for child in opened.children(parent)
    ]
    assert len(named) == 8
    assert all(name == f"{estimator} {precision}" for name, estimator, precision in named)


def test_the_mlflow_ui_still_reads_views_of_this_form():
    scripts = Path(mlflow.__file__).parent / "server/js/build/static/js"
    code = "".join(path.read_text() for path in scripts.glob("*.js"))
    for name in (
        "viewStateShareKey",
        "workflowType",
        f"{tag_names.VIEW}.",
        "compareRunCharts",
        "cardHeight",
        "columnOrder",
        "columnWidths",
        "runDateAndNestInfo",
    ):
        assert name in code


def test_a_repeated_sweep_with_more_jobs_has_the_newest_means(store):
    folder, opened = store
    parent = concluded(opened, log_sweep(folder, " ".join(ARGUMENTS), jobs(2))).info.run_id
    for number, (name, values) in enumerate(ACCURACY.items(), 4):
        tags = {tag_names.PARENT: parent, tag_names.JOB: number}
        log_run(opened, {"estimator": name, "seed": 2}, {"test/accuracy": values[2]}, tags)
    assert concluded(opened, parent).data.metrics["test/accuracy/mean/ste"] == pytest.approx(0.91)


def test_one_seed_is_a_note_and_no_metrics(store, capsys):
    folder, opened = store
    parent = concluded(opened, log_sweep(folder, " ".join(ARGUMENTS), jobs(1)))
    assert parent.data.metrics == {}
    assert "each group has at most one run" in capsys.readouterr().out
    assert "| ste | 1 | **0.9000** |" in parent.data.tags[tag_names.NOTE]


def test_a_sweep_without_a_finished_job_says_nothing(store, capsys):
    folder, opened = store
    parent = concluded(opened, log_sweep(folder, "seed=0", []))
    assert capsys.readouterr().out == ""
    assert tag_names.NOTE not in parent.data.tags
