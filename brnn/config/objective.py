"""The objective of a run: the metrics that it returns to a search."""

from dataclasses import dataclass
from typing import Any

from brnn.config import groups, signatures
from brnn.config.metrics import is_metric, metric_names
from brnn.errors import ConfigError, did_you_mean

# names of `brnn.data.dataset` that a data set states as its return type
REGRESSION = {"Values", "Signal"}
OF_ATTACKS = ("attack", "trust/")  # prefixes of metrics that only an attack has


@dataclass(frozen=True)
class Outcome:
    """What a run returns: its objectives by name, and whether it was skipped as it had finished."""

    objectives: dict[str, float]
    is_skipped: bool

    @property
    def value(self) -> float | list[float]:
        """The objective; of several, a list."""
        values = list(self.objectives.values())
        return values[0] if len(values) == 1 else values


def objectives(options: dict[str, Any], has_validation: bool = True) -> list[str]:
    """Return the metrics that a run returns.

    The default is the accuracy of validation, in regression its loss; of test without such data.

    Args:
        options: a composed configuration.
        has_validation: whether its data have rows for validation.
    """
    given = options["objective"]
    if given is not None:
        return given if isinstance(given, list) else [given]
    split = "validation" if has_validation else "test"
    return [f"{split}/{'loss' if is_regression(options) else 'accuracy'}"]


def is_regression(options: dict[str, Any]) -> bool:
    """Return whether values are predicted: by the data set, or, if unstated, by the loss."""
    located = groups.locate("dataset", options["dataset"]["name"], options["plugins"])
    kind = signatures.returned(*located)
    return kind in REGRESSION if kind else options["loss"]["name"] == "mean_squared_error"


def check_objective(options: dict[str, Any]) -> None:
    """Check that each metric of a given objective can exist.

    Raises:
        ConfigError: one cannot.
    """
    for key in objectives(options) if options["objective"] is not None else []:
        if not is_metric(key):
            raise ConfigError(
                f"objective must be a metric of docs/reference/metrics.md, got {key!r}"
                f"{did_you_mean(key, metric_names())}"
            )
        for missing, needed in _missing(options, key):
            if missing:
                raise ConfigError(f"objective={key} needs {needed}")


def _missing(options: dict[str, Any], key: str) -> list[tuple[bool, str]]:
    """Return whether what a metric needs is missing, and what it needs."""
    attack, dataset = options["attack"], options["dataset"]
    unchecked = not attack["checks"] or attack["name"] == "exact"
    return [
        (key.startswith("curve/"), "one value, and a curve has several"),
        (key.startswith(OF_ATTACKS) and attack["name"] == "none", "an attack, got attack=none"),
        (
            key.startswith("trust/") and unchecked,
            f"the checks of an attack, got attack={attack['name']}"
            f" attack.checks={str(attack['checks']).lower()}",
        ),
        (
            key.startswith(("validation/", "best/validation")) and dataset.get("validation") == 0,
            "validation data, got dataset.validation=0",
        ),
        (
            key.endswith("accuracy") and is_regression(options),
            f"classes, and dataset={dataset['name']} has values to predict; use a loss",
        ),
    ]
