"""Keys that only the swept options have."""

import pytest

from brnn.cli.swept_keys import forced
from brnn.sweeps.overrides import unforced


@pytest.mark.parametrize(
    ("words", "multirun", "expected"),
    [
        (["attack=pgd,bim", "attack.step=0.1"], True, "++attack.step=0.1"),
        (["attack=pgd,bim", "attack.step=0.1"], False, "++attack.step=0.1"),
        (["attack=pgd", "attack.step=0.1"], False, "attack.step=0.1"),
        (["experiment=mine", "attack.step=0.1"], False, "++attack.step=0.1"),
        (["seed=0", "optimizer.momentum=0.9"], True, "++optimizer.momentum=0.9"),
        (["dataset=text", "dataset.carried=false"], True, "++dataset.carried=false"),
        (["x=1", "precision.kernel.quantizer=binary"], True, "++precision.kernel.quantizer=binary"),
        (["seed=0,1", "attack.stepp=0.1"], True, "attack.stepp=0.1"),  # Hydra refuses it
        (["seed=0,1", "attack.step=0.1,0.2"], True, "attack.step=0.1,0.2"),  # set in jobs alone
        (["seed=0,1", "+attack.step=0.1"], True, "+attack.step=0.1"),
        (["seed=0,1", "~attack.step"], True, "~attack.step"),
        (["seed=0,1", "tracking.uri=x"], True, "tracking.uri=x"),
        (["seed=0,1", "attack.step=(("], True, "attack.step=(("),  # unreadable
    ],
)
def test_a_key_of_an_option_is_forced_in_a_sweep(words, multirun, expected):
    assert forced(words, multirun) == [words[0], expected]


def test_jobs_get_the_key_as_it_was_given():
    assert unforced("++attack.step=0.1") == "attack.step=0.1"
    for line in ("+attack.step=1", "attack.step=1", "++optimizer.momentum=0.9", "++hydra.x.y=1"):
        assert unforced(line) == line


def test_a_sweep_is_composed_with_a_key_that_the_default_option_lacks(light, error_of):
    words = ("topology=gru,lstm", "topology.quantized_state=false", "--multirun")
    message = error_of(light(*words, "hydra.sweeper.zip=[topology,seed]"))
    assert message.startswith("hydra.sweeper.zip: keys need equally many values")  # of the jobs


def test_a_key_that_a_swept_option_lacks_is_refused_before_any_job(light, error_of):
    message = error_of(light("attack=fgsm,pgd", "attack.step=0.1", "--multirun"))
    assert message.startswith("attack.step is not a key here; valid are: images,")
