"""The figures of a trained net."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from brnn import figures
from brnn.data.pixels import to_pixels
from brnn.figures import weights
from brnn.figures.examples import confusion_matrix
from brnn.measures.weights import QUANTILES, snapshot
from brnn.robustness.samples import predicted
from brnn.runs.plan import RunPlan
from brnn.training.program import Program

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

CURVES = (  # figures of metrics by epoch: name, prefix of the metrics, what they are
    ("flips", "variables/flip_rate/", "share of changed levels"),
    ("passed_gradient", "gradient_share/", "share of passed gradient"),
)
CONFUSED = 10_000  # test rows of the confusion matrix, at most

History = list[dict[str, float]]


def files(
    plan: RunPlan, program: Program, history: History, model: "keras.Model"
) -> dict[str, bytes]:
    """Return the files of the figures of a training by path; none without formats.

    Args:
        plan: the run.
        program: its trained program.
        history: the metrics of each epoch.
        model: the discretized net.
    """
    if not plan.settings.figures:
        return {}
    drawn = {"learning_curves": figures.learning_curves(history, plan.name)}
    for name, prefix, what in CURVES:
        if (curve := figures.shares_by_epoch(history, prefix, what, plan.name)) is not None:
            drawn[name] = curve
    drawn |= dict(_weights(plan, program, history)) | dict(_confusion(plan, model))
    groups = [
        figures.files(figure, f"figures/{name}", plan.settings.figures)
        for name, figure in drawn.items()
    ]
    return {path: content for group in groups for path, content in group.items()}


def _weights(plan: RunPlan, program: Program, history: History) -> Iterator[tuple[str, "Figure"]]:
    """Yield the figures of the discretized variables, if there are any."""
    variables = snapshot(program.manager)
    latent = {variable.path: variable.latent for variable in variables if variable.rule}
    if not latent:
        return
    bounds = {variable.path: variable.rule.bound for variable in variables if variable.rule}
    yield "latent_weights", weights.latent_histograms(latent, bounds, plan.name)
    quantiles = {
        path: [tuple(m[f"variables/{name}/{path}"] for name in QUANTILES) for m in history]
        for path in latent
    }
    yield "latent_weights_by_epoch", weights.latent_by_epoch(quantiles, bounds, plan.name)
    first = variables[0]
    title = f"{plan.name}: levels of {first.path}"
    if first.rule and (figure := weights.first_layer(first.levels, plan.task.shape, title)):
        yield "first_layer", figure


def _confusion(plan: RunPlan, model: "keras.Model") -> Iterator[tuple[str, "Figure"]]:
    """Yield the confusion matrix of a net with one class for each test row."""
    x, y = (values[:CONFUSED] for values in plan.data.test)
    if y.ndim > 1 or np.issubdtype(y.dtype, np.floating):
        return
    net = tf.function(lambda x: model(to_pixels(x)), reduce_retracing=True, autograph=False)
    classes = predicted(net, x)
    title = f"{plan.name}: {len(y):,} test rows"
    figure = confusion_matrix(y, classes, plan.data.classes, title, plan.data.names)
    yield "confusion", figure
