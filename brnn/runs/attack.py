"""The attack on a trained net, and what is logged of it."""

import time
from functools import partial

from brnn import figures
from brnn.config import groups
from brnn.config.signatures import parameters
from brnn.robustness import artifacts
from brnn.robustness.evaluate import evaluate_run
from brnn.robustness.nets import RunNets
from brnn.runs.choice import best_epoch
from brnn.runs.plan import RunPlan
from brnn.runs.report import description, show_verdict
from brnn.runs.starts import load_surrogate
from brnn.terminal import lines, progress
from brnn.tracking import tag_names
from brnn.tracking.run import ONCE, Run
from brnn.tracking.store import Store
from brnn.tracking.sweep_job import SweepJob
from brnn.training.program import Program

SECONDS = "time/attack"  # logged with the metrics of a complete attack


def attack(
    plan: RunPlan,
    program: Program,
    history: list[dict[str, float]],
    store: Store,
    tracked: Run,
    job: SweepJob | None,
) -> dict[str, float]:
    """Attack the discretized net, log what is found, and return the metrics.

    The metrics are logged last. Where an earlier process of the run logged them, nothing is
    repeated.

    Args:
        plan: the run; the test split of its data is attacked.
        program: its trained program.
        history: the metrics of each epoch.
        store: the tracking store; some attacks take nets of other runs.
        tracked: its run in the store.
        job: the position of the run in its sweep, if it is part of one.

    Metrics:
        time/attack (seconds): of the attack with its controls and checks
    """
    began, logged = time.perf_counter(), tracked.logged(ONCE)
    if SECONDS in logged:
        return logged
    metrics = _attacked(plan, program, store, tracked, job)
    kept = history[best_epoch(history) - 1 if plan.settings.keep == "best" else -1]
    if warning := rounding_warning(metrics, kept, len(plan.data.test[1])):
        lines.warning(f"{plan.name}: {warning}")
    metrics[SECONDS] = time.perf_counter() - began
    tracked.metrics(metrics, ONCE)
    return metrics


def rounding_warning(metrics: dict[str, float], kept: dict[str, float], rows: int) -> str:
    """Return a warning if two programs classify the same test rows differently, else nothing.

    Args:
        metrics: those of the attack.
        kept: those of the epoch whose net was attacked.
        rows: the number of test rows.
    """
    if metrics.get("attack/images") != rows:
        return ""
    clean, test = metrics["attack/clean_accuracy"], kept["test/accuracy"]
    if round(clean * rows) == round(test * rows):
        return ""
    return (
        f"attack/clean_accuracy is {clean:.4f} and test/accuracy {test:.4f} on the same {rows}"
        " images, since sums near 0 and equal logits are decided by rounding; see"
        " docs/explanation/reproducibility.md#one-net-two-accuracies"
    )


def _attacked(
    plan: RunPlan, program: Program, store: Store, tracked: Run, job: SweepJob | None
) -> dict[str, float]:
    options, option = plan.options, plan.options["attack"]
    if option["name"] == "none":
        return {}
    keys = {key: option[key] for key in parameters(*groups.SHARED["attack"])}
    with progress.attack_progress(plan.name) as on_progress:
        weights = program.manager.weights()
        load = partial(load_surrogate, plan, store)
        nets = RunNets(options, plan.data, weights, load, on_progress, plan.verdicts)
        report = evaluate_run(nets, option, **keys)
    if report.reasons is not None:
        tag = report.verdict.removeprefix("trusted: ")
        tracked.tag({"trusted": tag, tag_names.NOTE: description(tag, report.metrics)})
        show_verdict(tag, plan.name if job else "")
    epsilon = f" epsilon={option['epsilon']:g}" if option.get("epsilon") else ""
    title = f"{plan.name}: attack={groups.label(option)}{epsilon}"
    tracked.file(artifacts.images(report), "adversarial.npz")
    if kinds := plan.settings.figures:
        drawn = artifacts.drawn(report, option["name"], title, plan.data.names)
        for name, figure in drawn.items():
            for path, content in figures.files(figure, f"figures/{name}", kinds).items():
                tracked.file(content, path)
    for key, points in report.curves.items():
        _log_curve(key, points, tracked)
    return report.metrics


def _log_curve(key: str, points: list[tuple[float, float]], tracked: Run) -> None:
    """Log and print a curve, with the number of the point, from 1, as the step.

    Metrics:
        curve/epsilon (pixels): budgets of the curve over epsilon
        curve/robust_accuracy_by_epsilon (share): robust accuracy within these budgets
        curve/iterations (count): iterations of the curve over iterations
        curve/robust_accuracy_by_iterations (share): robust accuracy after these iterations
    """
    if points:
        shown = ", ".join(f"{accuracy:.4f} at {value:g}" for value, accuracy in points)
        lines.note(f"robust accuracy by {key}: {shown}")
    for number, (value, accuracy) in enumerate(points, 1):
        metrics = {f"curve/{key}": value, f"curve/robust_accuracy_by_{key}": accuracy}
        tracked.metrics(metrics, step=number)
