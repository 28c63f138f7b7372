"""The C compilers of this machine, and what they say about a file.

`pip install ziglang` is a clang that needs no system package.
"""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest

COMPILERS = {name: (name,) for name in ("gcc", "clang") if shutil.which(name)}
if importlib.util.find_spec("ziglang"):
    COMPILERS["ziglang"] = (sys.executable, "-m", "ziglang", "cc")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Wshadow", "-Werror"]

with_each_compiler = pytest.mark.parametrize(
    "compiler", COMPILERS.values() or [pytest.param((), marks=pytest.mark.skip("no C compiler"))],
    ids=COMPILERS or ["none"],
)  # fmt: skip


@cache
def sanitizers(compiler):
    """The flags of those sanitizers that a compiler comes with."""
    names = []
    for name in ("address", "undefined"):
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "empty.c").write_text("int main(void)\n{\n    return 0;\n}\n")
            command = [*compiler, f"-fsanitize={name}", "empty.c", "-o", "empty"]
            if not subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
                names.append(name)
    return ["-g", f"-fsanitize={','.join(names)}", "-fno-sanitize-recover=all"] if names else []


def assert_sound(compiler, content, images, folder):
    """Compile a file with all warnings and sanitizers, and run it on its known input and images."""
    (folder / "net.c").write_bytes(content)
    (folder / "images").write_bytes(images.tobytes())
    for command in (
        [*compiler, *STRICT, *sanitizers(compiler), "net.c", "-o", "net"],
        ["./net"],
        ["./net", "images"],
        [*compiler, *STRICT, "-DBRNN_NO_MAIN", "-c", "net.c"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command
