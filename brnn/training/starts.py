"""Where a training starts: the weights of another net, and a teacher."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from brnn.errors import ConfigError
from brnn.quantization.manager import QuantManager, Rule


@dataclass(frozen=True)
class Teacher:
    """A net to learn from; two of one run are equal.

    Attributes:
        run: the id of its run.
        model: from inputs to logits.
    """

    run: str
    model: keras.Model = field(compare=False)


@dataclass(frozen=True)
class Weight:
    """A variable of a trained net.

    Attributes:
        value: what the net computes with: levels, where it is discretized.
        latent: what training changed.
        bound: of the latent values; 0 without one.
        learned: arguments of its quantizer that were trained, by name.
    """

    value: np.ndarray
    latent: np.ndarray
    bound: float = 0.0
    learned: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Start:
    """What another run gives to a training.

    Attributes:
        weights: in the order of `model.weights`; None for new ones.
        teacher: None without one.
    """

    weights: list[Weight] | None = None
    teacher: Teacher | None = None


NEW = Start()
LATENT = "latent.npz"  # artifact of a run, `latent_file`


def latent_file(manager: QuantManager) -> bytes:
    """Return the latent weights of a net as an .npz file, `latent_i` and `bound_i` of variable i.

    The number i is that in `model.weights`; a bound of 0 is none. Trained arguments of a quantizer
    are `learned_i_name`. Where evaluation takes averages, all these are averages.
    """
    arrays: dict[str, Any] = {}
    averages = zip(manager.trained, manager.averages or manager.trained, strict=True)
    kept = {id(variable): average for variable, average in averages}
    for number, (rule, learned, _) in enumerate(_of_weights(manager)):
        if rule is not None:
            arrays[f"latent_{number}"] = np.asarray(kept[id(manager.model.weights[number])])
            arrays[f"bound_{number}"] = rule.bound or 0.0
        for name, argument in learned.items():
            arrays[f"learned_{number}_{name}"] = np.asarray(kept[id(argument)])
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def read_weights(values: list[np.ndarray], latent: bytes) -> list[Weight]:
    """Return the weights of a net from its model's values and the file of its latent weights."""
    with np.load(io.BytesIO(latent), allow_pickle=False) as arrays:
        return [
            Weight(
                value,
                arrays[f"latent_{number}"],
                float(arrays[f"bound_{number}"]),
                {
                    key.removeprefix(f"learned_{number}_"): arrays[key]
                    for key in arrays
                    if key.startswith(f"learned_{number}_")
                },
            )
            if f"latent_{number}" in arrays
            else Weight(value, value)
            for number, value in enumerate(values)
        ]


def initial_values(weights: list[Weight], manager: QuantManager) -> list[np.ndarray]:
    """Return what a net starts from, in the order of `model.weights`, taken from a trained net.

    A variable that the new net keeps real starts from the values that the other net computes with.
    A discretized one starts from the other's latent weights, scaled from its bound to the new one,
    where these give the same levels. Else 1.4 mean |w| is scaled to the new bound, so that a binary
    weight keeps its sign, and a ternary one of fixed levels is 0 where |w| < 0.7 mean |w|, as in
    `threshold_ternary`.

    Args:
        weights: of the trained net.
        manager: the new net.

    Raises:
        ConfigError: the nets have different shapes.
    """
    _check_shapes(weights, manager)
    return [
        weight.value if rule is None else _latent(weight, rule, shape, _taken(weight, learned))
        for weight, (rule, learned, shape) in zip(weights, _of_weights(manager), strict=True)
    ]


def take_learned(weights: list[Weight], manager: QuantManager) -> None:
    """Set the learned arguments of a net to those of a trained net, where it has them.

    Args:
        weights: of the trained net, in the order of `model.weights`.
        manager: the new net; a number of the other net is that of all its channels.
    """
    for weight, (_, learned, _) in zip(weights, _of_weights(manager), strict=True):
        for name, value in _taken(weight, learned).items():
            learned[name].assign(value)


def _taken(weight: Weight, learned: dict[str, keras.Variable]) -> dict[str, np.ndarray]:
    """Return the learned arguments of a weight that a new net takes over."""
    return {
        name: np.broadcast_to(weight.learned[name], argument.shape)
        for name, argument in learned.items()
        if name in weight.learned and weight.learned[name].shape in ((), tuple(argument.shape))
    }


def _latent(
    weight: Weight, rule: Rule, shape: tuple[int, ...], learned: dict[str, np.ndarray]
) -> np.ndarray:
    if rule.bound is None:
        return weight.latent
    if weight.bound:
        kept = (weight.latent * (rule.bound / weight.bound)).astype("float32")
        levels = np.asarray(rule.quantizer(kept.reshape(shape), None, **learned))
        levels = levels.reshape(kept.shape)
        if np.array_equal(np.sign(levels), np.sign(weight.value)):
            return kept
    size = 1.4 * float(np.abs(weight.latent).mean()) or 1.0
    return np.clip(weight.latent * (rule.bound / size), -rule.bound, rule.bound).astype("float32")


def _check_shapes(weights: list[Weight], manager: QuantManager) -> None:
    given = [weight.value.shape for weight in weights]
    expected = {weight.path: tuple(weight.shape) for weight in manager.model.weights}
    if given == [*expected.values()]:
        return
    triples = ((*pair, other) for pair, other in zip(expected.items(), given, strict=False))
    path, shape, other = next((t for t in triples if t[1] != t[2]), ("", (), ()))
    detail = f"{path} is {shape} here and {other} there"
    counts = f"this net has {len(expected)} variables and that one {len(given)}"
    raise ConfigError(
        "init.from must be a run or a file whose net has the same shapes;"
        f" {detail if path else counts}; brnn import FILE epochs=5 trains the net of a file"
    )


def _of_weights(
    manager: QuantManager,
) -> list[tuple[Rule | None, dict[str, keras.Variable], tuple[int, ...]]]:
    """Return the rule, the learned arguments and the shape of each of `model.weights`."""
    of_manager = zip(manager.rules, manager.learned, manager.shapes, strict=True)
    pairs = zip(manager.model.trainable_variables, of_manager, strict=True)
    known = {id(variable): of_variable for variable, of_variable in pairs}
    real: tuple = (None, {}, ())
    return [known.get(id(weight), real) for weight in manager.model.weights]
