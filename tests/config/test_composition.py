"""The configurations of the tests are those that Hydra composes."""

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from support.composition import composed

from brnn import paths


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("seed=3", "topology=mlp", "topology.width=8", "attack=pgd", "figures=[]"),
        ("topology=gru", "dataset=text", "dataset.path='a=b'", "recipe.name=mine", "seed=1e3"),
        (
            "dataset.names=[a,b]",
            "dataset=arrays",
            "attack=suite",
            "attack.members=['pgd loss=dlr',noise]",
        ),
        ("attack.source=null", "attack=suite", "tracking.uri=sqlite:////tmp/x", "init.from=a"),
        ("~attack.epsilon", "attack.name=mine", "+attack.width=3", "epochs=2", "epochs=3"),
        ("experiment=parity", "batch_size=20", "optimizer=sgd", "optimizer.momentum=0.5"),
    ],
)
def test_values_are_set_as_hydra_sets_them(overrides):
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        config = compose("config", list(overrides))
    assert composed(*overrides) == OmegaConf.to_container(config, resolve=True)


def test_a_configuration_is_not_changed_by_who_got_it_before():
    composed("topology.width=8")["topology"]["width"] = 9
    assert composed("topology.width=8")["topology"]["width"] == 8


@pytest.mark.parametrize("override", ["topology.wdith=8", "sede=1"])
def test_an_unknown_key_is_an_error_of_hydra(override):
    with pytest.raises(ConfigCompositionException, match=override.partition("=")[0]):
        composed(override)
