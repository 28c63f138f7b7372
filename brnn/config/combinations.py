"""Checks across keys: values valid alone but not together."""

from typing import Any

from brnn.config import groups, signatures
from brnn.config.cluster import workers
from brnn.config.maps import check_groups, check_images
from brnn.config.objective import REGRESSION, check_objective
from brnn.errors import ConfigError

# names of `brnn.data.dataset` that a data set states as its return type
PER_STEP = {"Tokens", "Signal"}
ONE_OUTPUT = (
    "brnn.nets.dense",
    "brnn.nets.convolutional",
    "brnn.nets.files",
)  # topologies without an output per step


def check_combination(config: dict[str, Any]) -> None:
    """Check options against one another.

    Raises:
        ConfigError: they do not go together.
    """
    _check_data(config)
    if {"width", "groups"} <= config["topology"].keys():
        check_groups(config["topology"]["width"], config["topology"]["groups"])
    _check_images(config)
    distribution = config["distribution"]
    if distribution["name"] == "multi_worker":
        workers(distribution["workers"], distribution["index"])
        if config["init"]["from"] or config["teacher"]:
            raise ConfigError(
                "distribution=multi_worker needs init.from=null and teacher=null, since only the"
                " chief reads the tracking store"
            )
    if config["keep"] == "best" and config["dataset"].get("validation") == 0:
        raise ConfigError(
            "keep=best needs validation data, got dataset.validation=0; use keep=last"
        )
    _check_latent(config)
    check_objective(config)


def _check_images(config: dict[str, Any]) -> None:
    """Refuse a topology that cannot read the images of a known data set, or their normalization."""
    dataset, topology = config["dataset"], config["topology"]
    module, function = groups.locate("dataset", dataset["name"], config["plugins"])
    shapes = signatures.constant(module, "SHAPES", None) or {}
    if function in shapes:
        check_images(topology, shapes[function])
    normalization = dataset.get("normalization", "none")
    if topology.get("binary_input") and normalization != "none":
        raise ConfigError(
            "topology.binary_input=true rounds pixels to 0 or 1 and needs"
            f" dataset.normalization=none, got {normalization}"
        )


def _check_latent(config: dict[str, Any]) -> None:
    """Refuse what needs latent weights where an optimizer has none."""
    optimizer, progression = config["optimizer"], config["progression"]["name"]
    if optimizer["name"] not in ("Bop", "Bop2ndOrder"):
        return
    decayed = optimizer["decayed"]
    averaging = optimizer["averaging"]
    for key, given, harmless, latent_needed in (
        ("progression", progression, "none", progression != "none"),
        ("optimizer.averaging", averaging, "null", averaging is not None),
        ("optimizer.decayed", decayed, "real", decayed == "latent"),
    ):
        if latent_needed:
            raise ConfigError(
                f"{key}={given} needs latent weights, which optimizer={optimizer['name'].lower()}"
                f" does not have; use {key}={harmless}"
            )


def _check_data(config: dict[str, Any]) -> None:
    """Refuse an attack, a regime, a topology or a loss that does not fit the data."""
    names = ("dataset", "attack", "training", "topology", "loss")
    dataset, attack, regime, topology, loss = (config[group]["name"] for group in names)
    kind = signatures.returned(*groups.locate("dataset", dataset, config["plugins"]))
    if not kind:  # a plugin that states no return type
        return
    if attack != "none" and kind in REGRESSION | PER_STEP:
        raise ConfigError(
            f"attack={attack} needs a dataset of pixels and classes, got dataset={dataset};"
            " use attack=none"
        )
    if regime != "standard" and kind in REGRESSION | PER_STEP:
        raise ConfigError(
            f"training={regime} needs a dataset of pixels and classes, got dataset={dataset}"
        )
    of_inputs = (f for m in ONE_OUTPUT for f in signatures.functions(m))
    if topology in of_inputs and kind in PER_STEP:
        valid = ", ".join(sorted(signatures.functions("brnn.nets.recurrent")))
        raise ConfigError(f"topology must be one of {valid} for dataset={dataset}, got {topology}")
    if config["teacher"] and kind in REGRESSION:
        raise ConfigError(f"teacher needs a dataset of classes, got dataset={dataset}")
    if (loss == "mean_squared_error") != (kind in REGRESSION):
        valid = "mean_squared_error" if kind in REGRESSION else "cross_entropy or squared_hinge"
        raise ConfigError(f"loss must be {valid} for dataset={dataset}, got {loss}")
