"""Prints the runs of `experiment=parity` beside the original's numbers: mean (standard deviation) over seeds."""

import sys
from statistics import mean, stdev

from experiments.runs import finished

# accuracy: mean and standard deviation of the original, in [0, 1]; FGSM, one iteration of 0.1: success rate, broke
REFERENCE = {
    ("simple", "full", "identity"): ((0.968, 0.001), (0.777, 0.965)),
    ("simple", "binaryconnect", "identity"): ((0.906, 0.022), (0.136, 0.346)),
    ("simple", "binarynet", "identity"): ((0.871, 0.007), (0.896, 0.991)),
    ("simple", "binarynet", "ste"): ((0.894, 0.020), (0.063, 0.213)),
    ("simple", "binarynet", "chernoff"): ((0.868, 0.007), (0.909, 0.991)),
    ("deep", "full", "identity"): ((0.968, 0.003), None),
    ("deep", "binaryconnect", "identity"): ((0.102, 0.006), None),
    ("deep", "binarynet", "identity"): ((0.657, 0.038), None),
    ("deep", "binarynet", "ste"): ((0.100, 0.014), None),
    ("deep", "binarynet", "chernoff"): ((0.821, 0.024), None),
}
COLUMNS = (
    "test/accuracy",
    "attack/success_rate",
    "attack/broke",
    "attack_identity/success_rate",
    "attack_identity/broke",
    "attack_noise/broke",
)


def main(uri: str, experiment: str) -> None:
    """Reads the finished runs of an experiment from a store, and prints a Markdown table."""
    _, runs = finished(uri, experiment)
    print(
        "| topology | precision | estimator | n | "
        + " | ".join(COLUMNS)
        + " | original: accuracy | success rate / broke |"
    )
    print("|---" * (len(COLUMNS) + 6) + "|")
    for names, (accuracy, fgsm) in REFERENCE.items():
        chosen = [run.data.metrics for run in runs if _names(run) == names]
        cells = (
            [_spread([metrics[column] for metrics in chosen]) for column in COLUMNS]
            if chosen
            else ["-"] * 6
        )
        original = f"{accuracy[0]:.3f} ({accuracy[1]:.3f})"
        broken = f"{fgsm[0]:.3f} / {fgsm[1]:.3f}" if fgsm else "-"
        print("| " + " | ".join([*names, str(len(chosen)), *cells, original, broken]) + " |")


def _names(run):
    return tuple(run.data.params.get(group) for group in ("topology", "precision", "estimator"))


def _spread(values):
    return f"{mean(values):.3f} ({stdev(values) if len(values) > 1 else 0:.3f})"


if __name__ == "__main__":
    main(*(sys.argv[1:] or ("sqlite:///mlflow.db", "parity")))
