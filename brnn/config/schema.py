"""The keys at the root of a configuration, and those of a recipe and of an optimizer."""

from dataclasses import dataclass, fields
from typing import Any, Literal

from brnn.config.ranges import (
    Count,
    MetricDirection,
    Natural,
    NonNegative,
    Number,
    Positive,
    PositiveShare,
    ProperShare,
    RunId,
    Seed,
    Start,
)


@dataclass(frozen=True)
class Root:
    """The keys at the root; `conf/config.yaml` holds their defaults and explains each."""

    epochs: Natural
    batch_size: Count
    seed: Seed
    patience: Count | None
    monitor: MetricDirection
    keep: Literal["last", "best"]
    objective: str | list[str] | None
    compiled: bool | Literal["auto"]
    compute: Literal["auto", "float32", "bfloat16"]
    resume: bool | Literal["force"]
    dry_run: bool
    checkpoints: str
    figures: list[Literal["png", "svg"]]
    keep_trained: Count
    teacher: RunId | None
    plugins: list[str]


@dataclass(frozen=True)
class Recipe:
    """How a net is trained by default: an optimizer, a schedule, a loss and this.

    `name` is that of the recipe's file. A recipe's other choices are ordinary options.
    """

    name: str
    batch_normalization: bool


@dataclass(frozen=True)
class Init:
    """Where the weights start. The key `from`, a keyword of Python, is the field `from_`."""

    from_: Start | None
    black: Number
    white: Number


@dataclass(frozen=True)
class Optimizer:
    """The keys of every optimizer; its others are arguments of its class."""

    name: str
    learning_rate: Positive
    decayed: Literal["all", "latent", "real"]
    averaging: ProperShare | None
    centralized: bool


@dataclass(frozen=True)
class OptimizerArguments:
    """Arguments of some optimizers whose values are checked here; Keras checks the others."""

    weight_decay: NonNegative | None
    gamma: PositiveShare
    sigma: PositiveShare
    threshold: NonNegative
    corrected: bool


def root(options: dict[str, Any]) -> Root:
    """Return the keys at the root of a checked configuration."""
    return Root(**{field.name: options[field.name] for field in fields(Root)})
