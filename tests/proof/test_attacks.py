"""No attack of the package breaks a certificate, however many queries it has."""

import numpy as np
import pytest
from support.attacking import run
from support.proof_nets import dense_net, with_weights

from brnn.proof.decide import UNSAT
from brnn.proof.exact import exact

ATTACKS = {  # about 10,000 queries for each image
    "square": {"queries": 10_000},
    "pgd": {"iterations": 200, "restarts": 50},
    "apgd": {"iterations": 1000},
    "spsa": {"samples": 50, "iterations": 100},
}
PIXELS, IMAGES, EPSILON = 12, 24, 0.05


def certified():
    """Nets with their certified images, of which some are next to the border of their class."""
    for seed, scale in ((0, 1.0), (1, 0.5)):
        rng = np.random.default_rng(seed)
        keys = {"pixels": PIXELS, "width": 24, "batch_normalization": bool(seed)}
        model = with_weights(dense_net(**keys), rng, [-scale, scale])
        x = rng.uniform(size=(IMAGES, PIXELS)).astype("float32")
        labels = np.asarray(model(x)).argmax(axis=1)
        options = {
            "epsilon": EPSILON, "norm": "linf", "pixels": "real", "solver": "highs",
            "minimal": False, "seconds": 20.0,
        }  # fmt: skip
        verdicts = list(exact(model, x, labels, x, lambda *_: None, **options))
        safe = np.array([verdict.status == UNSAT for verdict in verdicts])
        assert safe.sum() >= 3
        yield model, x[safe], labels[safe]


@pytest.mark.slow
def test_no_attack_breaks_a_certificate():
    for model, x, labels in certified():
        for name, keys in ATTACKS.items():
            images = run(name, model, x, labels.astype("int32"), epsilon=EPSILON, **keys)
            assert np.abs(images - x).max() > 0
            assert (np.asarray(model(images)).argmax(axis=1) == labels).all(), name
