"""Optional packages: what they offer by name, or one line on how to get them."""

from typing import Literal

import numpy as np
import tensorflow as tf

from brnn.config.ranges import Positive
from brnn.errors import ConfigError, require


def evasion_attack(method: str) -> type:
    """The class of an evasion attack of the Adversarial Robustness Toolbox."""
    require("art", "attack=art", "attacks")
    from art.attacks import EvasionAttack, evasion

    known = [
        name
        for name, one in vars(evasion).items()
        if isinstance(one, type) and issubclass(one, EvasionAttack)
    ]
    if method not in known:
        raise ConfigError(
            f"attack.method must be an evasion attack of ART, got {method!r}: {', '.join(sorted(known))}"
        )
    return getattr(evasion, method)


def art(
    net,
    x,
    labels,
    seed,
    *,
    method: str,
    epsilon: Positive,
    norm: Literal["linf", "l2"],
    targeted: bool,
    arguments: dict,
):
    """An evasion attack of the Adversarial Robustness Toolbox, by the name of its class.

    It gets the budget, the norm and `targeted` where it knows them, and `arguments` besides. Its random choices are
    NumPy's, seeded for each batch. Nicolae et al. 2018, arXiv:1807.01069.
    """
    given = _known(evasion_attack(method), epsilon, norm, targeted) | arguments
    classes = net(x[:1]).shape[-1]

    def generated(images, wanted, numbers):
        from art.estimators.classification import TensorFlowV2Classifier

        np.random.seed(np.random.SeedSequence(numbers.tolist()).generate_state(1))
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        shape = images.shape[1:]
        classifier = TensorFlowV2Classifier(
            net, classes, shape, loss_object=loss, clip_values=(0.0, 1.0)
        )
        return (
            evasion_attack(method)(classifier, **given).generate(images, wanted).astype("float32")
        )

    result = tf.numpy_function(generated, [x, labels, seed], tf.float32)
    return tf.ensure_shape(result, x.shape)


def _known(attack, epsilon, norm, targeted) -> dict:
    """Those of the common arguments that an attack of ART has."""
    common = {
        "eps": epsilon,
        "norm": np.inf if norm == "linf" else 2,
        "targeted": targeted,
        "verbose": False,
    }
    common |= {"batch_size": 1000}  # its default of 32 is many times slower
    return {key: value for key, value in common.items() if key in attack.attack_params}
