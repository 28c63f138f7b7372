"""Properties of VNN-LIB: the box and the cases that a text states, or one line with its number."""

import gzip

import numpy as np
import pytest

from brnn.errors import DataError
from brnn.proof import vnnlib

TEXT = """; a comment (with a parenthesis
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real) (declare-const Y_1 Real)
(declare-const Y_2 Real)
(assert (<= X_0 1.5)) (assert (>= X_0 -2e-1))
(assert (= 0.5 X_1))
(assert (or
    (and (>= Y_0 Y_2))
    (and (<= Y_2 Y_1) (>= Y_0 Y_1))
))
"""


def test_a_box_and_cases_by_hand():
    given = vnnlib.parse(TEXT)
    np.testing.assert_array_equal(given.low, [-0.2, 0.5])
    np.testing.assert_array_equal(given.high, [1.5, 0.5])  # an equation bounds both sides
    assert given.cases == (((0, 2, False),), ((1, 2, False), (0, 1, False)))
    assert given.outputs == 3
    logits = np.array([[1, 0, 1], [0, 1, 2], [3, 3, 1], [0, 2, 1]])
    assert given.holds(logits).tolist() == [True, False, True, False]  # a tie counts


def test_demands_are_joined():
    text = TEXT + "(assert (or (>= Y_0 Y_1) (>= Y_1 Y_0)))"
    assert len(vnnlib.parse(text).cases) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT + "(assert (>= Y_0 0.5))", r"line 12: \(>= Y_0 0.5\) is not supported"),
        (TEXT + "(assert (or (>= Y_0 Y_1) (<= X_0 0.1)))", r"line 12: \(<= X_0 0.1\) is not"),
        (TEXT + "(assert (== Y_0 Y_1))", r"line 12: \(== Y_0 Y_1\) is not supported"),
        (TEXT + "(assert (<= X_0 X_1))", r"line 12: \(<= X_0 X_1\) is not supported"),
        (TEXT + "(assert (<= X_7 1))", "line 12: X_7 is not declared"),
        (TEXT + "(assert (<= X_0 one))", "line 12: one is not a finite number"),
        (TEXT + "(assert (<= X_0 4_0))", "line 12: 4_0 is not a finite number"),
        (TEXT + "(assert (<= X_0 nan))", "line 12: nan is not a finite number"),
        (TEXT + "(declare-const X_0 Real)", "line 12: X_0 is declared where X_2 is expected"),
        (TEXT + "(vnnlib-version <3.0>)", "VNN-LIB 3.0 is not supported; 1.0 and 2.0 are"),
        (
            TEXT + "(assert (<= X_0 -3))",
            "X_0, declared in line 2, has the lower bound -0.2 above the upper bound -3",
        ),
        (TEXT[:-4], "line 8: the parenthesis is not closed"),
        (TEXT.replace("(>= X_0 -2e-1)", "(<= X_0 3)"), "X_0, declared in line 2, has no lower"),
        (TEXT[: TEXT.index("(assert (or")], "states nothing about outputs"),
        ("sat", "line 1: sat stands outside"),
    ],
)
def test_what_is_not_supported_is_refused_with_its_line(text, message):
    with pytest.raises(DataError, match=message):
        vnnlib.parse(text)


TEXT_2 = """(vnnlib-version <2.0>) ; a comment with X[9]
(declare-network net
  (declare-input image float32 [1, 2])
  (declare-output Y float32 [1,3])
)
(assert (<= image[0,0] 1.5)) (assert (>= image [0, 0] -0.2))
(assert (== image[0,1] 0.5))
(assert (or (>= Y[0,0] Y[0,2]) (and (<= Y[0,2] Y[0,1]) (>= Y[0,0] Y[0,1]))))
"""


def test_version_2_states_the_same():
    given, expected = vnnlib.parse(TEXT_2), vnnlib.parse(TEXT)
    np.testing.assert_array_equal(given.low, expected.low)
    np.testing.assert_array_equal(given.high, expected.high)
    assert (given.cases, given.outputs) == (expected.cases, expected.outputs)


def test_strict_comparisons_exclude_ties():
    text = TEXT_2 + "(assert (> Y[0,0] Y[0,1])) (assert (< Y[0,2] Y[0,1]))"
    assert vnnlib.parse(text).cases[0] == ((0, 2, False), (0, 1, True), (1, 2, True))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("float32 [1, 2]", "uint8 [1, 2]", "declare-input image uint8 is not supported"),
        ("declare-input image", "declare-hidden image", "declare-hidden image float32 is not"),
        ("image[0,0]", "image[0,2]", r"line 6: image\[0,2\] is not in the shape \[1, 2\]"),
        ("image[0,0]", "pixels[0,0]", "line 6: pixels is not declared"),
        ("(<= image[0,0] 1.5)", "(< image[0,0] 1.5)", r"line 6: \(< X_0 1.5\) is not supported"),
        ("(declare-output Y float32 [1,3])", "", "must declare one input and one output"),
        ("(declare-network net", "(declare-net net", "0 networks are declared"),
        ("[1, 2])", "[1, 2])\n(declare-input Z float32 [n])", "has a part that is not supported"),
    ],
)
def test_what_version_2_states_beyond_is_refused(old, new, message):
    with pytest.raises(DataError, match=message):
        vnnlib.parse(TEXT_2.replace(old, new))


def test_files_may_be_compressed(tmp_path):
    path = tmp_path / "a.vnnlib.gz"
    path.write_bytes(gzip.compress(TEXT.encode()))
    assert vnnlib.read(path).cases == vnnlib.parse(TEXT).cases
    path.write_bytes(gzip.compress(TEXT.encode())[:-12])
    with pytest.raises(DataError, match="cannot be read"):
        vnnlib.read(path)
