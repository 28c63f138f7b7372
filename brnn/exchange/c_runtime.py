"""How the compiler of this machine runs a C file, and how fast."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from brnn.errors import ConfigError, ExportError
from brnn.exchange import speed

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
FASTEST = (("-O3", "-march=native"), ("-O3",))  # the second where a compiler lacks the first
TIMING = """
#include <stdint.h>
#include <stdio.h>
#include <time.h>

void brnn_logits(const uint8_t *input, float *logits);

static uint8_t images[{rows}][{inputs}];

static double used(long count)
{{
    float logits[{classes}];
    clock_t began = clock();
    for (long i = 0; i < count; ++i)
        for (int row = 0; row < {rows}; ++row)
            brnn_logits(images[row], logits);
    return (double)(clock() - began) / CLOCKS_PER_SEC;
}}

int main(void)
{{
    long count = 1;
    if (fread(images, sizeof images, 1, stdin) != 1)
        return 1;
    while (used(count) < {least})
        count *= 2;
    for (int i = 0; i < {rounds}; ++i)
        printf("%.9g\\n", used(count) / (double)count);
    return 0;
}}
"""


def compiler() -> str:
    """Return the C compiler of this machine.

    Raises:
        ConfigError: there is none.
    """
    names = (os.environ["CC"],) if os.environ.get("CC") else COMPILERS
    command = next((name for name in names if shutil.which(name)), None)
    if command is None:
        raise ConfigError(
            "format=c is compiled and compared with the net, but there is no C compiler"
            f" {' or '.join(names)}; CC names another"
        )
    return command


def run(content: bytes, cc: str, level: str, x: np.ndarray) -> np.ndarray:
    """Return the logits (n, classes) that the compiled file prints, of bytes (n, *shape).

    Args:
        content: of the file.
        cc: the compiler.
        level: of optimization, such as `-O3`.
        x: the bytes.

    Raises:
        ExportError: the compiler or the program fails, the class is not that of the logits, or the
            disk is full.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write(folder, {"net.c": content, "images": x.tobytes()})
        _done(folder, cc, *FLAGS, level, "net.c", "-o", "net")
        _done(folder, "./net")
        lines = _done(folder, "./net", "images").splitlines()
    printed = np.array([line.split() for line in lines], "float64")
    logits = printed[:, 1:].astype("float32")
    if not np.array_equal(printed[:, 0], logits.argmax(axis=1)):
        raise ExportError(f"format=c: {cc} {level}: a class is not that of the largest logit")
    return logits


def seconds(content: bytes, cc: str, classes: int, x: np.ndarray) -> float:
    """Return the CPU seconds that the file takes for bytes (n, *shape), one after the other.

    Args:
        content: of the file.
        cc: the compiler.
        classes: the number of logits.
        x: the bytes.

    Raises:
        ExportError: the compiler or the program fails.
    """
    keys = {"rows": len(x), "inputs": x[0].size, "classes": classes}
    with tempfile.TemporaryDirectory() as folder:
        timing = TIMING.format(**keys, least=speed.LEAST, rounds=speed.ROUNDS)
        _write(folder, {"net.c": content, "timing.c": timing.encode()})
        for flags in FASTEST:
            command = [cc, "-std=c99", *flags, "-DBRNN_NO_MAIN", "net.c", "timing.c", "-o", "time"]
            if not subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
                break
        else:
            raise ExportError(f"format=c: {' '.join(command)} failed")
        printed = _done(folder, "./time", given=x.tobytes())
    return float(np.median([float(line) for line in printed.split()]))


def _write(folder: str, files: dict[str, bytes]) -> None:
    """Write files to compile and to run.

    Raises:
        ExportError: one cannot be written.
    """
    for name, content in files.items():
        try:
            (Path(folder) / name).write_bytes(content)
        except OSError as error:
            raise ExportError(
                f"format=c: {folder}/{name} cannot be written to be checked: {error.strerror}"
            ) from error


def _done(folder: str, *command: str, given: bytes = b"") -> str:
    """Return what a command prints.

    Raises:
        ExportError: it fails.
    """
    done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)
    if done.returncode:
        printed = (done.stderr or done.stdout).decode(errors="replace").splitlines()
        reason = next((line for line in printed if "error" in line.lower()), "".join(printed[:1]))
        raise ExportError(f"format=c: {' '.join(command)} failed: {reason}")
    return done.stdout.decode()
