"""An attack that cannot run is refused before training."""

from dataclasses import replace

import numpy as np
import pytest

from brnn.config import groups
from brnn.errors import ConfigError
from brnn.robustness import prepare
from tests.support.evaluating import GROUPS, SHARED, attack_option


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"name": "exact", "precision": "full"},
            "attack=exact needs discretized activations, got precision=full",
        ),
        (
            {"name": "exact", "precision": "custom"},
            "attack=exact needs discretized activations, got precision=custom",
        ),
        (
            {"name": "exact", "topology": "gru"},
            "attack=exact: ",
        ),
        (
            {"name": "exact", "solver": "cp_sat"},
            r"attack\.solver=cp_sat needs attack\.pixels=whole",
        ),
        ({"name": "exact", "pixels": "whole"}, r"attack\.pixels=whole needs images of bytes"),
        ({"name": "suite", "members": ["cw_l2"]}, "cw_l2 has only the norm l2"),
        ({"name": "suite", "members": ["pgd steps=3"]}, "pgd has no key 'steps'"),
        (
            {"name": "suite", "members": ["pgd restarts=0"]},
            "restarts must be a whole number, 1 or more, got 0",
        ),
        (
            {"name": "suite", "members": ["pdg"]},
            r"attack\.members: attack must be one of adaptive, .*, got pdg",
        ),
        (
            {"name": "adaptive", "base": "pdg"},
            r"attack\.base: attack must be one of adaptive, .*, got pdg",
        ),
        (
            {"name": "adaptive", "estimators": ["identiti"]},
            r"attack\.estimators must be one of trained, .*identiti",
        ),
        (
            {"name": "fgsm", "target": 10},
            "attack.target must be random or a class from 0 to 9, got 10",
        ),
        (
            {"name": "suite", "members": ["adaptive norm=l2"]},
            "adaptive takes no keys as a member, got norm=l2",
        ),
        (
            {"name": "suite", "members": [""]},
            r"attack\.members: attack must be one of adaptive, .*, got $",
        ),
        (
            {"name": "adaptive", "base": ""},
            r"attack\.base: attack must be one of adaptive, .*, got $",
        ),
        (
            {"name": "suite", "members": ["pgd step=[1"]},
            r"attack\.members: step=\[1 is not YAML",
        ),
        (
            {"name": "suite", "members": ["exact"]},
            r"attack\.members: exact cannot be a member of another attack",
        ),
        ({"name": "suite", "members": []}, "attack=suite has no members"),
        (
            {"name": "square", "curve_iterations": [1]},
            "attack=square has no key iterations, which attack.curve_iterations varies",
        ),
    ],
)
def test_what_cannot_run_is_refused_before_training(digits, changes, message):
    options = {group: groups.option(group, name) for group, name in GROUPS.items()} | {
        "plugins": []
    }
    changes = dict(changes)
    options["precision"] = groups.option("precision", changes.pop("precision", "binarynet"))
    options["topology"] = groups.option("topology", changes.pop("topology", "simple"))
    options["attack"] = attack_option(changes.pop("name"), **changes)
    with pytest.raises(ConfigError, match=message):
        prepare.prepare(options, digits)


@pytest.mark.parametrize("topology", ["simple", "lenet", "traffic30"])
def test_every_dense_and_convolutional_net_can_be_proved(digits, topology):
    options = {group: groups.option(group, name) for group, name in GROUPS.items()}
    options |= {
        "plugins": [],
        "topology": groups.option("topology", topology) | {"filters": [2, 3], "dense": [4]}
        if topology != "simple"
        else groups.option("topology", topology),
        "precision": groups.option("precision", "custom")
        | {"activation": {"quantizer": "ternary", "scale": 0.5}},
        "attack": attack_option("exact"),
    }
    prepare.prepare(options, digits)


def test_a_target_that_is_the_class_of_all_images_is_refused(digits):
    ones = replace(digits, test=(digits.test[0][:2], np.int32([1, 1])))
    with pytest.raises(ConfigError, match=r"attack.target=1 leaves no image to attack"):
        prepare.prepare({"attack": attack_option("fgsm", target=1), "plugins": []}, ones)


def test_an_attack_without_epsilon_cannot_be_checked(digits):
    own = SHARED | {"name": "mylab.attacks.rotated"}
    prepare.prepare({"attack": own | {"checks": False}, "plugins": ["mylab"]}, digits)
    with pytest.raises(
        ConfigError, match=r"needs a key epsilon, and mylab.attacks.rotated has none"
    ):
        prepare.prepare({"attack": own, "plugins": ["mylab"]}, digits)
