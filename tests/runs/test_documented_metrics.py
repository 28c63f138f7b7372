"""The page of metrics names every metric that a run logs, and no other."""

import re

import numpy as np
import pytest
from support import comparisons

from brnn.data import sources
from brnn.runs.run import run
from brnn.sweeps.conclusion import group_metrics
from brnn.tracking.store import open_store
from docs.reference import generate

DOCUMENTED = {name for name, *_ in generate.documented_metrics()}
SMALL = ("epochs=2", "attack.images=40", "resume=false", "figures=[]", "compiled=false")
RUNS = {
    "an attack with its controls, checks and curves": (
        *(
            "topology=simple",
            "topology.width=8",
            "estimator=ede",
            "progression=layerwise",
            "attack.curve_epsilons=[0.1]",
            "attack.curve_iterations=[1]",
        ),
    ),
    "an ensemble": (
        "topology=simple",
        "topology.width=8",
        "attack=adaptive",
        "precision=ternary",
        "attack.temperatures=[1.0]",
        "export.formats=[levels]",
    ),
    "a solver": (
        "topology=simple",
        "topology.width=8",
        "attack=exact",
        "attack.minimal=true",
        "attack.images=3",
        "attack.seconds=1",
    ),
    "a recurrent net on text": (
        *(
            "dataset=text",
            "topology=rnn",
            "topology.width=8",
            "dataset.sequence=10",
            "batch_size=4",
        ),
    ),
}


@pytest.fixture(scope="module")
def logged(options, folder_with_store):
    """The names of the metrics of some runs that differ in what they measure."""
    folder = folder_with_store("documented")
    x, y, x_test, y_test = sources.embedded_digits()
    np.savez(folder / "digits.npz", x=x[:500], y=y[:500], x_test=x_test[:100], y_test=y_test[:100])
    (folder / "text.txt").write_text("to be or not to be, that is the question. " * 40)
    names = set()
    for overrides in RUNS.values():
        data = (
            f"dataset.path={folder}/text.txt"
            if "dataset=text" in overrides
            else f"dataset.path={folder}/digits.npz"
        )
        chosen = ("dataset=arrays", *overrides) if "dataset=text" not in overrides else overrides
        places = (f"checkpoints={folder}/checkpoints", f"tracking.uri=sqlite:///{folder}/mlflow.db")
        small = [
            key
            for key in SMALL
            if key.partition("=")[0] not in {o.partition("=")[0] for o in overrides}
        ]
        small = [
            key for key in small if "dataset=text" not in overrides or not key.startswith("attack.")
        ]
        configuration = options(*chosen, data, *places, *small)
        run(configuration, None, (), lambda epoch, metrics: True)
    store = open_store(uri=f"sqlite:///{folder}/mlflow.db", experiment="brnn")
    for tracked in store.client.search_runs([store.experiment_id]):
        names |= tracked.data.metrics.keys()
    assert len(names) > 50
    runs = [comparisons.run("ste", seed, seed / 10) for seed in range(2)]
    return names | group_metrics(comparisons.compared(runs)).keys()


def pattern(documented: str) -> re.Pattern:
    return re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(documented)))


def test_every_metric_of_a_run_is_documented(logged):
    patterns = [pattern(name) for name in DOCUMENTED]
    assert not {name for name in logged if not any(p.fullmatch(name) for p in patterns)}


def test_every_documented_metric_is_logged(logged):
    assert not {
        name for name in DOCUMENTED if not any(pattern(name).fullmatch(metric) for metric in logged)
    }
