"""Recipes: nets are compared under one recipe, which names and tags state."""

import numpy as np
import pytest
from support.processes import complete
from support.stores import sweep_runs

from brnn.sweeps.dry_run import job_names

NETS = ("simple", "mlp", "gru")
TRAINING = ("optimizer", "schedule", "loss", "recipe")


def test_one_recipe_trains_every_net_alike(options):
    jobs = [options("dataset=mnist_rows", f"topology={net}", "recipe=original") for net in NETS]
    assert [job["recipe"]["name"] for job in jobs] == ["original"] * 3
    for job in jobs[1:]:
        assert {key: job[key] for key in TRAINING} == {key: jobs[0][key] for key in TRAINING}
    dense = jobs[:2]  # recurrent nets have no batch normalization
    assert [job["topology"]["batch_normalization"] for job in dense] == [False, False]


def test_the_default_recipe_of_a_net_is_in_the_plan_of_a_sweep(options):
    jobs = [options("dataset=mnist_rows", f"topology={net}") for net in NETS]
    assert job_names([[f"topology={net}"] for net in NETS], jobs) == [
        "topology=simple recipe=original",
        "topology=mlp recipe=modern",
        "topology=gru recipe=recurrent",
    ]


def test_an_overridden_recipe_is_in_the_plan_of_a_sweep_once(options):
    names = ("original", "modern")
    jobs = [options(f"recipe={name}") for name in names]
    assert job_names([[f"recipe={name}"] for name in names], jobs) == [
        "recipe=original",
        "recipe=modern",
    ]


@pytest.fixture(scope="module")
def runs(folder_with_store):
    """Three nets under one recipe, on sequences of four rows."""
    folder = folder_with_store("recipes")
    rng, y = np.random.default_rng(0), np.arange(200) % 2
    x = (rng.random((200, 4, 4)) + y[:, None, None]) / 2
    np.savez(folder / "mine.npz", x=x.astype("float32"), y=y)
    data = (
        "dataset=arrays",
        "dataset.path=mine.npz",
        "batch_size=32",
        "compiled=false",
        "figures=[]",
    )
    swept = ("topology=simple,mlp,gru", "recipe=original", "topology.width=8")
    code, out, err = complete(folder, *data, *swept, "epochs=1", "attack=none", "--multirun")
    assert code == 0, out + err
    assert "gru binarynet-identity-original-s0" in out
    return sweep_runs(folder).children


@pytest.mark.slow
def test_names_and_tags_state_the_recipe(runs):
    assert {run.info.run_name for run in runs} == {
        f"{net} binarynet-identity-original-s0" for net in NETS
    }
    assert [run.data.tags["recipe"] for run in runs] == ["original"] * 3
    for key in ("optimizer", "schedule", "loss", "optimizer.learning_rate"):
        assert len({run.data.params[key] for run in runs}) == 1
