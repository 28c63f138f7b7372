"""A choice of the user that makes a run many times slower is not taken without a word."""

import numpy as np
import pytest

from brnn.runs.run import run

NET = ("topology=convolutional", "topology.filters=[2]", "topology.kernels=[3]")
KEYS = (*NET, "topology.pools=[1]", "batch_size=20", "epochs=1", "attack=none", "figures=[]")


@pytest.mark.parametrize("compiled", ["true", "false"])
def test_convolutions_in_xla_on_a_processor_are_named(folder, options, capsys, compiled):
    images = np.random.default_rng(0).random((60, 6, 6)).astype("float32")
    np.savez(folder / "images.npz", x=images, y=np.arange(60) % 3)
    places = [f"dataset.path={folder}/images.npz", f"tracking.uri=sqlite:///{folder}/mlflow.db"]
    places += [f"checkpoints={folder}/checkpoints", f"compiled={compiled}"]
    given = options("dataset=arrays", *KEYS, *places)
    run(given, None, (), lambda epoch, metrics: True)
    shown = "".join(capsys.readouterr())
    told = "XLA's convolutions are many times slower on a processor" in shown
    assert told == (compiled == "true")
