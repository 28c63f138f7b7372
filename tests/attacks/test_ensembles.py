"""Ensembles: their members, and the frozen suite."""

import yaml

from brnn import paths
from brnn.attacks import ensembles
from brnn.config import groups
from brnn.config.attack_options import members

BUDGET = {"epsilon": 0.1, "norm": "linf", "targeted": False}
OWN = {"estimator": "trained", "source": None}
APGD = {"name": "apgd", "iterations": 100, "restarts": 1, **BUDGET, **OWN}
PGD = {
    "name": "pgd",
    "step": 0.1,
    "iterations": 40,
    "restarts": 1,
    "loss": "cross_entropy",
    "early_stop": True,
    **BUDGET,
    **OWN,
}
SUITE_V1 = [  # must never change: papers cite it
    APGD | {"loss": "cross_entropy"},
    APGD | {"loss": "dlr"},
    {
        "name": "pgd_plus_plus",
        "step": 0.1,
        "iterations": 40,
        "restarts": 1,
        "saturation": 0.01,
        **BUDGET,
        **OWN,
    },
    PGD | {"estimator": "trained", "temperature": 1.0},
    PGD | {"estimator": "trained", "temperature": 100.0},
    PGD | {"estimator": "identity", "temperature": 1.0},
    PGD | {"estimator": "identity", "temperature": 100.0},
    PGD | {"estimator": "ste", "temperature": 1.0},
    PGD | {"estimator": "ste", "temperature": 100.0},
    PGD | {"estimator": "approx_sign", "temperature": 1.0},
    PGD | {"estimator": "approx_sign", "temperature": 100.0},
    PGD | {"early_stop": False, "source": "twin", "temperature": 1.0},
    {"name": "noise", "draws": 100, **BUDGET, **OWN},
    {"name": "square", "queries": 1000, "share": 0.8, **BUDGET, **OWN},
]
ESTIMATORS = [
    {"name": "identity"},
    {"name": "ste", "bound": 1.0},
    {"name": "approx_sign"},
]  # of the members, with their keys


def expanded(option):
    return list(members(option | {"source": None}, []).values())


def test_the_frozen_suite_never_changes():
    option = groups.option("attack", "suite_v1")
    assert option.pop("members")
    assert option == {"name": "suite", "preset": "suite_v1", **BUDGET}
    assert expanded(groups.option("attack", "suite_v1")) == SUITE_V1
    assert [groups.option("estimator", each["name"]) for each in ESTIMATORS] == ESTIMATORS


def test_members_of_the_frozen_suite_have_all_keys_of_their_options():
    budget = {"epsilon", "norm", "targeted"}
    for text in yaml.safe_load((paths.conf() / "attack/suite_v1.yaml").read_text())["members"]:
        name, *changes = text.split()
        keys = {change.partition("=")[0] for change in changes} - {"estimator", "source"}
        assert keys == set(groups.arguments(groups.option("attack", name))) - budget


def test_the_frozen_suite_takes_another_budget_as_a_whole():
    option = groups.option("attack", "suite_v1") | {"epsilon": 0.3, "norm": "l2"}
    for member, pinned in zip(expanded(option), SUITE_V1, strict=True):
        assert member == pinned | {"epsilon": 0.3, "norm": "l2"}


def test_members_have_the_budget_of_the_ensemble_and_their_own_keys():
    result = ensembles.suite(
        members=["pgd", "mim source=twin"], epsilon=0.2, norm="linf", targeted=True
    )
    assert list(result) == ["pgd", "mim source=twin"]
    assert all(member["epsilon"] == 0.2 and member["targeted"] for member in result.values())
    assert [member["source"] for member in result.values()] == [None, "twin"]


def test_a_single_attack_is_its_own_member():
    option = groups.option("attack", "pgd") | OWN
    assert members(option, []) == {"pgd": option}
