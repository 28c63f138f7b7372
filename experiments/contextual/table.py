"""Print the runs of `experiment=contextual` as a Markdown table, and draw their losses.

Command    python -m experiments.contextual.table [store] [experiment]
Output     mean (standard deviation) over seeds; `losses.png` with one run of each topology and
           precision, that of the scales with most seeds
"""

from collections import defaultdict
from pathlib import Path
from statistics import mean

from brnn import figures
from experiments.commands import arguments
from experiments.runs import finished_runs, spread

SCALES = ("kernel_scale", "recurrent_scale", "bias_scale", "scale")
COLUMNS = ("test/loss", "test/bits_per_character", "test/accuracy")
COSTS = ("cost/float_multiplications", "cost/sign_flips", "cost/bit_shifts", "size/bits_per_weight")


def main(uri: str, experiment: str) -> None:
    """Print one row for each topology, precision and choice of scales, and write `losses.png`."""
    client, runs = finished_runs(uri, experiment)
    groups = defaultdict(list)
    for run in runs:
        if "test/loss" in run.data.metrics:  # the parent of a sweep has none
            groups[_labels(run.data.params)].append(run)
    rows = sorted(groups.items(), key=lambda row: (row[0][0], mean(_values(row[1], "test/loss"))))
    print("| topology | precision | scales | n | " + " | ".join((*COLUMNS, *COSTS)) + " |")
    print("|---" * (4 + len(COLUMNS) + len(COSTS)) + "|")
    for labels, seeds in rows:
        cells = [spread(_values(seeds, column)) for column in COLUMNS]
        costs = [f"{_values(seeds, column)[0]:,g}" for column in COSTS]
        print("| " + " | ".join([*labels, str(len(seeds)), *cells, *costs]) + " |")
    drawn = {
        labels[:2]: (labels, seeds) for labels, seeds in sorted(rows, key=lambda row: len(row[1]))
    }
    series = {" ".join(labels): _losses(client, seeds[0]) for labels, seeds in drawn.values()}
    figure = figures.curves(series, "epoch", "test loss in nats per character", None)
    figure.axes[0].set_yscale("log")
    Path("losses.png").write_bytes(figures.png(figure))


def _labels(params) -> tuple[str, str, str]:
    """Return topology, precision and scales, which runs of the same row share."""
    scales = [params[f"precision.{key}"] for key in SCALES if f"precision.{key}" in params]
    return params["topology"], params["precision"], " / ".join(scales)


def _values(runs, metric) -> list[float]:
    return [run.data.metrics[metric] for run in runs]


def _losses(client, run) -> list[tuple[float, float]]:
    history = client.get_metric_history(run.info.run_id, "test/loss")
    return sorted((metric.step, metric.value) for metric in history)


if __name__ == "__main__":
    main(*arguments(__doc__, store="sqlite:///mlflow.db", experiment="contextual"))
