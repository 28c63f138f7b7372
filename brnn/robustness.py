"""Robustness: runs attacks on a net, and measures them by the usual definitions.

Every number of a run is of the same images. An attack that is an ensemble (`brnn.ensembles`) has several members;
any other is its own only member.
"""

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache, cached_property, lru_cache, partial
from typing import Literal

import numpy as np
import tensorflow as tf

from brnn import attacks, blackbox, config, ensembles, exact, figures, libraries, nets, tasks, training, trust
from brnn.config import ConfigError
from brnn.lending import Lending
from brnn.ranges import Count, Natural, Positive

ATTACK_BATCH = 500
PREDICTED_BATCH = 2500  # larger, since it runs op by op
EXAMPLES = 8  # adversarial images in the figure
PLAIN = str.maketrans(" =", "-:")  # what a metric's name may hold
SHAPES = ("precision", "estimator", "topology", "plugins")  # the groups that shape a net
SAVED = 200  # adversarial images in the artifact
KEPT = 32  # nets with what was compiled for them


@dataclass(frozen=True)
class Attacked:
    """The test images that are attacked (float32, pixels in [0, 1]), their labels, and a wrong target for each.

    `classes` are those that the discretized net gives to them.
    """

    images: np.ndarray
    labels: np.ndarray
    targets: np.ndarray
    classes: np.ndarray

    def __post_init__(self):
        if (same := self.labels == self.targets).any():
            raise ValueError(f"a target must differ from the label, got {self.labels[same][0]} for both")

    def of(self, rows: np.ndarray) -> "Attacked":
        """Some of the images."""
        return Attacked(*(getattr(self, one.name)[rows] for one in fields(self)))


@dataclass
class Report:
    """What an attack came to; `curves` are points (x, robust accuracy) by what is varied."""

    victims: Attacked
    images: np.ndarray
    predictions: np.ndarray
    targeted: bool
    metrics: dict[str, float]
    blind: np.ndarray  # which images reach the goal only by members that do not see the net's gradient
    reasons: list[str] | None = None  # not to trust the robust accuracy; None where it was not checked
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


class Net:
    """A Keras model under attack, which counts the images that it is asked about."""

    def __init__(self, model):
        self.model = model
        self.asked = tf.Variable(0, dtype=tf.int64, trainable=False)

    def __call__(self, x, training=False):
        """The logits; in evaluation, whatever `training` is."""
        self.asked.assign_add(tf.cast(tf.shape(x)[0], tf.int64))
        return self.model(x, training=False)


class Nets:
    """The discretized net with any backward pass, and the surrogates that an attack may look through instead.

    `weights` are those of the discretized net; `load(run)` gives the configuration and the weights of another run.
    `tell(what, share)` hears what attacks them, and which share of the images is through.
    """

    def __init__(self, options: dict, data, weights: list, load: Callable, tell: Callable[[str, float], None]):
        self.options = options
        self.data = data
        self.weights = weights
        self.load = cache(load)
        self.tell = tell
        self._leases = {}

    def through(self, estimator: str, source: str | None = None) -> Net:
        """The net with the backward pass of an estimator; of a surrogate, if `source` is not None.

        It has these weights as long as `self` is referenced; a later `Nets` of this shape reuses
        it and what was compiled for it.
        """
        key = (estimator, source)
        if key not in self._leases:
            self._leases[key] = self._leased(*key)
        return self._leases[key].lent

    def _leased(self, estimator, source):
        options, weights = self.options, self.weights
        if source is not None:
            options, weights = self._twin if source == "twin" else self.load(source)
        task = tasks.of(self.data)
        shape = json.dumps({key: options[key] for key in SHAPES})
        lease = _nets(shape, task, estimator, source)
        try:
            lease.lent.model.set_weights(weights)
        except ValueError as error:
            raise ConfigError(f"attack.source={source} does not fit inputs of {task.shape}: {error}") from error
        return lease

    @cached_property
    def _twin(self):
        """The same net in full precision, trained for as many epochs: its configuration and weights."""
        if self.options["precision"]["name"] == "full":
            return self.options, self.weights
        options = self.options | {"precision": {"name": "full"}}
        program = nets.program(options, tasks.of(self.data))
        for epoch, _ in enumerate(nets.epochs(program, options, self.data), 1):
            self.tell("trains its twin", epoch / options["epochs"])
        return options, program.manager.weights()


def _of_shape(options: str, task: tasks.Task, estimator: str, source: str | None) -> Net:
    return Net(nets.blank(json.loads(options), task, estimator))


_nets = Lending(_of_shape, KEPT)


def prepare(options: dict, data, store) -> None:
    """Raises `ConfigError` for an attack that could not run; called before training.

    `store` is that of the runs which an attack may have as its source.
    """
    option = options["attack"]
    given = config.members(option, options["plugins"]).values()
    if data.classes < 3 and any(member.get("loss") == "dlr" for member in given):
        raise ConfigError(f"attack.loss=dlr needs at least 3 classes, got {data.classes}; use margin")
    if option["name"] == "exact":
        _check_exact(options)
    if option["name"] == "art":
        libraries.evasion_attack(option["method"])
    _check_keys(option, data)
    for source in {member["source"] for member in given} - {None, "twin"}:
        Nets(options, data, [], store.net, training.silent).through("trained", source)


def evaluate(
    all_nets: Nets,
    option: dict,
    *,
    images: Count,
    choice: Literal["first", "random"],
    target: Literal["random"] | Natural,
    estimator: str,
    source: str | None,
    checks: bool,
    curve_epsilons: list[Positive],
    curve_iterations: list[Count],
) -> Report:
    """Attacks the discretized net as an option of the group `attack` says, and measures what came of it.

    The metrics `attack/` are of the attack through the backward pass of `estimator` or the surrogate `source`,
    `attack_identity/` of the same through the identity estimator (where a gradient is used), `attack_noise/` of
    uniform noise of the same size; `trust/` are the checks of `brnn.trust`.
    """
    seed, net = all_nets.options["seed"], all_nets.through("trained")
    victims = choose(net.model, all_nets.data, seed, images, choice, target)
    if option["name"] == "exact":
        return _decide(all_nets, option, victims)
    report = _run(all_nets, option, victims)
    identity = None
    if hasattr(attacks, option["name"]) and source is None:
        identity = _run(all_nets, option | {"estimator": "identity"}, victims)
        report.metrics |= {key.replace("attack/", "attack_identity/"): value for key, value in identity.metrics.items()}
    noisy = _noise(victims, report.images, option.get("clip", True), seed)
    report.metrics |= measure("attack_noise", victims, noisy, predicted(net.model, noisy), report.targeted)
    report.metrics["attack/images"] = len(victims.images)
    for key, values in (("epsilon", curve_epsilons), ("iterations", curve_iterations)):
        runs = {value: _run(all_nets, option | {key: value}, victims) for value in values}
        none = [(0.0, report.metrics["attack/clean_accuracy"])] if runs else []
        report.curves[key] = none + [(value, run.metrics["attack/robust_accuracy"]) for value, run in runs.items()]
    if checks:
        rows = np.arange(min(trust.IMAGES, len(victims.images)))
        subject = _subject(all_nets, option, report, identity, rows)
        looked = all_nets.through("identity" if hasattr(ensembles, option["name"]) else estimator)
        all_nets.tell("checks", 0.0)
        found, report.reasons = trust.check(net, looked, all_nets.through("identity"), subject, seed)
        report.metrics |= found
    return report


def files(report: Report, name: str) -> dict[str, bytes]:
    """The artifacts of an attack by path: its images as arrays and as a figure, and its curves."""
    victims, arrays = report.victims.of(np.arange(min(SAVED, len(report.images)))), io.BytesIO()
    np.savez_compressed(
        arrays,
        original=victims.images,
        adversarial=report.images[:SAVED],
        label=victims.labels,
        target=victims.targets,
        prediction=report.predictions[:SAVED],
    )
    examples = figures.adversarial_examples(
        victims.images[:EXAMPLES],
        report.images[:EXAMPLES],
        victims.labels[:EXAMPLES],
        report.predictions[:EXAMPLES],
        victims.targets[:EXAMPLES] if report.targeted else None,
        EXAMPLES,
    )
    drawn = {
        f"figures/robust_accuracy_by_{key}.png": figures.png(
            figures.curves({name: points}, key, "robust accuracy", None)
        )
        for key, points in report.curves.items()
        if points
    }
    return {"adversarial.npz": arrays.getvalue(), "figures/adversarial_examples.png": figures.png(examples)} | drawn


def choose(net: Callable, data, seed: int, images: int, choice: str, target) -> Attacked:
    """`images` of the test set, the first or random ones, with targets drawn uniformly from the wrong classes.

    A `target` that is a number is that of all, and images of that class are left out.
    """
    x, y = data.test
    if target != "random":
        x, y = x[y != target], y[y != target]
    rows = np.arange(len(y)) if choice == "first" else np.random.default_rng([seed, 3]).permutation(len(y))
    x, y = np.asarray(tasks.pixels(x[rows[:images]])), y[rows[:images]]
    shift = np.random.default_rng([seed, 1]).integers(1, data.classes, len(y))
    targets = (y + shift) % data.classes if target == "random" else np.full(len(y), target)
    return Attacked(x, y, targets.astype(y.dtype), predicted(net, x))


def predicted(net: Callable, x: np.ndarray) -> np.ndarray:
    """The classes that a net gives to `x`."""
    logits = [np.asarray(net(x[start : start + PREDICTED_BATCH])) for start in range(0, len(x), PREDICTED_BATCH)]
    return np.concatenate(logits).argmax(axis=-1)


def perturbed(attack: Callable, net: Callable, images, labels, seed: int, tell=training.silent, what="") -> np.ndarray:
    """All `images` under an attack, in batches; the same bits for the same seed. `tell` is that of `Nets`."""
    run, done = compiled(attack, net, images, labels), []
    for number, start in enumerate(range(0, len(images), ATTACK_BATCH)):
        tell(what, start / len(images))
        rows = slice(start, start + ATTACK_BATCH)
        done.append(run(images[rows], labels[rows], seed, number))
    tell(what, 1.0)
    return np.concatenate(done)


def compiled(attack: partial, net: Callable, images, labels) -> Callable:
    """An attack on batches like `images` and `labels`, of any length: `(x, labels, seed, number) -> x`.

    It is compiled once for the same attack on the same net, whatever weights that has by then.
    """
    graph = _graph(attack.func, json.dumps(attack.keywords), net, images.shape[1:], labels.dtype)
    return lambda x, labels, seed, number: graph(*map(tf.constant, (x, labels, [seed, number]))).numpy()


@lru_cache(maxsize=32)
def _graph(attack: Callable, keywords: str, net: Callable, shape: tuple, labels: np.dtype) -> Callable:
    batch = (tf.TensorSpec((None, *shape)), tf.TensorSpec((None,), labels), tf.TensorSpec((2,), tf.int32))
    keys = json.loads(keywords)

    def run(x, labels, numbers):
        return attack(net, x, labels, numbers, **keys)

    return tf.function(run, batch, autograph=False).get_concrete_function()


def measure(
    prefix: str, victims: Attacked, images: np.ndarray, classes: np.ndarray, targeted: bool
) -> dict[str, float]:
    """What an attack achieved that made of its victims `images` of these `classes`, its names after `prefix`/.

    `clean_accuracy` and `robust_accuracy`: share of all images classified right before and under the attack (Carlini
    et al. 2019, arXiv:1902.06705). `broke`: share not classified right under it, natural errors included.
    `success_rate`: targeted, the share classified as the target (also `tricked`); untargeted, the share broken of
    those classified right before. `linf`, `l2`: mean norms of the perturbation; `linf_median`, `l2_median`: its
    medians over the images that were right before and are broken, where there are any (Moosavi-Dezfooli et al. 2016).
    """
    before, right = victims.classes == victims.labels, classes == victims.labels
    difference = (images - victims.images).reshape(len(images), -1)
    sizes = {"linf": np.abs(difference).max(axis=1), "l2": np.linalg.norm(difference, axis=1)}
    metrics = {
        "clean_accuracy": before.mean(),
        "robust_accuracy": right.mean(),
        "broke": 1 - right.mean(),
        **{norm: size.mean() for norm, size in sizes.items()},
    }
    if (broken := before & ~right).any():
        metrics |= {f"{norm}_median": np.median(size[broken]) for norm, size in sizes.items()}
    if targeted:
        metrics["tricked"] = metrics["success_rate"] = (classes == victims.targets).mean()
    else:
        metrics["success_rate"] = broken.sum() / before.sum() if before.any() else 0.0
    return {f"{prefix}/{name}": float(value) for name, value in metrics.items()}


def _check_keys(option: dict, data) -> None:
    """Raises `ConfigError` for keys that ask for what an attack has not, or leave it no image."""
    name, target = option["name"], option["target"]
    for key, curve in (("iterations", "curve_iterations"), ("epsilon", "curve_epsilons")):
        if option[curve] and key not in option:
            raise ConfigError(f"attack={name} has no {key} to draw a curve over")
    if option["checks"] and "epsilon" not in option and name != "none":
        raise ConfigError(f"attack.checks needs a key epsilon, which {name} has not; use attack.checks=false")
    if target == "random":
        return
    if target >= data.classes:
        raise ConfigError(f"attack.target must be random or a class from 0 to {data.classes - 1}, got {target}")
    if np.all(data.test[1] == target):
        raise ConfigError(f"attack.target={target} leaves no image to attack, since it is the class of them all")


def _check_exact(options: dict) -> None:
    """Raises `ConfigError` for a net or a solver that cannot be used."""
    quantizer = config.function("precision", options["precision"], options["plugins"])().activation
    around_zero = np.float32([-2, -1e-3, 0, 1e-3, 2])
    if quantizer is None or not np.array_equal(quantizer(around_zero, None), [-1, -1, 1, 1, 1]):
        raise ConfigError(f"attack=exact needs activations of -1 and +1, got precision={options['precision']['name']}")
    if options["attack"]["solver"] != "cp_sat":
        return
    libraries.require("ortools", "attack.solver=cp_sat", "exact")
    keys = options["topology"]
    if not keys.get("binary_input") or keys.get("batch_normalization"):
        raise ConfigError(
            "attack.solver=cp_sat needs topology.binary_input=true and topology.batch_normalization=false; use highs"
        )


def _run(all_nets: Nets, option: dict, victims: Attacked) -> Report:
    """All members of an attack, each on the images that those before it left, and how many it broke of them all.

    Those that see the net's gradient go first, so that what the others break tells how much it hides.
    """
    net, seed = all_nets.through("trained"), all_nets.options["seed"]
    targeted = option.get("targeted", False)
    labels = victims.targets if targeted else victims.labels
    images, classes, asked = victims.images.copy(), victims.classes.copy(), 0
    left, blind = np.arange(len(labels)), np.zeros(len(labels), bool)
    given = sorted(
        config.members(option, all_nets.options["plugins"]).items(), key=lambda one: _is_blind(all_nets, one[1])
    )
    metrics = {f"{option['name']}/{name.translate(PLAIN)}/broke": 0.0 for name, _ in given}
    for name, member in given:
        if not len(left):
            break
        looked = all_nets.through(member["estimator"], member["source"])
        before = int(looked.asked.numpy())
        attack = config.function("attack", member, all_nets.options["plugins"])
        what = f"{name} through {member['source'] or member['estimator']}"
        try:
            images[left] = perturbed(attack, looked, victims.images[left], labels[left], seed, all_nets.tell, what)
        except tf.errors.OpError as error:  # whose message has stacks of calls around that of another library
            reason = re.search(r"^\w+(Error|Exception): .*", error.message, re.MULTILINE)
            if not reason:
                raise
            raise ConfigError(f"attack={name} failed: {reason[0]}") from error
        if not np.isfinite(images[left]).all():
            raise training.NonFiniteError(f"attack={name} gave pixels that are not numbers")
        asked += int(looked.asked.numpy()) - before
        classes[left] = predicted(net.model, images[left])
        reached = (classes[left] == labels[left]) == targeted
        metrics[f"{option['name']}/{name.translate(PLAIN)}/broke"] = reached.sum() / len(labels)
        blind[left[reached]] = _is_blind(all_nets, member)
        left = left[~reached]
    metrics = metrics if len(metrics) > 1 else {}
    metrics |= measure("attack", victims, images, classes, targeted) | {"attack/queries": asked / len(labels)}
    return Report(victims, images, classes, targeted, metrics, blind)


def _is_blind(all_nets: Nets, member: dict) -> bool:
    """Whether an attack does not see the gradient of the net itself, as the twin of a net in full precision is."""
    itself = member["source"] == "twin" and all_nets.options["precision"]["name"] == "full"
    return hasattr(blackbox, member["name"]) or (member["source"] is not None and not itself)


def _subject(all_nets, option, report, identity, rows) -> trust.Subject:
    """Some images of an attack for the checks, with what half of its iterations break and all do not."""
    victims, silent = report.victims.of(rows), np.zeros(len(rows), bool)
    broken = report.predictions[rows] != victims.labels
    if option.get("iterations", 1) > 1:
        half = _run(all_nets, option | {"iterations": option["iterations"] // 2}, victims)
        wish = victims.targets if report.targeted else victims.labels
        halfway, end = (
            (classes == wish) == report.targeted for classes in (half.predictions, report.predictions[rows])
        )
        silent = halfway & ~end
    other = None if identity is None else identity.predictions[rows] != victims.labels
    return trust.Subject(
        option, victims.images, victims.labels, report.images[rows], broken, silent, report.blind[rows], other
    )


def _decide(all_nets: Nets, option: dict, victims: Attacked) -> Report:
    """The verdict of a solver on each image, after PGD through the identity estimator had its try."""
    net, plugins, seed = all_nets.through("identity"), all_nets.options["plugins"], all_nets.options["seed"]
    budget = {"epsilon": option["epsilon"]}
    found = {}
    for name in ("pgd", "noise"):
        attack = config.function("attack", config.option("attack", name) | budget, plugins)
        found[name] = perturbed(attack, net, victims.images, victims.labels, seed)
    broken = {name: predicted(net, images) != victims.labels for name, images in found.items()}
    decide = config.function("attack", option, plugins)
    verdicts = []
    for image, label, example in zip(victims.images, victims.labels.tolist(), found["pgd"], strict=True):
        all_nets.tell(f"exact: {len(verdicts)} of {len(victims.images)} images", len(verdicts) / len(victims.images))
        verdicts.append(decide(net.model, image, label, example))
    images = np.stack([x if v.image is None else v.image for x, v in zip(victims.images, verdicts, strict=True)])
    status = np.array([verdict.status for verdict in verdicts])
    shares = {name: float(np.mean(status == name)) for name in (exact.CERTIFIED, exact.BROKEN, exact.UNKNOWN)}
    classes = predicted(net, images)
    metrics = measure("attack", victims, images, classes, False) | {
        f"attack_exact/{name}": v for name, v in shares.items()
    }
    metrics |= {
        "attack_exact/robust_accuracy_low": shares[exact.CERTIFIED],
        "attack_exact/robust_accuracy_high": shares[exact.CERTIFIED] + shares[exact.UNKNOWN],
        "attack_exact/seconds": float(np.mean([verdict.seconds for verdict in verdicts])),
        **{f"attack_exact/robust_accuracy_{name}": float(1 - wrong.mean()) for name, wrong in broken.items()},
    }
    wrong = int(np.sum((status == exact.CERTIFIED) & np.any(list(broken.values()), axis=0)))
    reasons = [f"{shares[exact.UNKNOWN]:.3f} of the images are undecided"] if shares[exact.UNKNOWN] else []
    reasons += [f"{wrong} certified images are broken by an attack, which is a bug of brnn"] if wrong else []
    return Report(victims, images, classes, False, metrics, np.zeros(len(images), bool), reasons)


def _noise(victims: Attacked, images: np.ndarray, clip: bool, seed: int) -> np.ndarray:
    """The control: uniform noise, for each image of the L-inf norm of its adversarial perturbation."""
    axes = tuple(range(1, images.ndim))
    size = np.abs(images - victims.images).max(axis=axes, keepdims=True)
    noisy = victims.images + size * (2 * np.random.default_rng([seed, 2]).random(images.shape, "float32") - 1)
    return noisy.clip(0, 1) if clip else noisy
