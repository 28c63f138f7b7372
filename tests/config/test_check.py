"""A configuration that cannot run is refused in one line."""

import pytest

from brnn.config.check import check
from brnn.errors import ConfigError

REFUSED = [
    (["epochs=-1"], "epochs must be a whole number, 0 or more, got -1"),
    (["epochs=ten"], "epochs must be a whole number, 0 or more, got 'ten'"),
    (["epochs=1.5"], "epochs must be a whole number, 0 or more, got 1.5"),
    (["epochs=true"], "epochs must be a whole number, 0 or more, got True"),
    (["epochs=null"], "epochs must be a whole number, 0 or more, got None"),
    (["batch_size=0"], "batch_size must be a whole number, 1 or more, got 0"),
    (["seed=-1"], "seed must be a whole number from 0 to 2147483647, 2^31 - 1, got -1"),
    (["seed=2147483648"], "seed must be a whole number from 0 to 2147483647, 2^31 - 1, got 2147"),
    (["keep=worst"], "keep must be one of last, best, got 'worst'"),
    (["compiled=1"], "compiled must be true or false or one of auto, got 1"),
    (["plugins=mylab"], "plugins must be a list, each a text, got 'mylab'"),
    (["plugins=[1]"], "plugins must be a list, each a text, got [1]"),
    (
        ["tracking.uri=3"],
        "tracking.uri must be an MLflow tracking URI, of SQLite sqlite:///file (a store in memory",
    ),
    (
        ["tracking.uri='sqlite://'"],
        "tracking.uri must be an MLflow tracking URI, of SQLite sqlite:///file (a store",
    ),
    (
        ["tracking.uri='sqlite:///:memory:'"],
        "tracking.uri must be an MLflow tracking URI, of SQLite sqlite:///file",
    ),
    (["~estimator"], "estimator must be a group of keys, got None"),
    (["tracking=3"], "tracking must be a group of keys, got 3"),
    (
        ["+epohcs=3"],
        "epohcs is not a key here; valid are: epochs, batch_size, seed, patience, monitor, keep,",
    ),
    (["+tracking.url=x"], "tracking.url is not a key here; valid are: uri, experiment"),
    (
        ["estimator=ste", "+estimator.bounnd=3"],
        "estimator.bounnd is not a key here; valid are: bound",
    ),
    (["+estimator.bound=3"], "estimator.bound is not a key here; valid are: none"),
    (["estimator=ste", "~estimator.bound"], "estimator.bound is missing"),
    (["~epochs"], "epochs is missing"),
    (
        ["estimator=ste", "estimator.bound=0"],
        "estimator.bound must be a finite number above 0, got 0",
    ),
    (
        ["estimator=ste", "estimator.bound=inf"],
        "estimator.bound must be a finite number above 0, got inf",
    ),
    (
        ["estimator=ste", "estimator.bound=nan"],
        "estimator.bound must be a finite number above 0, got nan",
    ),
    (
        ["optimizer=bop", "progression=layerwise"],
        "progression=layerwise needs latent weights, which optimizer=bop does not have; use"
        " progression=none",
    ),
    (
        ["optimizer=bop2ndorder", "optimizer.averaging=0.9"],
        "optimizer.averaging=0.9 needs latent weights, which optimizer=bop2ndorder does not have;"
        " use optimizer.averaging=null",
    ),
    (
        ["optimizer=bop", "optimizer.decayed=latent"],
        "optimizer.decayed=latent needs latent weights, which optimizer=bop does not have; use"
        " optimizer.decayed=real",
    ),
    (
        ["optimizer.decayed=levels"],
        "optimizer.decayed must be one of all, latent, real, got 'levels'",
    ),
    (
        ["progression=two_stages", "progression.split=1"],
        "progression.split must be at least 0 and below 1, got 1",
    ),
    (
        ["estimator=ste", "estimator.bound={schedule: cosine, from: 2, to: 0}"],
        "estimator.bound.to must be a finite number above 0, got 0",
    ),
    (
        ["estimator=ste", "estimator.bound={schedule: cosine, from: 2}"],
        "estimator.bound.to is missing",
    ),
    (
        ["estimator=ede", "estimator.slope.schedule=exponential"],
        "estimator.slope.schedule must be one of cosine, geometric, linear, quarter_cosine, got"
        " 'exponential'",
    ),
    (
        ["estimator=ede", "estimator.slope.steps=0"],
        "estimator.slope.steps must be a whole number, 1 or more or null, got 0",
    ),
    (
        ["estimator=ede", "+estimator.slope.until=5"],
        "estimator.slope.until is not a key here; valid are: schedule, from, to, steps",
    ),
    (
        ["estimator=ste", "estimator.bound={from: 2, to: 1}"],
        "estimator.bound must be a finite number above 0, got {'from': 2, 'to': 1}",
    ),
    (
        ["estimator=leaky_softsign", "estimator.leak=-1"],
        "estimator.leak must be a finite number, 0 or more, got -1",
    ),
    (
        ["estimator.name=stee"],
        "estimator.name must be one of approx_sign, binary_gradient, chernoff, ede, identity,"
        " leaky_softsign, reste, ste, swish_sign, tanh, got 'stee'",
    ),
    (["~estimator.name"], "estimator.name must be one of approx_sign,"),
    (
        ["loss.name=_fits"],
        "loss.name must be one of cross_entropy, mean_squared_error, squared_hinge, got '_fits'",
    ),
    (["precision.scale=-0.5"], "precision.scale must be a finite number above 0, got -0.5"),
    (["precision.scale=one"], "precision.scale must be a finite number above 0, got 'one'"),
    (
        ["precision=low_rank", "precision.ratio=0"],
        "precision.ratio must be above 0 and at most 1, got 0",
    ),
    (
        ["precision=low_rank", "precision.ratio=1.1"],
        "precision.ratio must be above 0 and at most 1, got 1.1",
    ),
    (["topology.width=0"], "topology.width must be a whole number, 1 or more, got 0"),
    (["topology.depth=-1"], "topology.depth must be a whole number, 0 or more, got -1"),
    (["topology.dropout=1"], "topology.dropout must be at least 0 and below 1, got 1"),
    (
        ["topology.batch_normalization=on_"],
        "topology.batch_normalization must be true or false, got 'on_'",
    ),
    (
        ["attack.epsilon=8"],
        "attack.epsilon must be at most 1 in L-inf, since pixels lie in [0, 1] (8/255 is"
        " 0.0314), got 8",
    ),
    (
        ["attack.curve_epsilons=[0.1,8]"],
        "attack.curve_epsilons must be at most 1 in L-inf, since pixels lie in [0, 1] (8/255 is"
        " 0.0314), got 8",
    ),
    (
        ["attack=suite", "attack.members=['pgd estimator=stee']"],
        "attack.members must be one of trained, approx_sign,",
    ),
    (
        ["attack=adaptive", "attack.estimators=[stee]"],
        "attack.estimators must be one of trained, approx_sign,",
    ),
    (["attack.iterations=0"], "attack.iterations must be a whole number, 1 or more, got 0"),
    (["attack.images=0"], "attack.images must be a whole number, 1 or more, got 0"),
    (
        ["attack.estimator=stee"],
        "attack.estimator must be one of trained, approx_sign, binary_gradient, chernoff,",
    ),
    (
        ["attack=none", "+attack.epsilon=0.1"],
        "attack.epsilon is not a key here; valid are: images, choice, target,",
    ),
    (["schedule.every=0"], "schedule.every must be a whole number, 1 or more, got 0"),
    (["schedule.decay=0"], "schedule.decay must be a finite number above 0, got 0"),
    (["dataset.validation=1"], "dataset.validation must be at least 0 and below 1, got 1"),
    (
        ["initializer=scaled_identity", "initializer.gain=0"],
        "initializer.gain must be a finite number above 0, got 0",
    ),
    (
        ["bias_initializer.name=zeros"],
        "bias_initializer.name must be one of binary_choice, glorot_uniform,",
    ),
    (
        ["optimizer.learning_rate=fast"],
        "optimizer.learning_rate must be a finite number above 0, got 'fast'",
    ),
    (
        ["optimizer.learning_rate=-1"],
        "optimizer.learning_rate must be a finite number above 0, got -1",
    ),
    (["~optimizer.learning_rate"], "optimizer.learning_rate is missing"),
    (
        ["estimator.name=mylab.estimators.sharp"],
        "estimator.name=mylab.estimators.sharp: add 'mylab' to plugins, which",
    ),
    (
        ["estimator.name=mylab.estimators.sharp", "plugins=[mylab]"],
        "estimator.name=mylab.estimators.sharp: No module named 'mylab'",
    ),
    # each key is right, but not all together
    (
        ["dataset=text", "attack=fgsm"],
        "attack=fgsm needs a dataset of pixels and classes, got dataset=text; use",
    ),
    (
        ["dataset=text"],
        "topology must be one of clockwork, gru, lstm, mut1, mut2, rnn, scaled_gru for"
        " dataset=text, got",
    ),
    (
        ["precision=custom", "precision.kernel={scale: 1}"],
        "precision.kernel.quantizer must be one of absmean_binary, absmean_ternary, binary,",
    ),
    (
        ["precision=custom", "precision.kernel={quantizer: binary}"],
        "precision.kernel.scale is missing",
    ),
    (
        ["precision=custom", "precision.bias={quantizer: exponential}"],
        "precision.bias.bound is missing",
    ),
    (
        ["precision=custom", "precision.bias=binary"],
        "precision.bias must be a mapping or null, got 'binary'",
    ),
    (
        ["precision=contextual_binary", "precision.roles=both"],
        "precision.roles must be one of all, hidden, input, got",
    ),
    (
        ["topology=clockwork", "topology.periods=[0]"],
        "topology.periods must be a list, each a whole number, 1 or more",
    ),
    (["sample.temperature=0"], "sample.temperature must be a finite number above 0, got 0"),
    (
        ["loss=mean_squared_error"],
        "loss must be cross_entropy or squared_hinge for dataset=mnist, got mean_squared",
    ),
    (
        ["dataset=adding", "loss=cross_entropy"],
        "loss must be mean_squared_error for dataset=adding, got cross_entropy",
    ),
    (
        ["topology.binary_input=true", "dataset.normalization=standard"],
        "topology.binary_input=true rounds pixels to 0 or 1 and needs dataset.normalization=none,"
        " got standard",
    ),
    (
        ["dataset=adding", "topology=gru", "teacher=abc"],
        "teacher needs a dataset of classes, got dataset=adding",
    ),
    (
        [
            *("distribution=multi_worker", "distribution.workers=['a:1']", "distribution.index=0"),
            "init.from=abc",
        ],
        "distribution=multi_worker needs init.from=null and teacher=null, since only the chief",
    ),
    (["+init.run=abc"], "init.run is not a key here; valid are: from"),
    (["distillation.weight=1.5"], "distillation.weight must be between 0 and 1, got 1.5"),
    (
        ["keep=best", "dataset.validation=0"],
        "keep=best needs validation data, got dataset.validation=0; use keep=last",
    ),
    (
        ["attack=none", "objective=attack/robust_accuracy"],
        "objective=attack/robust_accuracy needs an attack, got attack=none",
    ),
    (
        ["objective=validation/acuracy"],
        "objective must be a metric of docs/reference/metrics.md, got 'validation/acuracy';"
        " did you mean validation/accuracy?",
    ),
    (
        ["objective=[test/loss,attack/robustness]"],
        "objective must be a metric of docs/reference/metrics.md, got 'attack/robustness'",
    ),
    (
        ["objective=trust/robust_accuracy", "attack.checks=false"],
        "objective=trust/robust_accuracy needs the checks of an attack, got attack=fgsm"
        " attack.checks=false",
    ),
    (
        ["objective=validation/accuracy", "dataset.validation=0"],
        "objective=validation/accuracy needs validation data, got dataset.validation=0",
    ),
    (
        ["dataset=adding", "topology=gru", "objective=test/accuracy"],
        "objective=test/accuracy needs classes, and dataset=adding has values to predict",
    ),
    (["objective=curve/epsilon"], "objective=curve/epsilon needs one value, and a curve has"),
]


@pytest.mark.parametrize(
    ("overrides", "message"), REFUSED, ids=[" ".join(one) for one, _ in REFUSED]
)
def test_a_bad_value_is_refused_in_one_line_that_states_what_is_valid(composed, overrides, message):
    with pytest.raises(ConfigError) as error:
        check(composed(*overrides))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_a_value_error_of_the_configuration_is_a_value_error():
    assert issubclass(ConfigError, ValueError)
