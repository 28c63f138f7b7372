"""Every prepared study composes, its first job runs at a tiny size, and is compared."""

import csv
import io
import re

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from brnn import paths
from brnn.cli import compare
from brnn.data import sources
from brnn.runs.run import run
from brnn.tracking.store import open_store
from experiments.proof import scaling
from experiments.recipes import depth
from experiments.robustness import curves
from experiments.runs import finished_runs

EXPERIMENTS = sorted(path.stem for path in (paths.conf() / "experiment").glob("*.yaml"))
TINY = {
    "gtsrb": ["dataset=arrays", "dataset.path={folder}/digits.npz"],
    "mnist": ["dataset=arrays", "dataset.path={folder}/digits.npz"],
    "text": ["dataset.path={folder}/text.txt", "dataset.sequence=10", "batch_size=2"],
    "waveform": ["dataset.samples=40", "dataset.copies=4"],
}
SMALL = {"convolutional": ["topology.filters=[4,4]", "topology.dense=[8]"]}


@pytest.fixture(scope="module")
def folder(folder_with_store):
    """Tiny data: a few digits, and a short text."""
    path = folder_with_store("experiments")
    x, y, x_test, y_test = sources.embedded_digits()
    np.savez(path / "digits.npz", x=x[:300], y=y[:300], x_test=x_test[:50], y_test=y_test[:50])
    (path / "text.txt").write_text("to be or not to be, that is the question. " * 20)
    return path


def first_job(experiment: str) -> list[str]:
    """The overrides of the first job of a study's own sweep."""
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        composed = compose("config", [f"experiment={experiment}"], return_hydra_config=True)
    params = composed.hydra.sweeper.params
    overrides = OverridesParser.create().parse_overrides([f"{k}={v}" for k, v in params.items()])
    return [
        f"{o.get_key_element()}={next(iter(o.sweep_string_iterator()))}"
        if o.is_sweep_override()
        else o.input_line
        for o in overrides
    ]


def compared_by(experiment: str) -> list[str]:
    """The words of the one command in the file of a study that compares its runs."""
    text = (paths.conf() / "experiment" / f"{experiment}.yaml").read_text()
    (command,) = re.findall(r"^# +(?:Command +)?brnn compare (.+)$", text, re.MULTILINE)
    assert command.startswith(f"experiment={experiment}")
    return command.split()


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_the_first_job_of_a_study_runs_at_a_tiny_size(
    composed, options, folder, experiment, capsys, monkeypatch
):
    chosen = [f"experiment={experiment}", *first_job(experiment)]
    groups = composed(*chosen)
    tiny = [override.format(folder=folder) for override in TINY[groups["dataset"]["name"]]]
    tiny += SMALL.get(groups["topology"]["name"], ["topology.width=8"])
    tiny += [] if "images" not in groups["attack"] else ["attack.images=20"]
    tiny += ["epochs=1", "compiled=false", "figures=[]", f"checkpoints={folder}/checkpoints"]
    tiny += [f"tracking.uri=sqlite:///{folder}/mlflow.db"]
    configuration = options(*chosen, *tiny)
    run(configuration, None, (), lambda epoch, metrics: True)
    store = open_store(**configuration["tracking"])
    (tracked,) = store.client.search_runs([store.experiment_id])
    assert tracked.info.status == "FINISHED"
    assert tracked.data.tags["recipe"] == configuration["recipe"]["name"]
    capsys.readouterr()
    words = compared_by(experiment)
    compare.main([f"tracking.uri={configuration['tracking']['uri']}", *words, "--csv"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    metrics = dict(word.split("=") for word in words).get("metrics")
    assert metrics in (None, ",".join(row["metric"] for row in rows))
    assert {row["n"] for row in rows} == {"1"}
    if experiment == "robustness_curves":
        monkeypatch.chdir(folder)  # figures are written there
        curves.main(f"sqlite:///{folder}/mlflow.db", experiment)
        assert (folder / "robust_accuracy_by_epsilon.png").exists()
    if experiment == "depth":
        depth.main(f"sqlite:///{folder}/mlflow.db", f"{folder}/depth.png")
        accuracy = depth.spread([tracked.data.metrics["test/accuracy"]])
        assert capsys.readouterr().out.splitlines()[-1] == f"| ste | none | {accuracy} |"
        assert (folder / "depth.png").read_bytes().startswith(b"\x89PNG")
    if experiment in scaling.STUDIES:
        scaling.main(f"sqlite:///{folder}/mlflow.db", f"{folder}/scaling.png", [experiment])
        units = scaling.spread(np.array([tracked.data.metrics["attack_exact/open_units"]]))
        assert f" {units} " in capsys.readouterr().out.splitlines()[-1]
        assert (folder / "scaling.png").read_bytes().startswith(b"\x89PNG")


def test_a_figure_without_runs_states_where_they_come_from(tmp_path):
    with pytest.raises(SystemExit, match="no finished run of the experiment parity; the files in"):
        finished_runs(f"sqlite:///{tmp_path}/mlflow.db", "parity")
