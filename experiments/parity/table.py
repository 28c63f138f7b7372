"""Print the runs of `experiment=parity` beside the original's numbers, as a Markdown table.

Command    python -m experiments.parity.table [store] [experiment]
Output     mean (standard deviation) over seeds, with the number of runs; `-` where there are none
"""

from experiments.commands import arguments
from experiments.runs import finished_runs, spread

# The original's accuracy in [0, 1], as mean and standard deviation; its success rate and share of
# broken images under FGSM, one iteration of 0.1. The deep nets were not attacked there.
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
    """Print one row for each net of the original."""
    _, runs = finished_runs(uri, experiment)
    print(
        "| topology | precision | estimator | n | "
        + " | ".join(COLUMNS)
        + " | original: accuracy | success rate / broke |"
    )
    print("|---" * (len(COLUMNS) + 6) + "|")
    for labels, (accuracy, fgsm) in REFERENCE.items():
        rows = [run.data.metrics for run in runs if _labels(run) == labels]
        cells = [spread([row[name] for row in rows]) if rows else "-" for name in COLUMNS]
        original = f"{accuracy[0]:.3f} ({accuracy[1]:.3f})"
        attacked = f"{fgsm[0]:.3f} / {fgsm[1]:.3f}" if fgsm else "-"
        print("| " + " | ".join([*labels, str(len(rows)), *cells, original, attacked]) + " |")


def _labels(run):
    return tuple(run.data.params.get(group) for group in ("topology", "precision", "estimator"))


if __name__ == "__main__":
    main(*arguments(__doc__, store="sqlite:///mlflow.db", experiment="parity"))
