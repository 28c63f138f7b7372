"""Print the robust accuracies of an experiment's runs as a Markdown table.

Command    python -m experiments.robustness.table [store] [experiment] [key …]
Output     one row for all runs of the same values of the keys (precision, estimator, attack if none
           are given): mean (standard deviation) over seeds, the mean curve over epsilon, how many
           of the runs are trusted, and the first reason against one that is not
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from statistics import mean

from experiments.commands import arguments
from experiments.robustness.curves import points
from experiments.runs import finished_runs, spread

KEYS = ("precision", "estimator", "attack")
COLUMNS = {
    "clean": "attack/clean_accuracy",
    "robust": "attack/robust_accuracy",
    "over all checks": "trust/robust_accuracy",
}
FIRST_REASON = re.compile(r"(?:not trusted: |\()(.+?)[;)]")  # in a verdict that is not `yes`


def main(uri: str, experiment: str, keys: Sequence[str]) -> None:
    """Print the table."""
    client, runs = finished_runs(uri, experiment)
    groups = defaultdict(list)
    for run in runs:
        if "attack/robust_accuracy" in run.data.metrics:
            groups[tuple(run.data.params[key] for key in keys)].append(run)
    headings = [*keys, "n", *COLUMNS, "by epsilon", "trusted", "first reason"]
    print("| " + " | ".join(headings) + " |")
    print("|---" * len(headings) + "|")
    for labels, seeds in sorted(groups.items()):
        cells = [_cell(seeds, metric) for metric in COLUMNS.values()]
        cells += [_curve(client, seeds), *_verdicts(seeds)]
        print("| " + " | ".join([*labels, str(len(seeds)), *cells]) + " |")


def _cell(runs, metric) -> str:
    values = [run.data.metrics[metric] for run in runs if metric in run.data.metrics]
    return spread(values) if values else ""


def _curve(client, runs) -> str:
    """Return the mean robust accuracy at each epsilon."""
    curves = [points(client, run.info.run_id, "epsilon") for run in runs]
    return ", ".join(
        f"{column[0][0]:g}: {mean(accuracy for _, accuracy in column):.3f}"
        for column in zip(*curves, strict=True)
    )


def _verdicts(runs) -> tuple[str, str]:
    """Return how many runs are trusted, and the first reason of the first that is not."""
    verdicts = [run.data.tags.get("trusted", "not checked") for run in runs]
    reasons = [match[1] for text in verdicts if (match := FIRST_REASON.search(text))]
    return f"{verdicts.count('yes')} of {len(verdicts)}", reasons[0] if reasons else ""


if __name__ == "__main__":
    main(*arguments(__doc__, store="sqlite:///mlflow.db", experiment="robustness", keys=KEYS))
