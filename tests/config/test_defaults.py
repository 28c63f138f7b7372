"""The defaults of options go together, and are those of the original."""

import pytest

from brnn.config import groups
from brnn.config.objective import objectives


@pytest.mark.parametrize("topology", ["simple", "deep", "mlp"])
@pytest.mark.parametrize("precision", ["full", "binarynet"])
def test_the_defaults_go_together(options, topology, precision):
    options(f"topology={topology}", f"precision={precision}")


RECIPES = {  # loss, schedule, learning rate, batch normalization
    "original": ("cross_entropy", "exponential", 0.001, False),
    "modern": ("squared_hinge", "cosine", 0.01, True),
    "recurrent": ("cross_entropy", "cosine", 0.002, False),
    "scaled_recurrent": ("cross_entropy", "cosine", 0.016, False),
}


def recipe_of(whole):
    return (
        whole["loss"]["name"],
        whole["schedule"]["name"],
        whole["optimizer"]["learning_rate"],
        whole["recipe"]["batch_normalization"],
    )


@pytest.mark.parametrize("topology", ["simple", "mlp", "gru", "scaled_gru"])
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_trains_every_topology_in_the_same_way(options, topology, recipe):
    whole = options(f"topology={topology}", f"recipe={recipe}", "dataset=mnist_rows")
    assert whole["recipe"]["name"] == recipe
    assert recipe_of(whole) == RECIPES[recipe]
    if topology in ("simple", "mlp"):
        assert whole["topology"]["batch_normalization"] == RECIPES[recipe][3]


@pytest.mark.parametrize(
    ("topology", "recipe"),
    [
        ("simple", "original"),
        ("deep", "original"),
        ("mlp", "modern"),
        ("gru", "recurrent"),
        ("scaled_gru", "scaled_recurrent"),
    ],
)
def test_a_topology_chooses_its_default_recipe(options, topology, recipe):
    whole = options(f"topology={topology}", "dataset=mnist_rows")
    assert (whole["recipe"]["name"], recipe_of(whole)) == (recipe, RECIPES[recipe])


def test_the_command_line_changes_a_part_of_a_recipe(options):
    whole = options("topology=mlp", "loss=cross_entropy", "topology.batch_normalization=false")
    assert recipe_of(whole) == ("cross_entropy", "cosine", 0.01, True)
    assert whole["topology"]["batch_normalization"] is False
    assert (
        options("recipe=modern", "optimizer=sgd", "optimizer.learning_rate=1")["optimizer"]["name"]
        == "SGD"
    )


@pytest.mark.parametrize(
    "topology", ["rnn", "gru", "lstm", "clockwork", "mut1", "mut2", "scaled_gru"]
)
@pytest.mark.parametrize("dataset", ["text", "copying", "adding", "waveform", "mnist_rows"])
def test_sequences_and_recurrent_nets_go_together(options, topology, dataset):
    whole = options(f"topology={topology}", f"dataset={dataset}")
    assert (whole["attack"]["name"] == "none") == (dataset != "mnist_rows")
    assert (whole["loss"]["name"], objectives(whole)) == (
        ("mean_squared_error", ["validation/loss"])
        if dataset in ("adding", "waveform")
        else ("cross_entropy", ["validation/accuracy"])
    )
    assert objectives(whole, has_validation=False)[0].startswith("test/")


def test_the_defaults_are_those_of_the_original(options):
    whole = groups.flat(options())
    original = {
        "epochs": 5,
        "batch_size": 128,
        "precision.name": "binarynet",
        "precision.scale": 1.0,
        "estimator.name": "identity",
        "topology.width": 256,
        "topology.depth": 1,
        "topology.activation": "tanh",
        "topology.batch_normalization": False,
        "optimizer.name": "Adam",
        "optimizer.learning_rate": 1e-3,
        "optimizer.beta_1": 0.9,
        "optimizer.beta_2": 0.999,
        "optimizer.epsilon": 1e-8,
        "optimizer.clipvalue": 10.0,
        "schedule.decay": 0.95,
        "schedule.every": 250,
        "loss.name": "cross_entropy",
        "initializer.name": "he_normal",
        "bias_initializer.name": "binary_choice",
        "attack.name": "fgsm",
        "attack.epsilon": 0.1,
        "attack.iterations": 1,
        "attack.targeted": True,
        "attack.clip": False,
        "attack.images": 5000,
    }
    assert {key: whole[key] for key in original} == original
    deep = options("topology=deep")["topology"]
    assert (deep["first_width"], deep["width"], deep["depth"]) == (256, 128, 11)
