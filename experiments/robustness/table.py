"""Prints the runs of `experiment=robustness`: robust accuracy under each attack, and whether it is trusted."""

import os
import sys
from collections import defaultdict
from statistics import mean, stdev

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

import mlflow


def main(uri: str, experiment: str) -> None:
    """Reads the finished runs of an experiment from a store, and prints one row per net and attack."""
    client = mlflow.MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    runs = client.search_runs([found.experiment_id], "attributes.status = 'FINISHED'", max_results=5000)
    groups = defaultdict(list)
    for run in runs:
        if "attack/robust_accuracy" in run.data.metrics:
            groups[tuple(run.data.params[group] for group in ("precision", "estimator", "attack"))].append(run.data)
    print("| precision | estimator | attack | n | clean | robust | over all checks | trusted | first reason |")
    print("|---" * 9 + "|")
    for names, data in sorted(groups.items()):
        columns = [
            _spread([one.metrics[key] for one in data])
            for key in ("attack/clean_accuracy", "attack/robust_accuracy", "trust/robust_accuracy")
        ]
        verdicts = [one.tags["trusted"] for one in data]
        yes = f"{verdicts.count('yes')} of {len(verdicts)}"
        reason = next((text.removeprefix("no, because ").split(";")[0] for text in verdicts if text != "yes"), "")
        print("| " + " | ".join([*names, str(len(data)), *columns, yes, reason]) + " |")


def _spread(values):
    return f"{mean(values):.3f} ({stdev(values) if len(values) > 1 else 0:.3f})"


if __name__ == "__main__":
    main(*(sys.argv[1:] or ("sqlite:///mlflow.db", "robustness")))
