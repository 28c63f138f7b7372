"""Overrides: which are equal in all jobs, and which group they set."""

from omegaconf import OmegaConf

from brnn.sweeps import overrides as module


def test_constant_overrides_have_one_value(overrides):
    parsed = overrides("epochs=3", "seed=0,1", "+a.b=x")
    assert module.constant_overrides(parsed) == ["epochs=3", "+a.b=x"]


def test_of_a_key_that_is_given_again_the_last_value_counts(overrides):
    parsed = module.effective(overrides("batch_size=32", "seed=0", "batch_size=16,32", "+a.b=1"))
    assert [o.input_line for o in parsed] == ["batch_size=16,32", "seed=0", "+a.b=1"]
    assert module.constant_overrides(parsed) == ["seed=0", "+a.b=1"]


def test_the_root_of_an_override_is_its_group_or_its_first_key():
    lines = ("a=1", "+a.b=1", "~a", "a@b=1", "a.b@c=1")
    assert {module.root(line) for line in lines} == {"a"}


def test_a_command_line_has_the_folders_of_its_flag_and_is_quoted():
    sources = [
        {"provider": "main", "path": "file://conf"},
        {"provider": "command-line", "path": "my conf"},
    ]
    hydra = OmegaConf.create({"runtime": {"config_sources": sources}})
    line = module.command_line(hydra, ["seed=range(3)", "--multirun"])
    assert line == "brnn 'seed=range(3)' --multirun '--config-dir=my conf'"
    assert module.command_line(OmegaConf.create({"runtime": {"config_sources": []}}), []) == "brnn"
