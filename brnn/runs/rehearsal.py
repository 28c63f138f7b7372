"""The rehearsal of a run: what follows its training, on the untrained net and on two images.

So what a configuration can never do is found before the first training step: an attack that does
not fit the inputs, a function of a plugin that fails, a metric that is not logged or that MLflow
refuses. No number of the run depends on it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np

from brnn import figures
from brnn.config import groups
from brnn.config.attack_options import is_ensemble, members
from brnn.config.signatures import parameters
from brnn.errors import BrnnError, ConfigError
from brnn.measures.weights import snapshot
from brnn.robustness import artifacts
from brnn.robustness.evaluate import evaluate_run
from brnn.robustness.metrics import OF_BROKEN
from brnn.robustness.nets import RunNets
from brnn.robustness.prepare import prepare
from brnn.robustness.runner import run_attack
from brnn.runs.choice import check_monitor, closing_metrics, objectives_of
from brnn.runs.export import export, packed_metrics
from brnn.runs.plan import RunPlan
from brnn.runs.starts import load_surrogate
from brnn.runs.train import measures
from brnn.tracking.metric_names import check_metric_names
from brnn.tracking.store import Store
from brnn.tracking.sweep_job import SweepJob
from brnn.training.build import by_step_of
from brnn.training.checks import check_loss, output_width
from brnn.training.loop import metric_names, no_progress
from brnn.training.program import Program

SMALLEST = {"images": 2, "seconds": 0.01}  # keys of an attack, where it has them
OF_THE_RUN = ("time/attack", "time/artifacts", "time/tracking", "time/seconds")


def rehearse(
    plan: RunPlan, program: Program, store: Store, job: SweepJob | None
) -> dict[str, float]:
    """Compute every metric of a run once, and return all that it may log, of the untrained net.

    Args:
        plan: the run.
        program: its new program, which stays as it is.
        store: that of the runs which an attack may have as its source.
        job: the position of the run in its sweep, if it is part of one.

    Raises:
        ConfigError: the run cannot be completed, or its objective or monitor is not one of its
            metrics.
        PluginError: a function of a plugin fails.
    """
    settings = plan.settings
    check_loss(program.loss, plan.data.train[1], output_width(program.manager.model))
    by_step = by_step_of(plan.options, program.manager)
    epoch = dict.fromkeys(metric_names(program, plan.data, by_step), 0.0)
    epoch |= {name: float(column[0].mean()) for name, column in by_step(np.arange(1), 1).items()}
    weights = snapshot(program.manager)
    with _refusal("a measure", plan):
        epoch |= measures(plan, program, epoch, weights, weights)
    if settings.patience or (job and job.trial is not None):
        check_monitor(epoch, settings.monitor)
    metrics = epoch | closing_metrics([epoch], program, plan.task.shape[0])
    metrics |= _attack_metrics(plan, program, store) | dict.fromkeys(OF_THE_RUN, 0.0)
    metrics |= packed_metrics(plan.options, plan.data, program.manager.weights())
    metrics |= _export_metrics(plan, program)
    check_metric_names(metrics)
    objectives_of(metrics, plan.objective)
    return metrics


def _attack_metrics(plan: RunPlan, program: Program, store: Store) -> dict[str, float]:
    """Return the metrics of the attack, with those that exist only where an image is broken."""
    options, plugins = plan.options, plan.settings.plugins
    option = options["attack"]
    if option["name"] == "none":
        return {}
    prepare(options, plan.data)
    option = option | {key: value for key, value in SMALLEST.items() if key in option}
    option |= {key: option[key][:1] for key in ("curve_epsilons", "curve_iterations")}
    untrained = options | {"epochs": 0}  # of a twin
    load = partial(load_surrogate, plan, store)
    nets = RunNets(untrained, plan.data, program.manager.weights(), load, no_progress)
    with _refusal(f"attack={groups.label(option)}", plan):
        keys = {key: option[key] for key in parameters(*groups.SHARED["attack"])}
        report = evaluate_run(nets, option, **keys)
        if is_ensemble(option):  # whose first member may break all images
            for member in members(option, plugins).values():
                run_attack(nets, member, report.samples)
        if kinds := plan.settings.figures:
            drawn = artifacts.drawn(report, option["name"], plan.name, plan.data.names)
            for figure in drawn.values():
                figures.image(figure, kinds[0])
    attacks = {key.partition("/")[0] for key in report.metrics if key.endswith("/linf")}
    return report.metrics | {f"{attack}/{key}": 0.0 for attack in attacks for key in OF_BROKEN}


def _export_metrics(plan: RunPlan, program: Program) -> dict[str, float]:
    """Return the measures of the exported files, of two images."""
    x, y = plan.data.test
    data = replace(plan.data, test=(x[:2], y[:2]))
    keys = {"formats": plan.options["export"]["formats"], "tolerance": 1.0}
    files = export(plan.options, data, program.manager.weights(), **keys)
    return {key: value for file in files for key, value in file.metrics.items()}


@contextmanager
def _refusal(what: str, plan: RunPlan) -> Iterator[None]:
    """Replace what another library raises by one line."""
    try:
        yield
    except BrnnError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0]
        raise ConfigError(
            f"{what} cannot be computed for inputs of shape {plan.task.shape} and"
            f" {plan.data.classes} classes ({type(error).__name__}: {reason})"
        ) from error
