"""Texts as data: tokens that spell them, their splits, and one line for what is impossible."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brnn.data import sequences
from brnn.errors import DataError

needs_data = pytest.mark.skipif(
    "BRNN_DATA" not in os.environ, reason="BRNN_DATA names no folder of data sets"
)


def read(path, content, *, sequence=3, validation=0.0, test=0.5):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return sequences.text(
        path=str(path),
        root="auto",
        sequence=sequence,
        carried=True,
        validation=validation,
        test=test,
    )


def test_a_text_is_cut_into_characters_and_those_that_follow(tmp_path):
    text = "abcab" + "cabca" + "bcabc"
    got = read(tmp_path / "text", text, sequence=2, validation=0.5, test=1 / 3)
    assert got.tokens == "abc"
    assert got.train[0].tolist() == [[0, 1], [2, 0]]
    assert got.train[1].tolist() == [[1, 2], [0, 1]]
    assert got.validation[0].tolist() == [[2, 0], [1, 2]]
    assert got.test[0].tolist() == [[1, 2], [0, 1]]
    assert got.test[1].tolist() == [[2, 0], [1, 2]]
    assert (got.train[0].dtype, got.train[1].dtype) == (np.int32, np.int32)
    assert (got.classes, got.source, got.sequential) == (3, "text", True)


def test_no_share_for_validation_leaves_it_empty(tmp_path):
    got = read(tmp_path / "text", "ab" * 10)
    assert [array.shape for array in got.validation] == [(0, 3), (0, 3)]


def test_the_alphabet_is_sorted_and_of_the_whole_text(tmp_path):
    got = read(tmp_path / "text", "ba\r\nzüba€\U0001f600~~", sequence=1)
    assert got.tokens == "\n\rabz~ü€\U0001f600"
    assert got.tokens[got.train[0][0, 0]] == "b"


@given(
    words=st.text(st.characters(exclude_categories=["Cs"]), min_size=30, max_size=80),
    sequence=st.integers(1, 4),
    test=st.floats(0.3, 0.5),
)
def test_tokens_spell_the_text_and_rows_continue_each_other(
    tmp_path_factory, words, sequence, test
):
    words = "xy" + words
    got = read(
        tmp_path_factory.mktemp("text") / "text",
        words,
        sequence=sequence,
        validation=0.4,
        test=test,
    )
    tested = len(words) - round(test * len(words))
    trained = tested - round(0.4 * tested)
    for (x, y), start, end in (
        (got.train, 0, trained),
        (got.validation, trained, tested),
        (got.test, tested, None),
    ):
        part = words[start:end]
        assert len(x) == (len(part) - 1) // sequence
        assert "".join(got.tokens[i] for i in x.ravel()) == part[: x.size]
        assert "".join(got.tokens[i] for i in y.ravel()) == part[1 : x.size + 1]


@pytest.mark.parametrize(
    ("content", "keys", "message"),
    [
        ("", {}, "text must have at least 2 different characters, got 0"),
        ("aaaa", {}, "text must have at least 2 different characters, got 1"),
        (
            b"abc\xff" + b"d" * 20,
            {},
            r"text must be text in UTF-8, but byte 3 is not \(invalid start byte\)",
        ),
        ("é".encode() * 4 + b"\xc3", {}, "text must be text in UTF-8, but byte 8 is not"),
        (
            "ab" * 5,
            {"sequence": 5},
            "dataset.sequence must be below 5, the characters of the training split, got 5",
        ),
        (
            "ab" * 5,
            {"test": 0.2},
            "dataset.sequence must be below 2, the characters of the test split, got 3",
        ),
        ("ab" * 5, {"validation": 0.4}, "below 3, the characters of the training split, got 3"),
        ("ab" * 5, {"test": 0.0}, "dataset.test must leave rows in both parts, got 0.0 of 10"),
        ("ab" * 5, {"test": 0.01}, "dataset.test must leave rows in both parts, got 0.01 of 10"),
    ],
)
def test_a_text_that_cannot_be_learned_is_refused(tmp_path, content, keys, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "text", content, **keys)


def test_a_text_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"dataset\.path must name a text in UTF-8, got .*none"):
        sequences.text(
            path=str(tmp_path / "none"),
            root="auto",
            sequence=3,
            carried=True,
            validation=0.0,
            test=0.5,
        )


def tinyshakespeare(root):
    return sequences.text(
        path="tinyshakespeare", root=root, sequence=3, carried=True, validation=0.0, test=0.5
    )


def test_another_text_in_the_place_of_tinyshakespeare_is_refused(tmp_path):
    (tmp_path / "input.txt").write_text("First Citizen:\n")
    with pytest.raises(
        DataError, match=r"input.txt is not the original: get it again, or set dataset.path="
    ):
        tinyshakespeare(str(tmp_path))


def test_a_named_folder_without_tinyshakespeare_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=rf"^dataset\.root must hold input\.txt, got {tmp_path} without it$"
    ):
        tinyshakespeare(str(tmp_path))
    with pytest.raises(
        DataError, match=r"^dataset\.root must be a folder that exists, got .*none$"
    ):
        tinyshakespeare(str(tmp_path / "none"))


@needs_data
def test_tinyshakespeare_is_split_at_95_percent():
    root = os.environ["BRNN_DATA"] + "/tinyshakespeare"
    got = sequences.text(
        path="tinyshakespeare", root=root, sequence=128, carried=False, validation=0.0, test=0.05
    )
    assert got.train[0].shape == (8278, 128)  # of 1,059,624 characters
    assert got.test[0].shape == (435, 128)  # of 55,770
    assert "".join(got.tokens[i] for i in got.train[0][0, :14]) == "First Citizen:"
    assert got.classes == len(got.tokens) == 65
