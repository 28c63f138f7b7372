"""Prints the runs of an experiment: robust accuracy of each kind of run, over epsilon too, and whether it is trusted.

Command    python -m experiments.robustness.table [store] [experiment] [parameters that tell the kinds of runs apart]
"""

import re
import sys
from collections import defaultdict
from statistics import mean, stdev

from experiments.robustness.curves import points
from experiments.runs import finished

FIRST_REASON = re.compile(r"(?:not trusted: |\()(.+?)[;)]")  # of a verdict


def main(uri: str, experiment: str, keys: list[str]) -> None:
    """Reads the finished runs of an experiment from a store, and prints one row for the same values of `keys`."""
    client, runs = finished(uri, experiment)
    groups = defaultdict(list)
    for run in runs:
        if "attack/robust_accuracy" in run.data.metrics:
            groups[tuple(run.data.params[key] for key in keys)].append(run)
    print(
        "| "
        + " | ".join(keys)
        + " | n | clean | robust | over all checks | by epsilon | trusted | first reason |"
    )
    print("|---" * (len(keys) + 7) + "|")
    for names, chosen in sorted(groups.items()):
        columns = [
            _spread([run.data.metrics[key] for run in chosen if key in run.data.metrics])
            for key in ("attack/clean_accuracy", "attack/robust_accuracy", "trust/robust_accuracy")
        ]
        curves = zip(*(points(client, run.info.run_id, "epsilon") for run in chosen), strict=True)
        curve = ", ".join(
            f"{ps[0][0]:g}: {mean(accuracy for _, accuracy in ps):.3f}" for ps in curves
        )
        verdicts = [run.data.tags.get("trusted", "not checked") for run in chosen]
        yes = f"{verdicts.count('yes')} of {len(verdicts)}"
        reason = next(
            (FIRST_REASON.search(text)[1] for text in verdicts if FIRST_REASON.search(text)),
            "",
        )
        print("| " + " | ".join([*names, str(len(chosen)), *columns, curve, yes, reason]) + " |")


def _spread(values):
    if not values:
        return ""
    return f"{mean(values):.3f} ({stdev(values) if len(values) > 1 else 0:.3f})"


if __name__ == "__main__":
    store, name, *own = sys.argv[1:] or ("sqlite:///mlflow.db", "robustness")
    main(store, name, own or ["precision", "estimator", "attack"])
