"""Dry runs: the plan of a command agrees with what the command does."""

import pytest
from support.stores import open_in

from brnn.errors import SweepError
from brnn.runs.plan import plan_run
from brnn.sweeps.dry_run import dry_run
from brnn.tracking import tag_names
from brnn.tracking.store import open_store


def placed(folder):
    """The overrides of data, a store and checkpoints in a folder."""
    words = [f"dataset.path={folder}/mine.npz", f"tracking.uri=sqlite:///{folder}/mlflow.db"]
    return [*words, "dataset=arrays", "batch_size=32", f"checkpoints={folder}/checkpoints"]


def test_nothing_is_written(options, folder, capsys):
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    store = open_in(folder)
    names = [experiment.name for experiment in store.client.search_experiments()]
    dry_run([[]], [options(*placed(folder), "attack=none", "tracking.experiment=new")])
    assert capsys.readouterr().out.endswith("1 run\n")
    assert [experiment.name for experiment in store.client.search_experiments()] == names
    assert {path.name for path in folder.rglob("*")} == {path.name for path in before}
    absent = f"tracking.uri=sqlite:///{folder}/absent.db"
    dry_run([[]], [options(*placed(folder), absent, "attack=none")])
    assert not (folder / "absent.db").exists()


def test_data_of_a_plugin_that_cannot_be_loaded_are_a_failed_job(
    options, folder, capsys, monkeypatch
):
    (folder / "mylab_dry.py").write_text(
        "def lost(*, path: str, seed: None):\n    raise KeyError('disk')\n"
    )
    monkeypatch.syspath_prepend(folder)
    removed = [f"~dataset.{key}" for key in ("validation", "test", "names", "normalization")]
    plugin = ["dataset.name=mylab_dry.lost", "plugins=[mylab_dry]"]
    good = options(*placed(folder), "attack=none")
    bad = options(*placed(folder), *removed, *plugin, "attack=none")
    with pytest.raises(SweepError, match=r"1 of 2 jobs cannot run: dataset\.name=mylab_dry\.lost"):
        dry_run([["dataset.name=arrays"], ["dataset.name=mylab_dry.lost"]], [good, bad])
    assert "mylab_dry.py:2 (KeyError" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "word", ["attack=none init.from={}", "attack=pgd attack.early_stop=false attack.source={}"]
)
def test_a_finished_run_of_a_net_from_a_file_is_skipped(options, folder, capsys, word):
    net = folder / "net.npz"
    net.write_bytes(b"weights")
    chosen = options(*placed(folder), *word.format(net).split())
    fingerprint = plan_run(chosen, None, ()).fingerprint
    tags = {tag_names.FINGERPRINT: fingerprint}
    with open_store(**chosen["tracking"]).run("earlier", tags, None):
        pass
    dry_run([[]], [chosen])
    assert capsys.readouterr().out.endswith("1 skip\n")
    net.write_bytes(b"other weights")
    dry_run([[]], [chosen])
    assert capsys.readouterr().out.endswith("1 run\n")
