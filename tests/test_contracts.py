"""Contracts: every configured function has the positional parameters of its contract, by name."""

import inspect

import pytest

from brnn import contracts
from brnn.config import groups, signatures
from brnn.quantization import quantizers

CONTRACTS = {
    "precision": contracts.PrecisionOption,
    "estimator": contracts.Estimator,
    "topology": contracts.Topology,
    "dataset": contracts.DatasetOption,
    "attack": contracts.Attack,
    "training": contracts.Regime,
    "distribution": contracts.Distribution,
    "loss": contracts.Loss,
    "schedule": contracts.Schedule,
    "progression": contracts.Progression,
    "format": contracts.Format,
    "initializer": contracts.Initializer,
    "bias_initializer": contracts.Initializer,
}
OF_MODULES = {  # attacks of another kind
    "brnn.attacks.ensembles": contracts.Ensemble,
    "brnn.proof.exact": contracts.Proof,
}
FUNCTIONS = [
    (OF_MODULES.get(module, CONTRACTS[group]), module, name)
    for group, modules in (groups.GROUPS | groups.LISTED).items()
    for module in modules
    for name in signatures.functions(module)
    if name in groups.names(group)
]


def positional(contract: type) -> list[str]:
    """The names of the parameters of a contract."""
    return list(inspect.signature(contract.__call__).parameters)[1:]


def test_every_group_has_a_contract():
    assert CONTRACTS.keys() == groups.GROUPS.keys() | groups.LISTED.keys()


@pytest.mark.parametrize(
    ("contract", "module", "name"), FUNCTIONS, ids=[f"{m}.{n}" for _, m, n in FUNCTIONS]
)
def test_positional_parameters_are_those_of_the_contract(contract, module, name):
    arguments = signatures.functions(module)[name].args
    assert [a.arg for a in (*arguments.posonlyargs, *arguments.args)] == positional(contract)
    assert (arguments.vararg, arguments.kwarg, arguments.defaults) == (None, None, [])
    assert not any(arguments.kw_defaults), "defaults are values of the YAML option"


@pytest.mark.parametrize("name", signatures.functions(quantizers.__name__))
def test_quantizers_have_the_parameters_of_their_contract(name):
    arguments = signatures.functions(quantizers.__name__)[name].args
    assert [a.arg for a in arguments.args] == positional(contracts.Quantizer)


@pytest.mark.parametrize("contract", dict.fromkeys([*CONTRACTS.values(), *OF_MODULES.values()]))
def test_contracts_state_what_they_return(contract):
    assert inspect.getdoc(contract.__call__).startswith("Return ")
    assert inspect.signature(contract.__call__).return_annotation is not inspect.Signature.empty
