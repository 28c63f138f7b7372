"""Sequences that are made: each task as its paper has it, one line for what is impossible."""

import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brnn.data import sequences
from brnn.data.load import digest
from brnn.errors import DataError

# Copying


def copying(**keys):
    given = {
        "train": 50,
        "validation": 20,
        "test": 30,
        "symbols": 8,
        "length": 3,
        "delay": 4,
        "seed": 0,
    }
    return sequences.copying(**given | keys)


def test_copying_asks_for_its_symbols_after_the_delimiter():
    got = copying()
    for (x, y), n in ((got.train, 50), (got.validation, 20), (got.test, 30)):
        assert x.shape == y.shape == (n, 10)
        assert x.dtype == y.dtype == np.int32
        np.testing.assert_array_equal(x[:, 3:], np.tile([8, 8, 8, 9, 8, 8, 8], (n, 1)))
        np.testing.assert_array_equal(y[:, :7], np.full((n, 7), 8))
        np.testing.assert_array_equal(x[:, :3], y[:, 7:])
    assert set(got.train[0][:, :3].ravel().tolist()) == set(range(8))
    assert (got.classes, got.source, got.sequential) == (10, "generated", False)


def test_copying_without_a_pause_has_no_blank_before_the_delimiter():
    x, y = copying(length=1, delay=1, symbols=2).train
    np.testing.assert_array_equal(x[:, 1:], np.tile([3, 2], (50, 1)))
    np.testing.assert_array_equal(y[:, :2], np.full((50, 2), 2))


@pytest.mark.parametrize(
    "task",
    [
        copying,
        lambda **keys: sequences.adding(
            **{"train": 50, "validation": 20, "test": 30, "length": 9} | keys
        ),
    ],
)
def test_a_task_depends_on_its_seed_alone_and_a_split_not_on_the_size_of_another(task):
    assert digest(task(seed=1)) == digest(task(seed=1)) != digest(task(seed=2))
    few, many = task(seed=1), task(seed=1, train=70, validation=0)
    np.testing.assert_array_equal(few.test[0], many.test[0])
    np.testing.assert_array_equal(few.test[1], many.test[1])
    assert len(many.validation[0]) == 0
    assert not np.array_equal(few.train[0][:30], few.test[0])


def test_copying_one_symbol_is_refused():
    with pytest.raises(DataError, match=r"dataset\.symbols must be at least 2, .*, got 1"):
        copying(symbols=1)


# Adding


@pytest.mark.parametrize("length", [2, 3, 10])
def test_adding_marks_one_number_of_each_half_and_asks_for_their_sum(length):
    got = sequences.adding(train=400, validation=0, test=1, length=length, seed=0)
    x, y = got.train
    assert (x.shape, x.dtype, y.shape, y.dtype) == (
        (400, length, 2),
        np.float32,
        (400, 1),
        np.float32,
    )
    values, markers = x[..., 0], x[..., 1]
    assert set(markers.ravel().tolist()) <= {0.0, 1.0}
    np.testing.assert_array_equal(markers[:, : length // 2].sum(axis=1), 1)
    np.testing.assert_array_equal(markers[:, length // 2 :].sum(axis=1), 1)
    assert (markers.sum(axis=0) > 0).all()  # every step is marked at times
    np.testing.assert_allclose(y[:, 0], (values * markers).sum(axis=1), rtol=1e-6)
    assert values.min() >= 0
    assert values.max() < 1
    assert (got.classes, got.source) == (1, "generated")


def test_answering_1_has_the_promised_error():
    y = sequences.adding(train=20_000, validation=0, test=1, length=2, seed=0).train[1]
    assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, rel=0.03)


def test_adding_in_one_step_is_refused():
    with pytest.raises(
        DataError, match=r"dataset\.length must be at least 2, for two marked numbers, got 1"
    ):
        sequences.adding(train=1, validation=0, test=1, length=1, seed=0)


# Waveform


def write_wav(path, content, width, channels=1):
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(8000)
        sound.writeframes(content)
    return str(path)


@pytest.mark.parametrize(
    ("content", "width", "channels"),
    [
        (np.array([0, 100, -200, 50, 20000], "<i2"), 2, 1),
        (np.array([128, 138, 108, 133, 255], np.uint8), 1, 1),
        (np.array([[0, 0], [50, 150], [-100, -300], [-50, 150], [1, 1]], "<i2"), 2, 2),
    ],
    ids=["16 bits", "8 bits", "stereo"],
)
def test_a_sound_is_scaled_to_its_loudest_sample(tmp_path, content, width, channels):
    path = write_wav(tmp_path / "sound.wav", content.tobytes(), width, channels)
    got = sequences.waveform(path=path, samples=4, copies=2)
    assert got.train[1].tolist() == 2 * [[[0.0], [0.5], [-1.0], [0.25]]]
    assert got.train[0].tolist() == 2 * [4 * [[0.0]]]
    assert got.train[0].dtype == got.train[1].dtype == np.float32
    for x, y in (got.validation, got.test):
        assert (x.tolist(), y.tolist()) == (got.train[0][:1].tolist(), got.train[1][:1].tolist())
    assert (got.classes, got.source, got.sequential) == (1, "wav", False)


def test_the_melody_has_four_notes():
    got = sequences.waveform(path=None, samples=8000, copies=1)
    sound = got.train[1].ravel()
    assert got.train[1].shape == (1, 8000, 1)
    assert np.abs(sound).max() == 1.0
    loudest = [
        int(np.abs(np.fft.rfft(note)).argmax()) * 4 for note in sound.reshape(4, 2000)
    ]  # bins of 4 Hz
    assert loudest == [440, 556, 660, 880]
    assert got.source == "generated"


@given(samples=st.integers(1, 400))
def test_every_melody_is_audible_and_in_range(samples):
    y = sequences.waveform(path=None, samples=samples, copies=1).train[1]
    assert y.shape == (1, samples, 1)
    assert np.abs(y).max() == 1.0


def test_silence_has_the_promised_error():
    assert np.mean(
        sequences.waveform(path=None, samples=320, copies=1).test[1] ** 2
    ) == pytest.approx(0.373, abs=5e-4)


SOUND = np.arange(1, 9, dtype="<i2").tobytes()


def truncated(path):
    write_wav(path, SOUND, 2)
    path.write_bytes(path.read_bytes()[:-11])


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (
            lambda path: path.write_bytes(b""),
            "sound.wav must be a PCM WAV file of 8 or 16 bits .*: convert it",
        ),
        (lambda path: path.write_bytes(b"OggS" + bytes(60)), "must be a PCM WAV file .*RIFF"),
        (
            lambda path: write_wav(path, SOUND[:12], 3),
            "must be a PCM WAV file of 8 or 16 bits, got 24",
        ),
        (
            lambda path: write_wav(path, bytes(16), 2),
            "must have a sound in its first 4 samples, got silence",
        ),
        (
            lambda path: write_wav(path, SOUND[:6], 2),
            "has 3 samples, too few for the 4 of dataset.samples",
        ),
        (truncated, "has 2 samples, too few"),
    ],
    ids=["empty", "ogg", "24 bits", "silence", "short", "truncated"],
)
def test_a_sound_that_cannot_be_used_is_refused(tmp_path, write, message):
    path = tmp_path / "sound.wav"
    write(path)
    with pytest.raises(DataError, match=message):
        sequences.waveform(path=str(path), samples=4, copies=1)


def test_a_sound_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.path must name a WAV file, got .*none\.wav"):
        sequences.waveform(path=str(tmp_path / "none.wav"), samples=10, copies=1)
