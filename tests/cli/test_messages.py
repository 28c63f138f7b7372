"""Messages of errors: the key, its value, what is valid and what was meant, in one line."""

import pytest


@pytest.mark.parametrize(
    ("argument", "start", "end"),
    [
        ("estimator=sté", "estimator must be one of approx_sign, binary_gradient,", "mean ste?"),
        ("estimator=st", "estimator must be one of approx_sign,", "got st; did you mean ste?"),
        ("epohcs=3", "epohcs is not a key here; valid are: epochs, batch_size,", "mean epochs?"),
        ("estimatr=ste", "estimatr is not a key here; valid are: ", "did you mean estimator?"),
        ("~epohcs", "epohcs is not a key here", "; did you mean epochs?"),
        ("topology.widht=3", "topology.widht is not a key here; ", "; did you mean width?"),
        ("+topology.widht=3", "topology.widht is not a key here; ", "; did you mean width?"),
        (
            "recipe=modren",
            "recipe must be one of galloway, modern, original,",
            "did you mean modern?",
        ),
        ("tracking.url=x", "tracking.url is not a key here; valid are: uri,", "did you mean uri?"),
        ("+estimator.bound=1", "estimator.bound is not a key here; valid are: none", "none"),
        (
            "optimizer.nesterov=true",
            "optimizer.nesterov is not a key here; valid are: decayed, averaging, centralized",
            "; other arguments of its class need a plus: +optimizer.nesterov=…",
        ),
        ("hydra/launchr=ray", "hydra/launchr is not a key here", "; did you mean hydra/launcher?"),
        (
            "hydra/launcher=rey",
            "hydra/launcher must be one of basic, processes, ray, submitit, got rey",
            "; did you mean ray?",
        ),
        ("tracking.uri=a(b", "tracking.uri=a(b cannot be read; put its value in quotes", ""),
    ],
)
def test_a_mistyped_key_or_option_is_one_line_with_a_suggestion(
    light, error_of, argument, start, end
):
    done = light(argument)
    message = error_of(done)
    assert message.startswith(start)
    assert message.endswith(end)
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
