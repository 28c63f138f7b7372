"""Attacks of other libraries."""

from typing import Literal

import numpy as np
import tensorflow as tf

from brnn.attacks.toolbox import evasion_attack
from brnn.config.ranges import Positive

SEES_GRADIENT = True  # counted so for every class of ART, whose requirements do not state it
BATCH = 1000  # of ART's attacks; its default of 32 is many times slower


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
    """Run an evasion attack of the Adversarial Robustness Toolbox, by the name of its class.

    The class gets the budget, the norm and `targeted` where it has such arguments, and further
    `arguments`. Its random choices are NumPy's, seeded for each batch.

    It counts as an attack that sees the gradient, so that its control through the identity
    estimator is run too; for a class that uses no gradient the control only repeats it.

    References:
        Nicolae et al. 2018, arXiv:1807.01069.
    """
    attack = evasion_attack(method)
    keys = _budget(attack, epsilon, norm, targeted) | arguments
    classes = net(x[:1]).shape[-1]

    def generated(images, labels, numbers):
        from art.estimators.classification import TensorFlowV2Classifier

        np.random.seed(np.random.SeedSequence(numbers.tolist()).generate_state(1))
        loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        classifier = TensorFlowV2Classifier(
            net, classes, images.shape[1:], loss_object=loss, clip_values=(0.0, 1.0)
        )
        return attack(classifier, **keys).generate(images, labels).astype("float32")

    result = tf.numpy_function(generated, [x, labels, seed], tf.float32)
    return tf.ensure_shape(result, x.shape)


def _budget(attack, epsilon, norm, targeted) -> dict:
    """Return the common arguments that an attack of ART has."""
    common = {
        "eps": epsilon,
        "norm": np.inf if norm == "linf" else 2,
        "targeted": targeted,
        "verbose": False,
        "batch_size": BATCH,
    }
    return {key: value for key, value in common.items() if key in attack.attack_params}
