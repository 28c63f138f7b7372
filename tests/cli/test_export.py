"""`brnn export` on the net of a real run: the file, what is printed, and how it is refused."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.stores import all_runs, open_in

from brnn.cli import export
from brnn.data import sources
from brnn.data.pixels import to_pixels
from brnn.exchange import levels_reader
from brnn.nets import models
from brnn.nets.task import Task
from brnn.runs.run import run

FORMATS = ["levels", "onnx", "onnx_packed", "c"]


@pytest.fixture(scope="module")
def folder(folder_with_store):
    folder = folder_with_store("exported")
    x, y, x_test, y_test = sources.embedded_digits()
    np.savez(folder / "digits.npz", x=x[:500], y=y[:500], x_test=x_test[:300], y_test=y_test[:300])
    return folder


@pytest.fixture(scope="module")
def finished(folder, options):
    """The options and the id of a finished run, and its store."""
    chosen = options(
        "dataset=arrays", f"dataset.path={folder}/digits.npz", "topology=mlp", "topology.width=64",
        "topology.depth=2", "epochs=1", "attack=none", "compiled=false", "figures=[]",
        f"export.formats=[{','.join(FORMATS)}]", f"checkpoints={folder}",
        f"tracking.uri=sqlite:///{folder}/mlflow.db",
    )  # fmt: skip
    run(chosen, None, (), lambda epoch, metrics: True)
    store = open_in(folder)
    return chosen, all_runs(store)[0].info.run_id, store


@pytest.fixture
def words(finished):
    """The words of a command that names the run and its store."""
    _, run_id, store = finished
    return [f"run={run_id}", f"tracking.uri={store.uri}"]


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """A function that returns the error line of a command, which leaves no file."""
    monkeypatch.chdir(tmp_path)

    def line(*words):
        with pytest.raises(SystemExit) as ended:
            export.main(list(words))
        assert ended.value.code == 2
        assert list(tmp_path.iterdir()) == []
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return line


def test_the_file_gives_the_logits_of_the_logged_net(finished, words, tmp_path, capsys):
    options, run_id, store = finished
    path = tmp_path / "net.npz"
    export.main([*words, "format=levels", f"path={path}"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    (row,) = [words for words in lines if words[:1] == ["levels"]]
    others, difference, *_speeds = row[-4:]
    assert (others, difference) == ("0", "0")
    assert lines[-1] == ["file:", str(path)]
    _, weights = store.net(run_id)
    model = models.model_with_weights(options, Task((28, 28), 10), "identity", weights)
    x = sources.embedded_digits()[2][:300]
    expected = np.asarray(model(to_pixels(x)))
    found = levels_reader.logits(path, x)
    equal = (found == expected).all(axis=1)
    assert equal.mean() > 0.99  # the others are undecided
    assert np.array_equal(found.argmax(axis=1)[equal], expected.argmax(axis=1)[equal])
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_run_logs_the_files_and_their_measures(finished, words, tmp_path, monkeypatch):
    _, run_id, store = finished
    monkeypatch.chdir(tmp_path)
    metrics = store.get(run_id).data.metrics
    assert metrics["size/packed_bytes"] == metrics["export/levels/bytes"]
    assert metrics["cost/binary_products"] == 8 * 784 * 64 + 64 * 64 + 64 * 10
    for name in FORMATS:
        export.main([*words, f"format={name}"])
        file, *headers = sorted(tmp_path.glob(f"{run_id}.*"))
        assert [path.suffix for path in headers] == ([".h"] if name == "c" else [])
        artifact = f"export/{name}{file.suffix}"
        logged = store.client.download_artifacts(run_id, artifact, str(tmp_path))
        assert Path(logged).read_bytes() == file.read_bytes()
        assert metrics[f"export/{name}/bytes"] == file.stat().st_size
        assert metrics[f"export/{name}/other_classes"] == 0
        assert metrics[f"export/{name}/logit_difference"] == 0
        for path in (file, *headers):
            path.unlink()


def test_a_trained_convolutional_net_is_the_same_in_every_format(
    folder, options, folder_with_store
):
    path = folder_with_store("convolutional")
    chosen = options(
        "dataset=arrays", f"dataset.path={folder}/digits.npz", "topology=lenet",
        "topology.filters=[4,6]", "topology.kernels=[3,2]", "topology.dense=[16]", "epochs=1",
        "attack=none", "compiled=false", "figures=[]", f"export.formats=[{','.join(FORMATS)}]",
        f"checkpoints={path}", f"tracking.uri=sqlite:///{path}/mlflow.db",
    )  # fmt: skip
    run(chosen, None, (), lambda epoch, metrics: True)
    metrics = all_runs(open_in(path))[0].data.metrics
    assert metrics["size/packed_bytes"] == metrics["export/levels/bytes"]
    for name in FORMATS:
        assert metrics[f"export/{name}/other_classes"] <= 300 * metrics["export/undecided"]
        assert metrics[f"export/{name}/logit_difference"] == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["format=level"], "format must be one of"),
        (["format="], "format is missing; try: brnn export run="),
        (["format=levels", "path=/nowhere/net.npz"], "there is no folder /nowhere"),
        (["format=levels", f"path={Path(__file__)}"], "exists; name a new file"),
        (["format=c", "path=net.h"], "path=net.h is the name of a file beside it; end it with .c"),
        (["format=levels", "tolerance=2"], "tolerance must be between 0 and 1, got 2"),
        (["format=levels", "tolerance=few"], "tolerance must be between 0 and 1, got 'few'"),
        (["format=levels", "pat=x"], "pat is not a key of brnn export; valid are: run, format"),
        (["levels"], "levels is not key=value"),
        (["format=levels", "run=0123"], "(Run with id=0123 not found); check the id and the store"),
    ],
)
def test_a_bad_command_is_refused_in_one_line(words, refused, given, message):
    assert message in refused(*words, *given)


def test_a_missing_store_is_not_created(refused, finished, tmp_path):
    line = refused("run=1", "format=levels", f"tracking.uri=sqlite:///{tmp_path}/no.db")
    assert "there is no such file" in line


def test_a_file_that_does_not_fit_on_the_disk_is_not_left_in_part(words, tmp_path):
    script = (
        "import resource, signal, sys; from brnn.cli import export;"
        " import brnn.cli.startup, mlflow;"
        " signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        " from brnn.runs import export as files;"
        " from pathlib import Path;"
        " resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096));"
        " files.write({Path('net.h'): b'/* */', Path('net.c'): bytes(10_000)})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"path=net.c cannot be written: {os.strerror(errno.EFBIG)}" in done.stderr
    assert list(tmp_path.iterdir()) == []
