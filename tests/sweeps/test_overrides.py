"""Overrides: which are equal in all jobs, and which group they set."""

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
