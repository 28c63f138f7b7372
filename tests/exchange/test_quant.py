"""The quantizers of QONNX: as the package `qonnx` computes them, and worked out by hand."""

import numpy as np
import pytest

from brnn.errors import DataError
from brnn.exchange.quant import ROUNDINGS, bipolar_quant, quant
from brnn.quantization import quantizers

X = np.float32([-9, -3, -2.5, -1.5, -0.6, -0.5, -0.4, -0.0, 0.0, 0.2, 0.5, 0.7, 1.5, 2.5, 9])


def test_levels_of_two_bits_are_those_of_the_quantizer():
    x = X[np.abs(X) != 0.5]  # which Quant rounds to 0, and the quantizer away from it
    found = quant("q", {"narrow": 1, "signed": 1}, x, 1, 0, 2)
    assert np.array_equal(found, np.asarray(quantizers.ternary(x, None, scale=1.0)))


def test_levels_worked_out_by_hand():
    # 0.25 / 0.5 + 1 = 1.5, to even 2, so (2 - 1) 0.5; -9 / 0.5 + 1 is cut off at 0, so (0 - 1) 0.5
    x = np.float32([-9, 0.25, 9])
    assert quant("q", {"signed": 0, "narrow": 0}, x, 0.5, 1, 2).tolist() == [-0.5, 0.5, 1.0]
    assert quant("q", {"signed": 1, "narrow": 0}, x, 0.5, 0, 2).tolist() == [-1.0, 0.0, 0.5]
    assert quant("q", {"signed": 1, "narrow": 1}, x, 3.0, 0, 1).tolist() == [-3.0, 3.0, 3.0]
    assert bipolar_quant(np.float32([-0.0, -1e-9]), 0.5).tolist() == [0.5, -0.5]


@pytest.mark.parametrize("bits", [1, 2, 3])
@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
def test_levels_are_those_of_the_package(bits, signed, narrow):
    pytest.importorskip("qonnx")
    from qonnx.custom_op.general.quant import quant as expected

    for mode in set(ROUNDINGS) - {"ROUND_TO_ZERO"}:  # which it does not know
        for scale, zero in ((1.0, 0.0), (0.3, 1.0)):
            keys = {"signed": signed, "narrow": narrow, "rounding_mode": mode.encode()}
            found = quant("q", keys, X, scale, zero, bits)
            values = (np.float32(v) for v in (scale, zero, bits))
            assert np.array_equal(found, expected(X, *values, signed, narrow, mode))


def test_another_rounding_is_named():
    with pytest.raises(DataError, match="q: rounding_mode=ODD is none of ROUND, HALF_EVEN"):
        quant("q", {"rounding_mode": b"odd"}, X, 1, 0, 2)
