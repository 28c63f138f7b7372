"""Loading: the digest of a data set."""

import hashlib

import numpy as np

from brnn.data import dataset
from brnn.data.load import digest


def data(*arrays, **fields):
    pairs = [(array, np.zeros(len(array), np.int32)) for array in arrays]
    return dataset.Data(*pairs, **({"classes": 10, "source": "generated"} | fields))


def test_the_digest_is_the_sha256_of_classes_alphabet_types_shapes_and_bytes():
    array = np.array([[1.0, 2.0]], np.float32)
    pixels = b"float32(1, 2)" + b"\x00\x00\x80\x3f\x00\x00\x00\x40"  # 1 and 2 in IEEE 754
    labels = b"int32(1,)" + bytes(4)
    assert (
        digest(data(array, array, array))
        == hashlib.sha256(b"10 None" + 3 * (pixels + labels)).hexdigest()
    )


def test_the_digest_depends_on_values_shapes_and_splits_but_not_on_the_source():
    a, b, none = np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((0, 3))
    b[1, 2] = 1e-9
    others = [
        data(a, a, b),
        data(a, a, a.reshape(3, 2)),
        data(a, none, a),
        data(a, a, a, tokens="ab"),
    ]
    digests = [digest(other) for other in (data(a, a, a), *others)]
    assert len(set(digests)) == 5
    assert digest(data(a, a, a, source="idx")) == digests[0]
