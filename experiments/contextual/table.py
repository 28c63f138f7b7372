"""Prints the runs of `experiment=contextual` as a table, mean (standard deviation) over seeds.

Draws the losses of the row of most seeds of each topology and precision.
"""

import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev

from brnn import figures
from experiments.runs import finished

SCALES = ("kernel_scale", "recurrent_scale", "bias_scale", "scale")
COLUMNS = ("test/loss", "test/bits_per_character", "test/accuracy")
COSTS = ("cost/float_multiplications", "cost/sign_flips", "cost/bit_shifts", "size/bits_per_weight")


def main(uri: str, experiment: str) -> None:
    """Reads the finished runs of an experiment from a store, prints a Markdown table, and writes `losses.png`."""
    client, runs = finished(uri, experiment)
    groups = defaultdict(list)
    for run in runs:
        if "test/loss" in run.data.metrics:  # the parent of a sweep has none
            groups[_named(run.data.params)].append(run)
    ordered = sorted(
        groups.items(), key=lambda one: (one[0][0], mean(_values(one[1], "test/loss")))
    )
    print("| topology | precision | scales | n | " + " | ".join((*COLUMNS, *COSTS)) + " |")
    print("|---" * (4 + len(COLUMNS) + len(COSTS)) + "|")
    for names, chosen in ordered:
        cells = [_spread(_values(chosen, column)) for column in COLUMNS]
        costs = [f"{_values(chosen, column)[0]:,g}" for column in COSTS]
        print("| " + " | ".join([*names, str(len(chosen)), *cells, *costs]) + " |")
    shown = {
        names[:2]: (names, chosen) for names, chosen in sorted(ordered, key=lambda one: len(one[1]))
    }
    series = {" ".join(names): _losses(client, chosen[0]) for names, chosen in shown.values()}
    figure = figures.curves(series, "epoch", "test loss in nats per character", None)
    figure.axes[0].set_yscale("log")
    Path("losses.png").write_bytes(figures.png(figure))


def _named(params) -> tuple[str, str, str]:
    """What tells a group of runs from the others: topology, precision, and the scales with the rate."""
    scales = [params[f"precision.{key}"] for key in SCALES if f"precision.{key}" in params]
    return params["topology"], params["precision"], " / ".join(scales)


def _values(runs, metric) -> list[float]:
    return [run.data.metrics[metric] for run in runs]


def _losses(client, run) -> list[tuple[float, float]]:
    history = client.get_metric_history(run.info.run_id, "test/loss")
    return sorted((one.step, one.value) for one in history)


def _spread(values) -> str:
    return f"{mean(values):.3f} ({stdev(values) if len(values) > 1 else 0:.3f})"


if __name__ == "__main__":
    main(*(sys.argv[1:] or ("sqlite:///mlflow.db", "contextual")))
