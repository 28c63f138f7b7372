"""Data sets of sequences."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from brnn.config.ranges import Count, Natural, ProperShare
from brnn.data import readers, sources
from brnn.data.dataset import Data, Signal, Tokens, Values, rows
from brnn.data.images import mnist

TINYSHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
SHAKESPEARE_URL = (
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
)


def mnist_rows(
    *, root: str, validation: ProperShare, permuted: bool, permutation_seed: Natural
) -> Data:
    """MNIST as sequences of 28 steps, each a row of 28 pixels.

    `permuted` puts the 784 pixels of every image in one other order, drawn from `permutation_seed`.
    """
    return _reordered(mnist(root=root, validation=validation), permuted, permutation_seed, (28, 28))


def mnist_pixels(
    *, root: str, validation: ProperShare, permuted: bool, permutation_seed: Natural
) -> Data:
    """MNIST as sequences of 784 steps of one pixel, top left to bottom right; `permuted` as in `mnist_rows`.

    Le, Jaitly and Hinton 2015, arXiv:1504.00941.
    """
    return _reordered(mnist(root=root, validation=validation), permuted, permutation_seed, (784, 1))


def text(
    *,
    path: str,
    root: str,
    sequence: Count,
    carried: bool,
    validation: ProperShare,
    test: ProperShare,
) -> Tokens:
    """Character-level language modelling: y holds, for each of the `sequence` characters of x, the next one.

    `path` is a file in UTF-8, or `tinyshakespeare`: then `root`/input.txt if it is there, else a download. The
    last share `test` of the characters is the test split, the last share `validation` of the rest is for
    validation. Each is cut into consecutive sequences; what does not fill one is dropped. Characters are
    indices into `tokens`: all characters of the whole text, sorted. If `carried`, a batch goes on where the one
    before ended, with the state that the net had there; else each sequence begins with a state of zeros.
    """
    file = (
        _tinyshakespeare(root)
        if path == "tinyshakespeare"
        else readers.existing(path, "a text in UTF-8")
    )
    alphabet, stream = readers.read_text(file)
    tested = len(stream) - rows(len(stream), test, "test")
    trained = tested - rows(tested, validation, "validation")
    return Data(
        train=_next_characters(stream[:trained], sequence, "training"),
        validation=_next_characters(stream[trained:tested], sequence, "validation"),
        test=_next_characters(stream[tested:], sequence, "test"),
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
    """The copying task: remember `length` random symbols over `delay` steps, then repeat them.

    x is the symbols (tokens from 0), delay - 1 blanks (the token `symbols`), a delimiter (`symbols` + 1) and
    `length` blanks; y is length + delay blanks and the symbols. Both int32 (n, delay + 2 length). Forgetting
    all costs length log(symbols) / (delay + 2 length) per step.

    Hochreiter and Schmidhuber 1997; in this form Arjovsky et al. 2016, arXiv:1511.06464, with 8 symbols, length 10.
    """
    if symbols < 2:
        raise ValueError(
            f"dataset.symbols must be at least 2 for there to be something to remember, got {symbols}"
        )

    def draw(n, generator):
        x = np.full((n, delay + 2 * length), symbols, np.int32)
        y = x.copy()
        x[:, :length] = y[:, -length:] = generator.integers(symbols, size=(n, length))
        x[:, length + delay - 1] = symbols + 1
        return x, y

    return _generated(draw, (train, validation, test), symbols + 2, seed)


def adding(
    *, train: Count, validation: Natural, test: Count, length: Count, seed: Natural
) -> Values:
    """The adding task: the sum of the two marked numbers of a sequence, as regression.

    x is float32 (n, length, 2): a number uniform in [0, 1) and a marker, which is 1 at one step of the first half
    and at one of the second, else 0. y is float32 (n, 1). Always answering 1 has a mean squared error of 1/6.

    Hochreiter and Schmidhuber 1997; in this form Arjovsky et al. 2016, arXiv:1511.06464.
    """
    if length < 2:
        raise ValueError(f"dataset.length must be at least 2, for two marked numbers, got {length}")

    def draw(n, generator):
        x = np.zeros((n, length, 2), np.float32)
        x[..., 0] = generator.random((n, length), np.float32)
        rows = np.arange(n)
        first, second = (
            generator.integers(length // 2, size=n),
            generator.integers(length // 2, length, size=n),
        )
        x[rows, first, 1] = x[rows, second, 1] = 1
        return x, x[rows, first, :1] + x[rows, second, :1]

    return _generated(draw, (train, validation, test), 1, seed)


def waveform(*, path: str | None, samples: Count, copies: Count) -> Signal:
    """Sequence generation: learn the first `samples` values of a sound by heart, from an input that is always 0.

    x and y are float32 (n, samples, 1); y is scaled to a largest absolute value of 1. An epoch has `copies` equal rows
    for training; validation and test have one: to know it by heart is the task. `path` is a PCM WAV file of 8 or 16
    bits (channels are averaged), or null for four short notes. Always answering 0 has a mean squared error of the
    sound's mean square, 0.373 of 320 samples of the notes.

    Koutnik, Greff, Gomez and Schmidhuber 2014, arXiv:1402.3511, with 320 samples.
    """
    sound = (
        _melody(samples)
        if path is None
        else readers.read_wav(readers.existing(path, "a WAV file"), samples)
    )
    y = (sound / np.abs(sound).max()).astype(np.float32).reshape(1, samples, 1)
    y = np.repeat(y, copies, axis=0)
    train, once = ((np.zeros_like(rows), rows) for rows in (y, y[:1]))
    return Data(train, once, once, classes=1, source="generated" if path is None else "wav")


def _reordered(data, permuted, seed, shape) -> Data:
    """Images as rows of `shape`, their pixels in one random order if `permuted`."""
    order = np.random.default_rng(seed).permutation(784) if permuted else np.arange(784)

    def reorder(split):
        x, y = split
        return np.take(x.reshape(-1, 784), order, axis=1).reshape(-1, *shape), y

    return replace(
        data,
        train=reorder(data.train),
        validation=reorder(data.validation),
        test=reorder(data.test),
    )


def _next_characters(stream, sequence, part):
    """(x, y), both (n, sequence): consecutive pieces of `stream`, and the character after each of theirs."""
    n = max(len(stream) - 1, 0) // sequence
    if len(stream) and not n:
        size = f"{len(stream)}, the characters of the {part} split"
        raise ValueError(f"dataset.sequence must be below {size}, got {sequence}")
    end = n * sequence
    return stream[:end].reshape(n, sequence), stream[1 : end + 1].reshape(n, sequence)


def _tinyshakespeare(root) -> Path:
    """The path of the text, its checksum verified."""
    file = Path(root).expanduser() / "input.txt"
    if file.is_file():
        if hashlib.sha256(file.read_bytes()).hexdigest() != TINYSHAKESPEARE:
            raise ValueError(
                f"{file} is not the original: get it again, or set dataset.path={file}"
            )
        return file
    try:
        return sources.keras_file("tinyshakespeare", "input.txt", SHAKESPEARE_URL, TINYSHAKESPEARE)
    except ConnectionError as reason:
        raise FileNotFoundError(
            f"no tinyshakespeare: put {SHAKESPEARE_URL} into {root} (dataset.root), or run once with a network, "
            f"or set dataset.path to another text ({reason})"
        ) from reason


def _generated(draw, sizes, classes, seed) -> Data:
    """Splits of `sizes` rows from `draw(n, generator)`; the size of one does not change what another holds."""
    splits = [draw(n, np.random.default_rng([seed, part])) for part, n in enumerate(sizes)]
    return Data(*splits, classes, source="generated")


def _melody(samples) -> np.ndarray:
    """Four notes of equal length with one overtone each, at 8,000 samples a second."""
    notes = np.float64([440.0, 554.37, 659.26, 880.0])  # Hz: A, C sharp, E, A
    phase = 2 * np.pi * np.cumsum(notes[np.arange(samples) * 4 // samples]) / 8000
    return np.sin(phase) + 0.5 * np.sin(2 * phase)
