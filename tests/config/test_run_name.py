"""Names of runs: what varies in a sweep stands first, and short."""

from brnn.config.run_name import run_name, varied_name

LIST = 22  # characters of a name in the list beside the charts of the MLflow UI


def test_a_run_outside_a_sweep_is_named_by_its_choices(options):
    chosen = options("precision=ternary", "estimator=ste", "topology=mlp", "seed=3")
    assert run_name(chosen, []) == "ternary-ste-mlp-modern-s3"


def test_what_varies_in_a_sweep_stands_first_and_fits_a_narrow_list(options):
    varied = ["seed=2", "estimator=identity", "precision=binarynet"]
    name = run_name(options(*varied), varied)
    assert name == "binarynet-identity-s2 simple-original"
    assert name.index(" ") <= LIST
    varied = ["optimizer.learning_rate=0.003", "seed=2"]
    name = run_name(options(*varied), varied)
    assert name == "s2 learning_rate=0.003 binarynet-identity-simple-original"
    assert len("s2 learning_rate=0.003") <= LIST


def test_a_topology_is_named_with_the_recipe_that_it_chooses(options):
    assert run_name(options("topology=mlp"), ["topology=mlp"]) == "mlp binarynet-identity-modern-s0"


def test_the_function_of_a_plugin_is_named_as_its_group():
    assert varied_name(["+estimator.name=mylab.estimators.sharp", "seed=1"]) == "sharp-s1"


def test_the_ids_of_other_runs_are_short(options):
    run, file = "3f2a1c9e" + "0" * 24, "nets/digits.onnx"
    assert (
        varied_name([f"init.from={run}", f"teacher={file}"]) == "init.from=3f2a1c9e-teacher=digits"
    )
    chosen = options(f"teacher={run}")
    assert run_name(chosen, []) == "binarynet-identity-simple-original-teacher=3f2a1c9e-s0"


def test_keys_are_their_last_words_where_these_are_unique():
    overrides = ["attack.epsilon=0.1", "training.epsilon=0.2", "++topology.width=8"]
    assert varied_name(overrides) == "attack.epsilon=0.1 training.epsilon=0.2 width=8"
    assert varied_name(["dataset.seed=1", "seed=2"]) == "s2 dataset.seed=1"


def test_a_value_may_hold_an_equals_sign():
    assert varied_name(["dataset.path=a=b.npz"]) == "path=a=b.npz"
