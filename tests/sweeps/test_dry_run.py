"""Dry runs: the plan of a command agrees with what the command does."""

import pytest

from brnn.runs.plan import plan_run
from brnn.sweeps.dry_run import dry_run
from brnn.tracking import tag_names
from brnn.tracking.store import open_store


@pytest.mark.parametrize(
    "word", ["attack=none init.from={}", "attack=pgd attack.early_stop=false attack.source={}"]
)
def test_a_finished_run_of_a_net_from_a_file_is_skipped(options, folder, capsys, word):
    net = folder / "net.npz"
    net.write_bytes(b"weights")
    words = [f"dataset.path={folder}/mine.npz", f"tracking.uri=sqlite:///{folder}/mlflow.db"]
    words += ["dataset=arrays", "batch_size=32", f"checkpoints={folder}/checkpoints"]
    chosen = options(*words, *word.format(net).split())
    fingerprint = plan_run(chosen, None, ()).fingerprint
    tags = {tag_names.FINGERPRINT: fingerprint}
    with open_store(**chosen["tracking"]).run("earlier", tags, None):
        pass
    dry_run([[]], [chosen])
    assert capsys.readouterr().out.endswith("1 skip\n")
    net.write_bytes(b"other weights")
    dry_run([[]], [chosen])
    assert capsys.readouterr().out.endswith("1 run\n")
