"""Data sets of sequences."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from brnn.config.ranges import Count, Natural, ProperShare
from brnn.data import readers, sources
from brnn.data.dataset import Data, Signal, Split, Tokens, Values, split_size
from brnn.data.folders import AUTO, data_folder
from brnn.data.images import mnist
from brnn.errors import DataError, DownloadError

TINYSHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
SHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)


def mnist_rows(
    *, root: str, validation: ProperShare, permuted: bool, permutation_seed: Natural
) -> Data:
    """Return MNIST as sequences of 28 steps, each a row of 28 pixels: x uint8 (n, 28, 28).

    Args:
        root: see `mnist`.
        validation: see `mnist`.
        permuted: whether the 784 pixels of all images are put in one random order.
        permutation_seed: decides that order.

    Raises:
        DataError: see `mnist`.
    """
    digits = mnist(root=root, validation=validation, normalization="none")
    return _reordered(digits, permuted, permutation_seed, (28, 28))


def mnist_pixels(
    *, root: str, validation: ProperShare, permuted: bool, permutation_seed: Natural
) -> Data:
    """Return MNIST as sequences of 784 steps of one pixel, row by row: x uint8 (n, 784, 1).

    Args:
        root: see `mnist`.
        validation: see `mnist`.
        permuted: whether the 784 pixels of all images are put in one random order.
        permutation_seed: decides that order.

    Raises:
        DataError: see `mnist`.

    References:
        Le, Jaitly and Hinton 2015, arXiv:1504.00941.
    """
    digits = mnist(root=root, validation=validation, normalization="none")
    return _reordered(digits, permuted, permutation_seed, (784, 1))


def text(
    *,
    path: str,
    root: str,
    sequence: Count,
    carried: bool,
    validation: ProperShare,
    test: ProperShare,
) -> Tokens:
    """Return a text for character-level language modelling: x and y int32 (n, sequence).

    y holds the character after each of x. The text is divided into training, validation and test in
    its own order, and each part into consecutive sequences; a remainder is dropped. Characters are
    indices into `tokens`, the sorted characters of the whole text.

    Args:
        path: a file in UTF-8, or `tinyshakespeare`.
        root: the folder of tinyshakespeare's input.txt; `auto` for $BRNN_DATA/tinyshakespeare, or
            data/tinyshakespeare, and Keras' cache or a download where it is not there.
        sequence: characters of a row.
        carried: whether a batch continues where the one before ended, with the state that the net
            had there; else each sequence begins with a state of zeros.
        validation: share of the training characters, the last, for validation.
        test: share of all characters, the last, for test.

    Raises:
        DataError: there is no such file, it is not UTF-8, or a part is too short.
    """
    file = (
        _tinyshakespeare(root)
        if path == "tinyshakespeare"
        else readers.existing_file(path, "a text in UTF-8")
    )
    alphabet, stream = readers.read_text(file)
    test_start = len(stream) - split_size(len(stream), test, "test")
    validation_start = test_start - split_size(test_start, validation, "validation")
    return Data(
        train=_next_characters(stream[:validation_start], sequence, "training"),
        validation=_next_characters(stream[validation_start:test_start], sequence, "validation"),
        test=_next_characters(stream[test_start:], sequence, "test"),
        classes=len(alphabet),
        source="text",
        sequential=carried,
        tokens=alphabet,
    )


def copying(
    *,
    train: Count,
    validation: Natural,
    test: Count,
    symbols: Count,
    length: Count,
    delay: Count,
    seed: Natural,
) -> Tokens:
    """Return the copying task: repeat `length` random symbols after `delay` steps.

    x is the symbols (tokens from 0), delay - 1 blanks (the token `symbols`), a delimiter
    (`symbols` + 1) and `length` blanks; y is length + delay blanks and the symbols; both are int32
    (n, delay + 2 length). A net without memory has a loss of length log(symbols) / (delay + 2
    length) per step.

    Args:
        train: rows for training.
        validation: rows for validation.
        test: rows for test.
        symbols: kinds of symbols, at least 2.
        length: symbols to remember.
        delay: steps between the last symbol and its repetition.
        seed: decides the symbols.

    Raises:
        DataError: there is only one kind of symbols.

    References:
        Hochreiter and Schmidhuber 1997; in this form Arjovsky et al. 2016, arXiv:1511.06464, with 8
        symbols and length 10.
    """
    if symbols < 2:
        raise DataError(
            f"dataset.symbols must be at least 2, as one symbol needs no memory, got {symbols}"
        )

    def draw(n: int, rng: np.random.Generator) -> Split:
        x = np.full((n, delay + 2 * length), symbols, np.int32)
        y = x.copy()
        x[:, :length] = y[:, -length:] = rng.integers(symbols, size=(n, length))
        x[:, length + delay - 1] = symbols + 1
        return x, y

    return _generated(draw, (train, validation, test), symbols + 2, seed)


def adding(
    *, train: Count, validation: Natural, test: Count, length: Count, seed: Natural
) -> Values:
    """Return the adding task: the sum of the two marked numbers of a sequence, as regression.

    x is float32 (n, length, 2): a number uniform in [0, 1), and a marker that is 1 at one step of
    each half, else 0. y is float32 (n, 1). The constant output 1 has a mean squared error of 1/6.

    Args:
        train: rows for training.
        validation: rows for validation.
        test: rows for test.
        length: steps of a sequence, at least 2.
        seed: decides the numbers and their markers.

    Raises:
        DataError: a sequence has one step.

    References:
        Hochreiter and Schmidhuber 1997; in this form Arjovsky et al. 2016, arXiv:1511.06464.
    """
    if length < 2:
        raise DataError(f"dataset.length must be at least 2, for two marked numbers, got {length}")

    def draw(n: int, rng: np.random.Generator) -> Split:
        x = np.zeros((n, length, 2), np.float32)
        x[..., 0] = rng.random((n, length), np.float32)
        rows = np.arange(n)
        first = rng.integers(length // 2, size=n)
        second = rng.integers(length // 2, length, size=n)
        x[rows, first, 1] = x[rows, second, 1] = 1
        return x, x[rows, first, :1] + x[rows, second, :1]

    return _generated(draw, (train, validation, test), 1, seed)


def waveform(*, path: str | None, samples: Count, copies: Count) -> Signal:
    """Return a sound to be generated from an input that is always 0: x, y float32 (n, samples, 1).

    y is scaled to a largest absolute value of 1. All rows are equal: the task is to learn one sound
    by heart. The constant output 0 has the sound's mean square as its mean squared error: 0.373 for
    320 samples of the four notes.

    Args:
        path: a PCM WAV file of 8 or 16 bits, whose channels are averaged; null for four notes.
        samples: of the sound, from its start.
        copies: rows of the training split; validation and test have one.

    Raises:
        DataError: the file cannot be read, is too short, or silent.

    References:
        Koutnik, Greff, Gomez and Schmidhuber 2014, arXiv:1402.3511, with 320 samples.
    """
    sound = (
        _melody(samples)
        if path is None
        else readers.read_wav(readers.existing_file(path, "a WAV file"), samples)
    )
    row = (sound / np.abs(sound).max()).astype(np.float32).reshape(1, samples, 1)
    rows = np.repeat(row, copies, axis=0)
    train, once = ((np.zeros_like(y), y) for y in (rows, row))
    return Data(train, once, once, classes=1, source="generated" if path is None else "wav")


def _reordered(data: Data, permuted: bool, seed: int, shape: tuple[int, int]) -> Data:
    """Return images as rows of `shape`, their pixels in one random order if `permuted`."""
    order = np.random.default_rng(seed).permutation(784) if permuted else np.arange(784)

    def reorder(split: Split) -> Split:
        x, y = split
        return np.take(x.reshape(-1, 784), order, axis=1).reshape(-1, *shape), y

    return replace(
        data,
        train=reorder(data.train),
        validation=reorder(data.validation),
        test=reorder(data.test),
    )


def _next_characters(stream: np.ndarray, sequence: int, split: str) -> Split:
    """Return consecutive pieces of a stream, (n, sequence), and the characters that follow."""
    n = max(len(stream) - 1, 0) // sequence
    if len(stream) and not n:
        raise DataError(
            f"dataset.sequence must be below {len(stream)}, the characters of the {split} split,"
            f" got {sequence}"
        )
    end = n * sequence
    return stream[:end].reshape(n, sequence), stream[1 : end + 1].reshape(n, sequence)


def _tinyshakespeare(root: str) -> Path:
    """Return the path of the text, verified by its checksum."""
    file = data_folder(root, "tinyshakespeare") / "input.txt"
    if file.is_file():
        if hashlib.sha256(file.read_bytes()).hexdigest() != TINYSHAKESPEARE:
            raise DataError(f"{file} is not the original: get it again, or set dataset.path={file}")
        return file
    if root != AUTO:
        raise DataError(f"dataset.root must hold input.txt, got {root} without it")
    try:
        return sources.keras_file("tinyshakespeare", "input.txt", SHAKESPEARE_URL, TINYSHAKESPEARE)
    except DownloadError as error:
        raise DataError(
            f"no tinyshakespeare: put {SHAKESPEARE_URL} into {file.parent} (or name its folder by"
            " dataset.root), run once with a network, or set dataset.path to another text"
            f" ({error})"
        ) from error


def _generated(
    draw: Callable[[int, np.random.Generator], Split],
    sizes: tuple[int, int, int],
    classes: int,
    seed: int,
) -> Data:
    """Return splits of `sizes` rows; the size of one does not change the content of another.

    Args:
        draw: `draw(n, rng)` returns n rows.
        sizes: rows for training, validation and test.
        classes: width of the net's output.
        seed: decides the draws.
    """
    train, validation, test = (
        draw(n, np.random.default_rng([seed, split])) for split, n in enumerate(sizes)
    )
    return Data(train, validation, test, classes, source="generated")


def _melody(samples: int) -> np.ndarray:
    """Return four notes of equal length with one overtone each, at 8,000 samples per second."""
    notes = np.array([440.0, 554.37, 659.26, 880.0])  # Hz: A, C sharp, E, A
    phase = 2 * np.pi * np.cumsum(notes[np.arange(samples) * 4 // samples]) / 8000
    return np.sin(phase) + 0.5 * np.sin(2 * phase)
