"""The conclusion of a finished sweep, on the terminal and in its run."""

import math
import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from brnn.config import groups
from brnn.config.signatures import parameters
from brnn.errors import ComparisonError, TrackingError
from brnn.terminal import lines

if TYPE_CHECKING:
    from mlflow.entities import Run as EarlierRun

    from brnn.compare.comparison import Comparison
    from brnn.tracking.run import Run
    from brnn.tracking.store import Store

_CHARTS = 8  # of a view
_DIGITS = 12  # of a mean, which the UI shows in full: 0.851725, not 0.8517250000000001
SUCCESS = "attack/success_rate"
_INVALID = re.compile(r"[^\w. -]")  # in the name of a metric


def conclude(store: "Store", run: "Run", command: str) -> None:
    """Print the comparison of a sweep's groups, and write it to the sweep's run.

    The run gets the page as an artifact, a description with the table and the command that repeats
    the sweep, and the statistics of each group as metrics. Without a finished job nothing is
    written; where the store does not answer, a warning says so.

    Args:
        store: of the sweep.
        run: of the sweep, still open.
        command: the command line that repeats the sweep.
    """
    from brnn.compare import formats, notes, page, report
    from brnn.tracking import records, tag_names
    from brnn.tracking.reading import ui_base

    try:
        comparison = _compared(store, store.get(run.id))
        if comparison.is_replicated:
            lines.note("")
            report.show(comparison)
        else:
            lines.note(notes.single(comparison.over))
        note = formats.note(comparison, command, records.TAG)
        run.tag({tag_names.NOTE: note})
        run.metrics(group_metrics(comparison), step=sum(len(g.runs) for g in comparison.groups))
        run.text(page.page(comparison), formats.PAGE)
        view = _save_view(store, run.id, comparison)
    except ComparisonError:  # no job has finished
        return
    except TrackingError as error:
        lines.warning(f"the sweep is not compared: {error}; later: brnn compare sweep={run.id}")
        return
    lines.note(f"brnn ui tracking.uri={shlex.quote(store.uri)}")
    lines.note(f"{ui_base(store.uri)}{view}")


def save_view_of(store: "Store", parent: "EarlierRun") -> str:
    """Save MLflow's view of a sweep, what was swept and the compared metrics; return its page.

    Args:
        store: of the sweep.
        parent: the run of the sweep.

    Raises:
        ComparisonError: no job of the sweep has finished.
    """
    return _save_view(store, parent.info.run_id, _compared(store, parent))


def _compared(store: "Store", parent: "EarlierRun") -> "Comparison":
    """Return the comparison of a sweep that has ended by the defaults of `brnn compare`."""
    from brnn.compare.comparison import compare
    from brnn.compare.selection import sweep_runs

    defaults = groups.option("", "compare")
    keys = {key: defaults[key] for key in parameters("brnn.compare.comparison", "compare")}
    selection = sweep_runs([(store, parent)])
    return compare(replace(selection, stopped=[]), **keys)  # its own run is not closed yet


def _save_view(store: "Store", sweep: str, comparison: "Comparison") -> str:
    from brnn.compare.interactive import CURVES
    from brnn.tracking.view import grouped_by, save_view, view_state

    logged = {key for group in comparison.groups for r in group.runs.values() for key in r.metrics}
    curves = [key for key in CURVES if key in logged][:2]
    success = [SUCCESS] if SUCCESS in logged else []
    metrics = list(dict.fromkeys([*comparison.metrics, *success, *comparison.constant]))
    params = [*comparison.keys, comparison.over]
    shown = metrics[: _CHARTS - len(curves)]
    keys = comparison.keys if comparison.is_replicated else []
    values = {
        run.id: tuple(group.labels.values())
        for group in comparison.groups
        for run in (*group.runs.values(), *group.unfinished)
    }
    by = grouped_by(store, sweep, keys, values)
    state = view_state(sweep, params, shown, groups=by, curves=curves)
    return save_view(store, sweep, comparison.sweeps[sweep], state)


def group_metrics(comparison: "Comparison") -> dict[str, float]:
    """Return the statistics of each group of several runs as metrics of the sweep's run.

    Metrics:
        {metric}/mean/{group} (of the metric): of a sweep: mean of a group over its replications
        {metric}/std/{group} (of the metric): of a sweep: standard deviation in a group
    """
    names = [_INVALID.sub("_", group.name) for group in comparison.groups]
    return {
        f"{metric}/{statistic}/{name}": float(f"{value:.{_DIGITS}g}")
        for name, table in zip(names, comparison.table, strict=True)
        for metric in comparison.metrics
        for statistic, value in (("mean", table[metric].mean), ("std", table[metric].std))
        if not math.isnan(table[metric].std)
    }
