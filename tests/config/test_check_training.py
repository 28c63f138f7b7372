"""Bad values of how a net is trained: one line that states what is valid, before TensorFlow."""

import pytest

from brnn.config.check import check
from brnn.errors import ConfigError

REFUSED = [
    (
        ["optimizer=bop", "optimizer.gamma=2"],
        "optimizer.gamma must be above 0 and at most 1, got 2",
    ),
    (["optimizer=bop", "optimizer.threshold=-1"], "optimizer.threshold must be a finite number, 0"),
    (["optimizer=bop2ndorder", "optimizer.sigma=0"], "optimizer.sigma must be above 0 and at most"),
    (["optimizer=bop2ndorder", "optimizer.corrected=maybe"], "optimizer.corrected must be true or"),
    (["optimizer=sgd", "optimizer.weight_decay=-1"], "optimizer.weight_decay must be a finite"),
    (["init.from="], "init.from must be the id of a run or a file of a net"),
    (["teacher="], "teacher must be the id of a run"),
    (
        ["topology=resnet20", "topology.groups=3"],
        "topology.width must be a multiple of topology.groups=3, got 16",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), REFUSED)
def test_a_bad_value_is_refused_in_one_line_that_states_what_is_valid(composed, overrides, message):
    with pytest.raises(ConfigError) as error:
        check(composed(*overrides))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
