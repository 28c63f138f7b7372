"""Damaged files and mistyped commands: an error in one line, or a valid result."""

import gzip
import hashlib
import io
import warnings
import wave
import zipfile
from functools import partial

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from brnn import paths
from brnn.cli import messages
from brnn.config.check import check
from brnn.data import images, readers, sequences
from brnn.errors import ConfigError

TIMES = 200
RNG = np.random.default_rng(0)
X, Y = RNG.integers(256, size=(20, 2, 3), dtype=np.uint8), np.arange(20) % 3


def damaged(content: bytes, rng) -> bytes:
    """Bytes that were overwritten, cut out or put in, once or a few times."""
    content = bytearray(content)
    for _ in range(rng.integers(1, 4)):
        start, length = rng.integers(len(content) + 1), rng.integers(1, 9)
        new = rng.choice(
            [b"", bytes(length), rng.bytes(length), bytes(content[:length]), b"9" * length]
        )
        content[start : start + rng.choice([0, length, len(content)])] = new
    return bytes(content)


def npy(array):
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def write_npz(path, rng):
    np.savez_compressed(path, x=X, y=Y)
    path.write_bytes(damaged(path.read_bytes(), rng))


def write_npz_of_a_damaged_array(path, rng):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", damaged(npy(X), rng))
        archive.writestr("y.npy", npy(Y))


def write_text(path, rng):
    path.write_bytes(damaged(b"to be or not to be, \xc3\xa4 \xe2\x82\xac" * 3, rng))


def write_wav(path, rng):
    with wave.open(str(path), "wb") as sound:
        sound.setparams((rng.integers(1, 3), rng.integers(1, 3), 8000, 0, "NONE", None))
        sound.writeframes(rng.bytes(120))
    path.write_bytes(damaged(path.read_bytes(), rng))


def read_text(path):
    return sequences.text(
        path=str(path), root="", sequence=2, carried=True, validation=0.2, test=0.2
    )


READ = {
    write_npz: lambda path: images.arrays(
        path=str(path), validation=0.2, test=0.2, seed=None, names=[], normalization="none"
    ),
    write_npz_of_a_damaged_array: lambda path: images.arrays(
        path=str(path), validation=0.2, test=0.2, seed=None, names=[], normalization="none"
    ),
    write_text: read_text,
    write_wav: lambda path: sequences.waveform(path=str(path), samples=20, copies=2),
}


def check_data(data):
    for x, y in (data.train, data.validation, data.test):
        assert len(x) == len(y)
        assert np.isfinite(x).all()
        assert np.isfinite(y).all()
        if data.source == "npz":
            assert (x.dtype, y.dtype) in ((np.uint8, np.int32), (np.float32, np.int32))
            assert x.dtype == np.uint8 or ((x >= 0) & (x <= 1)).all()
        if data.source == "wav":
            assert np.abs(y).max() <= 1
        else:
            assert ((y >= 0) & (y < data.classes)).all()


def refusal(act, *errors):
    """The message of what goes wrong, empty if nothing does."""
    try:
        with warnings.catch_warnings(action="ignore"):
            act()
    except errors as error:
        return messages.message(error)
    return ""


@pytest.mark.parametrize("write", READ, ids=lambda write: write.__name__.removeprefix("write_"))
def test_a_damaged_file_is_refused_in_one_line_or_valid(write, tmp_path):
    path, refused = tmp_path / "file.npz", 0
    for seed in range(TIMES):
        write(path, np.random.default_rng(seed))
        message = refusal(lambda: check_data(READ[write](path)), ValueError)
        refused += message != ""
        assert "\n" not in message, seed
        assert not message or str(path) in message or "dataset." in message, (seed, message)
    assert refused > 0


def test_a_damaged_idx_file_is_refused_or_the_same(tmp_path):
    content = bytes([0, 0, 8, 1, 0, 0, 0, 20]) + bytes(range(20))
    packed, checksums = gzip.compress(content), {"labels": hashlib.sha256(content).hexdigest()}
    for seed in range(TIMES):
        rng = np.random.default_rng(seed)
        file = tmp_path / rng.choice(["labels", "labels.gz"])
        file.write_bytes(damaged(packed if file.suffix else content, rng))
        message = refusal(
            lambda: readers.read_idx(tmp_path, checksums)[0].tolist().index(19), ValueError
        )
        assert not message or message.startswith(f"{file} "), (seed, message)
        file.unlink()


COMMANDS = [
    "epochs=3",
    "topology=mlp",
    "topology.width=8",
    "estimator=ste",
    "+optimizer.nesterov=true",
    "~loss",
]
COMMANDS += [
    "objective=[test/loss,size/bits_per_weight]",
    "plugins=[]",
    "tracking.uri='sqlite:///a b.db'",
    "seed=0",
]


def composed_and_checked(command):
    check(OmegaConf.to_container(compose("config", [command]), resolve=True))


def test_a_mistyped_command_is_refused_in_one_line_or_valid():
    with initialize_config_dir(str(paths.conf()), version_base="1.3"):
        for seed in range(TIMES // 8):  # Hydra is slow
            rng = np.random.default_rng(seed)
            command = damaged(rng.choice(COMMANDS).encode(), rng).decode("latin-1")
            act = partial(composed_and_checked, command)
            assert "\n" not in refusal(act, HydraException, OmegaConfBaseException, ConfigError), (
                command
            )
