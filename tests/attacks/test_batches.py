"""Every attack keeps its budget, breaks what can be broken, and repeats its bits."""

import numpy as np
import pytest

from brnn.attacks import batches, parallel
from brnn.attacks.parallel import AT_ONCE
from brnn.config import groups
from tests.support.attacking import BOTH, OPTIONS, STRONG, TARGETED, broken, norms, run


@pytest.mark.parametrize("name", OPTIONS)
def test_budget_and_pixels_are_kept_and_the_same_seed_gives_the_same_bits(net, name):
    model, x, labels = net
    norm = {"cw_l2": "l2", "hopskipjump": "l2"}.get(name, "linf")
    moved = run(
        name,
        model,
        x,
        labels,
        seed=3,
        epsilon=0.2,
        **({"targeted": False} if name in TARGETED else {}),
    )
    assert norms(moved - x, norm).max() <= 0.2 + 1e-5
    assert moved.min() >= 0
    assert moved.max() <= 1
    again = run(
        name,
        model,
        x,
        labels,
        seed=3,
        epsilon=0.2,
        **({"targeted": False} if name in TARGETED else {}),
    )
    np.testing.assert_array_equal(moved, again)


@pytest.mark.parametrize("name", OPTIONS)
def test_breaks_most_images_within_a_wide_budget(net, name):
    model, x, labels = net
    wide = 4.0 if name in ("cw_l2", "hopskipjump") else 0.4
    least = 0.9 if name in STRONG else 0.5
    least = 0.02 if name == "noise" else least  # it only has to find something
    assert broken(model, x, labels) <= 0.05
    moved = run(
        name, model, x, labels, epsilon=wide, **({"targeted": False} if name in TARGETED else {})
    )
    assert broken(model, moved, labels) >= least


@pytest.mark.parametrize(
    "name", ["fgsm", "bim", "pgd", "mim", "apgd", "pgd_plus_plus", "cw_l2", "square", "spsa"]
)
def test_targeted_attacks_reach_the_target(net, name):
    model, x, labels = net
    targets = (labels + 1) % 3
    moved = run(name, model, x, targets, epsilon=4.0 if name == "cw_l2" else 0.5, targeted=True)
    hit = np.mean(np.argmax(model(moved), -1) == targets)
    assert hit >= (0.9 if name in STRONG else 0.5)


@pytest.mark.parametrize(
    "name", [name for name in BOTH if name not in ("noise", "spsa", "hopskipjump")]
)
def test_l2_attacks_break_most_images_and_keep_their_budget(net, name):
    model, x, labels = net
    keys = {"targeted": False} if name in TARGETED else {}
    moved = run(name, model, x, labels, epsilon=3.0, norm="l2", **keys)
    assert norms(moved - x, "l2").max() <= 3.0 + 1e-4
    assert broken(model, moved, labels) >= 0.8


@pytest.fixture
def _two_cores(monkeypatch):
    monkeypatch.setattr(parallel, "core_count", lambda: 2)
    for name in parallel.THREADS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("_two_cores")
def test_batches_at_the_same_time_equal_one_after_the_other(net, monkeypatch):
    model, x, labels = net
    monkeypatch.setattr(batches, "ATTACK_BATCH", 7)
    attack = groups.function("attack", groups.option("attack", "pgd") | {"epsilon": 0.21}, [])
    run = batches.compiled(attack, model, x, labels)
    assert run.at_once == AT_ONCE
    starts = range(0, len(x), 7)
    expected = [run(x[s : s + 7], labels[s : s + 7], [3, n]) for n, s in enumerate(starts)]
    moved = batches.perturbed(attack, model, x, labels, 3)
    np.testing.assert_array_equal(moved, np.concatenate(expected))


@pytest.mark.usefixtures("_two_cores")
def test_an_attack_of_numpy_runs_one_batch_after_the_other(net):
    model, x, labels = net
    options = (groups.option("attack", name) | {"epsilon": 0.21} for name in ("art", "noise"))
    attacks = [groups.function("attack", option, []) for option in options]
    at_once = [batches.compiled(attack, model, x, labels).at_once for attack in attacks]
    assert at_once == [1, AT_ONCE]
