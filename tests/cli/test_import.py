"""`brnn import` on files that other formats wrote: a run with the measures of the net."""

import keras
import numpy as np
import pytest
from support.exported_nets import images, model_of
from support.stores import all_runs, open_in

from brnn.cli.import_ import main
from brnn.exchange.levels import levels
from brnn.exchange.reading import read


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """A net, its data as a file, and its files of levels and ONNX."""
    folder = tmp_path_factory.mktemp("net")
    net = read(model_of(), pixels=True)
    x = images(400)
    y = net.logits(x).argmax(axis=1)
    y[::4] = (y[::4] + 1) % 4  # a quarter of the labels is wrong
    np.savez(folder / "data.npz", x=x[:200], y=y[:200], x_test=x[200:], y_test=y[200:])
    (folder / "net.npz").write_bytes(levels(net).content)
    return net, folder


@pytest.fixture
def place(folder_with_store):
    """A folder with a store."""
    return folder_with_store("imported")


def words(folder, store):
    return [
        "dataset=arrays", f"dataset.path={folder}/data.npz", "batch_size=20", "compiled=false",
        "figures=[]",
        f"checkpoints={store}", f"tracking.uri=sqlite:///{store}/mlflow.db",
    ]  # fmt: skip


def test_a_run_of_levels_has_the_measures_of_the_net(net, place):
    net, folder = net
    keys = ["attack=fgsm", "attack.images=50", "export.formats=[c,levels]"]
    main([str(folder / "net.npz"), *words(folder, place), *keys])
    (run,) = all_runs(open_in(place))
    assert run.data.metrics["test/accuracy"] == 0.75
    assert run.data.metrics["attack/clean_accuracy"] == pytest.approx(0.75, abs=0.2)
    assert run.data.metrics["size/bits_per_weight"] < 8
    for form in ("c", "levels"):
        assert run.data.metrics[f"export/{form}/other_classes"] == 0
        assert run.data.metrics[f"export/{form}/logit_difference"] < 1e-4
    assert run.data.tags["mlflow.source.name"].startswith("brnn import ")


def test_a_training_goes_on_from_the_accuracy_of_the_file(net, place):
    keys = ["attack=none", "epochs=1", "optimizer.learning_rate=0.0001"]
    main([str(net[1] / "net.npz"), *words(net[1], place), *keys])
    (run,) = all_runs(open_in(place))
    assert run.data.metrics["test/accuracy"] > 0.65  # of 0.75


@pytest.mark.parametrize("file", ["net.keras", "net.h5"])
def test_a_keras_file_keeps_its_weights(net, place, file):
    _, folder = net
    layers = [keras.layers.Flatten(), keras.layers.Dense(8, "tanh"), keras.layers.Dense(4)]
    model = keras.Sequential([keras.Input((5, 6)), *layers])
    model.save(place / file)
    main([str(place / file), *words(folder, place), "precision=full", "attack=none"])
    (run,) = all_runs(open_in(place))
    with np.load(folder / "data.npz") as data:
        x, y = data["x_test"] / np.float32(255), data["y_test"]
    accuracy = float((np.asarray(model(x)).argmax(axis=1) == y).mean())
    assert run.data.metrics["test/accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "brnn import needs one file of .onnx"),
        (["net.txt"], "brnn import needs one file of .onnx"),
        (["missing.onnx"], "missing.onnx is not a file"),
    ],
)
def test_a_bad_command_is_refused_in_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code != 0
    assert message in capsys.readouterr().err


def test_a_truncated_file_is_refused_before_a_run_begins(net, tmp_path, capsys):
    _, folder = net
    (tmp_path / "net.npz").write_bytes((folder / "net.npz").read_bytes()[:1000])
    with pytest.raises(SystemExit):
        main([str(tmp_path / "net.npz"), *words(folder, tmp_path)])
    assert "net.npz is not a complete file of the format levels" in capsys.readouterr().err
    assert not (tmp_path / "mlflow.db").exists()
