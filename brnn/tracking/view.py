"""Saved views of MLflow's table of runs: columns, filter, groups and charts of one sweep.

The UI reads a view from a tag of the experiment whose name ends with the view's key, and the key
from the address. The form is that of MLflow 3.17; a test in a browser notices another one.
"""

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from brnn.tracking import tag_names
from brnn.tracking.failures import one_line_errors
from brnn.tracking.records import TAG, now
from brnn.tracking.store import Store

_SECTION = "brnn"  # the id of the one section of charts
_SIZES = {"columns": 2, "cardHeight": 250}  # of charts; three columns have no room for titles
_NAME, _CREATED = "attributes.`Run Name`", "runDateAndNestInfo"  # columns that are always shown
_WIDTHS = {_NAME: 300, _CREATED: 150}  # of columns in the table, in pixels
_WIDTH = 160  # of the others
_SHORT = 8  # characters of the id of a sweep in the name of a tag
_LINES = {"lineSmoothness": 0, "xAxisKey": "step", "selectedXAxisMetricKey": ""}


def save_view(store: Store, sweep: str, name: str, state: dict[str, Any]) -> str:
    """Save a view of a sweep's jobs in their experiment, and return its page within the UI.

    Args:
        store: the experiment.
        sweep: the id of the sweep's run, which is the key of the view.
        name: its title.
        state: of `view_state`.
    """
    text = json.dumps(state, separators=(",", ":")).encode()
    packed = "deflate;" + base64.b64encode(zlib.compress(text, 9)).decode()
    times = {"createdAt": now(), "updatedAt": now()}
    value = json.dumps({"name": name[:100], **times, "state": packed})
    if len(value) <= TAG:
        with one_line_errors(store.uri):
            store.client.set_experiment_tag(store.experiment_id, f"{tag_names.VIEW}.{sweep}", value)
    query = f"workflowType=machine_learning&viewStateShareKey={sweep}&compareRunsMode=CHART"
    return f"/#/experiments/{store.experiment_id}/runs?{query}"


def grouped_by(
    store: Store, sweep: str, keys: Sequence[str], groups: Mapping[str, tuple[str, ...]]
) -> list[dict[str, str]]:
    """Return what a view groups runs by: their one key, or a tag with their values of several.

    The UI states each key before its value, and cuts the text before the second one.

    Args:
        store: the experiment.
        sweep: the id of the sweep's run.
        keys: parameters that distinguish the groups.
        groups: the values of the keys by the ids of the runs, which are tagged with them.
    """
    if len(keys) < 2:
        return [{"mode": "param", "groupByData": key} for key in keys]
    tag = f"{tag_names.GROUP}.{sweep[:_SHORT]}"
    with one_line_errors(store.uri):
        for run_id, values in groups.items():
            store.client.set_tag(run_id, tag, " ".join(filter(None, values)))
    return [{"mode": "tag", "groupByData": tag}]


def view_state(
    sweep: str,
    params: Sequence[str],
    metrics: Sequence[str],
    *,
    groups: Sequence[Mapping[str, str]],
    curves: Sequence[str],
) -> dict[str, Any]:
    """Return the state of a view of a sweep's jobs.

    Args:
        sweep: the id of the sweep's run.
        params: parameters that are columns.
        metrics: metrics that are columns, each with a bar chart.
        groups: what the runs are grouped by, of `grouped_by`.
        curves: metrics with a line chart over epochs.
    """
    charts = [_line_chart(i, key) for i, key in enumerate(curves)]
    charts += [_bar_chart(i, key) for i, key in enumerate(metrics, len(charts))]
    section = {"uuid": _SECTION, "name": "what counts", "display": True, "isReordered": True}
    section |= _SIZES
    columns = [f"metrics.`{key}`" for key in metrics] + [f"params.`{key}`" for key in params]
    widths = _WIDTHS | dict.fromkeys(columns, _WIDTH)
    return {
        "searchFilter": f"tags.`{tag_names.PARENT}` = '{sweep}'",
        "orderByKey": "attributes.start_time",
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": list(widths),
        "columnWidths": widths,
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": charts,
        "compareRunSections": [section | {"deleted": False, "isGenerated": False}],
        "viewMaximized": False,
        "runListHidden": False,
        "isAccordionReordered": True,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": {"aggregateFunction": "average", "groupByKeys": groups} if groups else None,
        "groupsExpanded": {},
        "globalLineChartConfig": _LINES,
        "chartsSearchFilter": "",
    }


def _chart(index: int, kind: str, key: str) -> dict[str, Any]:
    shared = {"metricSectionId": _SECTION, "deleted": False, "isGenerated": False}
    return {"uuid": f"chart{index}", "type": kind, "runsCountToCompare": 20, "metricKey": key} | (
        shared
    )


def _bar_chart(index: int, key: str) -> dict[str, Any]:
    return _chart(index, "BAR", key)


def _line_chart(index: int, key: str) -> dict[str, Any]:
    return _chart(index, "LINE", key) | {
        "selectedMetricKeys": [key],
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "range": {},
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        **_LINES,
    }
