"""The README: its library example runs, and it names every option."""

import re
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from brnn import paths
from brnn.quantization import quantizers
from brnn.quantization.manager import QuantManager, Rule
from brnn.training import losses, regimes
from brnn.training.loop import fit
from brnn.training.program import Program

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_library_example_trains_a_model_of_the_users(digits, capsys):
    (example,) = [
        block
        for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL)
        if "QuantManager(" in block
    ]
    model = keras.Sequential(
        [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    small = {
        split: tuple(array[:1000] for array in getattr(digits, split))
        for split in ("train", "validation", "test")
    }
    names = {
        "partial": partial,
        "keras": keras,
        "losses": losses,
        "quantizers": quantizers,
        "regimes": regimes,
        "fit": fit,
    }
    names |= {
        "QuantManager": QuantManager,
        "Rule": Rule,
        "Program": Program,
        "model": model,
        "data": SimpleNamespace(**small),
    }
    exec(example, names)
    assert len(capsys.readouterr().out.split()) == 5  # one accuracy after each epoch
    assert set(names["net"].get_weights()[0].ravel()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    "group", sorted(folder.name for folder in paths.conf().iterdir() if folder.is_dir())
)
def test_every_option_is_named(group):
    for path in (paths.conf() / group).glob("*.yaml"):
        assert f"`{path.stem}`" in README, f"{group}={path.stem} is not in the README"
