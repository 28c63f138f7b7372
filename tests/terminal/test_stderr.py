"""What libraries write to stderr is hidden, except where an import fails."""

import subprocess
import sys

import pytest

QUIET = """
import os, sys
from brnn.terminal import lines, stderr
stderr.keep_stderr()
with stderr.quiet():
    os.write(2, b"of a library\\n")
    lines.error("of another thread")
if len(sys.argv) > 1:
    with stderr.quiet():
        os.write(2, b"why it failed\\n")
        raise SystemExit
"""


@pytest.mark.parametrize(("words", "shown"), [([], ""), (["fail"], "why it failed\n")])
def test_only_what_other_languages_write_is_kept_quiet(words, shown):
    done = subprocess.run(
        [sys.executable, "-c", QUIET, *words], capture_output=True, text=True, check=False
    )
    assert done.stderr == f"error: of another thread\n{shown}"
