"""Fingerprints: a change that may change a number changes them, any other does not."""

import shutil

import pytest

from brnn import paths
from brnn.config import code, fingerprint, signatures
from brnn.config.fingerprint import run_fingerprint, training_fingerprint

DIGEST = "0" * 64


@pytest.fixture
def changed(monkeypatch):
    """A function that replaces a text in the source of a module, as an editor would.

    What is known of the other modules stays known.
    """
    edited = set()

    def parsed_anew(known):
        return lambda module, *rest: (known.__wrapped__ if module in edited else known)(
            module, *rest
        )

    monkeypatch.setattr(code, "code_of", parsed_anew(code.code_of))
    monkeypatch.setattr(fingerprint, "_imports", parsed_anew(fingerprint._imports))

    def change(module, old, new):
        original = signatures.source

        def source(name):
            text = original(name)
            if name != module:
                return text
            assert old in text
            return text.replace(old, new)

        monkeypatch.setattr(signatures, "source", source)
        edited.add(module)

    return change


def test_a_fingerprint_is_the_same_with_what_an_earlier_process_kept(
    options, tmp_path, monkeypatch
):
    configuration = options()
    before = run_fingerprint(configuration, DIGEST)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = []
    for _ in range(2):
        for known in (code.code_of, code._stored, code._parsed, fingerprint._imports):
            known.cache_clear()
        found.append((run_fingerprint(configuration, DIGEST), len(code._stored()) > 100))
    code._stored.cache_clear()
    assert found == [(before, True), (before, True)]
    assert len(list((tmp_path / "brnn").iterdir())) == 1


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("brnn.measures.weights", "levels == 0", "levels != 0"),
        ("brnn.measures.cost", "sign_flips", "bit_flips"),
        ("brnn.exchange.cost", "REAL_STEPS = 2", "REAL_STEPS = 3"),
        ("brnn.exchange.levels", "arrays |=", "arrays ^="),
        ("brnn.attacks.blackbox", "epsilon * ball", "-epsilon * ball"),
        ("brnn.robustness.trust", "TOLERANCE = 0.02", "TOLERANCE = 0.03"),
        ("brnn.quantization.estimators", "x != 0", "x == 0"),
        ("brnn.training.program", "training=True", "training=False"),
        ("brnn.runs.text", "temperature", "heat"),
    ],
)
def test_code_on_which_a_number_rests_counts(options, changed, module, old, new):
    configuration = options()
    before = run_fingerprint(configuration, DIGEST)
    changed(module, old, new)
    assert run_fingerprint(configuration, DIGEST) != before


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("brnn.terminal.lines", "error:", "wrong:"),
        ("brnn.figures", "#0072B2", "#0072B3"),
        ("brnn.tracking.store", "def ", "def  "),
        ("brnn.measures.weights", '"""Measures of', '"""Some measures of'),
        ("brnn.measures.weights", "\nimport", "\n# a comment\nimport"),
        ("brnn.config.values", "a whole number", "an integer"),
    ],
)
def test_what_only_shows_or_explains_does_not_count(options, changed, module, old, new):
    configuration = options()
    before = run_fingerprint(configuration, DIGEST)
    changed(module, old, new)
    assert run_fingerprint(configuration, DIGEST) == before


@pytest.mark.parametrize(
    ("module", "old", "new", "counts"),
    [
        ("brnn.attacks.blackbox", "epsilon * ball", "-epsilon * ball", False),
        ("brnn.robustness.trust", "TOLERANCE = 0.02", "TOLERANCE = 0.03", False),
        ("brnn.measures.weights", "levels == 0", "levels != 0", True),
    ],
)
def test_an_attack_does_not_count_for_the_training(options, changed, module, old, new, counts):
    configuration = options()
    before = training_fingerprint(configuration, DIGEST)
    changed(module, old, new)
    assert (training_fingerprint(configuration, DIGEST) != before) == counts


def test_code_that_reads_the_file_where_a_training_starts_counts_for_it(options, changed):
    plain, started = options(), options()
    started["init"]["from"] = "net.onnx"
    before = [training_fingerprint(c, DIGEST) for c in (plain, started)]
    changed("brnn.exchange.incoming", "NEAR = 1e-6", "NEAR = 1e-5")
    after = [training_fingerprint(c, DIGEST) for c in (plain, started)]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_code_that_writes_the_file_of_a_net_counts_where_it_is_written(options, changed):
    plain, exporting = options(), options("export.formats=[onnx]")
    before = [run_fingerprint(c, DIGEST) for c in (plain, exporting)]
    changed("brnn.exchange.onnx_formats", "BLOCK = 128", "BLOCK = 64")
    after = [run_fingerprint(c, DIGEST) for c in (plain, exporting)]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_only_the_options_that_a_run_chooses_count(options, changed):
    dense, recurrent = options(), options("topology=gru", "dataset=mnist_rows")
    before = [run_fingerprint(c, DIGEST) for c in (dense, recurrent)]
    changed("brnn.nets.stack", "name=", "name =")
    assert [run_fingerprint(c, DIGEST) for c in (dense, recurrent)] == before
    changed("brnn.nets.stack", "scale: float = 1.0", "scale: float = 2.0")
    after = [run_fingerprint(c, DIGEST) for c in (dense, recurrent)]
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)


def test_a_module_of_a_plugin_and_what_it_imports_count(options, changed, tmp_path, monkeypatch):
    package = tmp_path / "digestlab"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "inner.py").write_text("SLOPE = 2.0\n")
    (package / "estimators.py").write_text(
        "from digestlab.inner import SLOPE\n\n\n"
        "def steep(x, upstream, fan_in):\n    return SLOPE * upstream\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    configuration = options("estimator.name=digestlab.estimators.steep", "plugins=[digestlab]")
    before = run_fingerprint(configuration, DIGEST)
    changed("digestlab.inner", "2.0", "3.0")
    assert run_fingerprint(configuration, DIGEST) != before


@pytest.fixture
def edited(monkeypatch, tmp_path):
    """A function that changes a text in an option's file, in a copy of `conf`."""
    copy = tmp_path / "conf"
    shutil.copytree(paths.conf(), copy)

    def edit(file, old, new):
        text = (copy / file).read_text()
        assert old in text
        (copy / file).write_text(text.replace(old, new))
        monkeypatch.setattr(paths, "conf", lambda: copy)

    return edit


@pytest.mark.parametrize(
    ("overrides", "file", "old", "new", "counts"),
    [
        (["attack=suite"], "attack/apgd.yaml", "iterations: 100", "iterations: 7", True),
        (
            ["attack=pgd", "attack.estimator=ste"],
            "estimator/ste.yaml",
            "bound: 1.0",
            "bound: 0.1",
            True,
        ),
        (["attack=suite_v1"], "estimator/ste.yaml", "bound: 1.0", "bound: 0.1", True),
        (["attack=exact"], "attack/pgd.yaml", "iterations: 40", "iterations: 7", True),
        (["attack=fgsm"], "attack/pgd.yaml", "iterations: 40", "iterations: 7", False),
        (["attack=fgsm"], "estimator/ste.yaml", "bound: 1.0", "bound: 0.1", False),
        (["attack=suite"], "attack/apgd.yaml", "# ", "# Other words: ", False),
    ],
)
def test_options_that_an_attack_reads_while_it_runs_count(
    options, edited, overrides, file, old, new, counts
):
    configuration = options(*overrides)
    before = run_fingerprint(configuration, DIGEST), training_fingerprint(configuration, DIGEST)
    edited(file, old, new)
    assert (run_fingerprint(configuration, DIGEST) != before[0]) == counts
    assert training_fingerprint(configuration, DIGEST) == before[1]
