"""Evaluations of attacks on a small binarized net."""

import yaml

from brnn import paths
from brnn.config import groups
from brnn.config.signatures import parameters
from brnn.robustness import evaluate
from brnn.robustness.samples import choose

SHARED = yaml.safe_load((paths.conf() / "attack_keys.yaml").read_text())


GROUPS = {
    "precision": "binarynet",
    "estimator": "ste",
    "topology": "simple",
    "loss": "cross_entropy",
    "optimizer": "adam",
    "schedule": "constant",
    "initializer": "he_normal",
}


def attack_option(name, /, **keys):
    return SHARED | groups.option("attack", name) | keys


def evaluated(all_nets, name, **keys):
    option = attack_option(name, images=100, **keys)
    own = {key: option[key] for key in parameters(*groups.SHARED["attack"])}
    return evaluate.evaluate_run(all_nets, option, **own)


def chosen(net, data, images, choice="first", target="random"):
    keys = {"images": images, "choice": choice, "target": target}
    return choose(net, data.test, data.classes, 0, **keys)
