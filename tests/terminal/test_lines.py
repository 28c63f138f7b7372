"""Lines: literal, whole, and coloured on a terminal alone."""

import io
from contextlib import redirect_stderr

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pseudo_terminal import on_a_terminal

from brnn.terminal import lines


@pytest.mark.parametrize(
    ("write", "prefix"), [(lines.warning, "warning: "), (lines.error, "error: ")]
)
@given(
    text=st.text(
        st.characters(categories=["L", "N", "P", "S"], include_characters=" "), max_size=300
    )
)
def test_messages_are_one_literal_line(write, prefix, text):
    stream = io.StringIO()
    with redirect_stderr(stream):
        write(text)
    assert stream.getvalue() == f"{prefix}{text}\n"


def test_messages_go_to_stderr_in_one_line(capsys):
    lines.error("epochs must be [1, 2]\nnot [bold]3[/bold] :smile:")
    captured = capsys.readouterr()
    assert captured.err == "error: epochs must be [1, 2] not [bold]3[/bold] :smile:\n"
    assert captured.out == ""


def test_only_the_prefix_of_a_message_is_coloured_on_a_terminal(monkeypatch):
    shown = on_a_terminal(monkeypatch, lambda: lines.error("got [1, 2]"))
    assert shown == "\x1b[1;31merror:\x1b[0m got [1, 2]\r\n"


def test_a_terminal_breaks_a_long_message_by_itself(monkeypatch):
    text = "a word " * 30 + "end"
    assert on_a_terminal(monkeypatch, lambda: lines.error(text), columns=80).count("\n") == 1
