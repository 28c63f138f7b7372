"""The format `c`: one C99 file that needs nothing else."""

import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

import brnn
from brnn.errors import ConfigError, ExportError
from brnn.exchange import c_source
from brnn.exchange.c_source import WORD, real, table, words_of
from brnn.exchange.net import HALF, HALF_BYTE, Exported, Layer, Net, check_whole

COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
LEVELS = ("-O0", "-O3")  # of optimization, each compared with the net
FACTOR = 37  # input i of the known input is the last byte of 37 i
BYTE = 8


def c(net: Net) -> Exported:
    """Write one C99 file without dependencies: one bit for each weight and activation.

    A sum is a count of equal bits; bytes are added by the planes of their bits. `brnn_classify`
    and `brnn_logits` take bytes; a `main` classifies a file of images, and checks a known input.
    """
    check_whole(net, "c", "levels, onnx")
    content = _source(net).encode()
    compiler = _compiler()
    runtimes = {
        f"{compiler} {level}": partial(_run, content, compiler, level, net) for level in LEVELS
    }
    return Exported(".c", content, runtimes)


def _source(net: Net) -> str:
    inputs, classes = net.layers[0].kernel.shape[0], net.layers[-1].kernel.shape[1]
    known = net.logits(_bytes_of(net, (FACTOR * np.arange(inputs, dtype="uint8"))[None]))[0]
    sizes = " - ".join(str(n) for n in (inputs, *(len(layer.bias) for layer in net.layers)))
    kind = "bytes" if net.inputs == "pixels" else f"bits, 1 where a byte is {HALF_BYTE} or more"
    head = c_source.HEAD.format(
        version=brnn.__version__,
        summary=f"Dense layers {sizes}, of {kind}.",
        inputs=inputs,
        classes=classes,
    )
    main = c_source.MAIN.format(
        inputs=inputs, classes=classes, factor=FACTOR, known=",\n        ".join(map(real, known))
    )
    helpers = dict.fromkeys(_helper(layer, i) for i, layer in enumerate(net.layers))
    layers = [_tables(layer, number) for number, layer in enumerate(net.layers)]
    return "".join([head, *helpers, *layers, _logits(net), main])


def _bytes_of(net: Net, x: np.ndarray) -> np.ndarray:
    """Return bytes as inputs of the net's kind."""
    return x / 255 if net.cut == HALF else x


def _helper(layer: Layer, number: int) -> str:
    if number:
        return c_source.SIGNS_TERNARY if layer.ternary else c_source.SIGNS
    return c_source.PLANES_TERNARY if layer.ternary else c_source.PLANES


def _tables(layer: Layer, number: int) -> str:
    """Return the constants of a layer: its codes unit by unit, and thresholds or real numbers."""
    columns = layer.kernel.T
    planes = [columns == 1, columns == -1] if layer.ternary else [columns == 1]
    words = np.stack([words_of(plane) for plane in planes], axis=1)  # (m, planes, words)
    result = f"\n/* {layer.name} */\n"
    result += table("word", f"codes_{number}", [f"{word:#018x}" for word in words.ravel()], 4)
    if layer.threshold is not None:
        return result + table("int32_t", f"threshold_{number}", map(str, layer.threshold), 8)
    for key in ("bias", "multiplier", "shift"):
        result += table("float", key, map(real, getattr(layer, key)), 4)
    return result


def _logits(net: Net) -> str:
    """Return the function that computes the logits."""
    inputs = net.layers[0].kernel.shape[0]
    planes = BYTE if net.inputs == "pixels" else 1
    words = -(-inputs // WORD)
    value = "input[i]" if planes == BYTE else f"(input[i] >= {HALF_BYTE})"
    total = "" if net.layers[0].ternary else f"        total += {value};\n"
    declared = "" if net.layers[0].ternary else "    int32_t total = 0;\n"
    text = f"""
void brnn_logits(const uint8_t *input, float *logits)
{{
    word x_0[{planes * words}] = {{0}};
{_units(net)}{declared}    for (size_t i = 0; i < {inputs}; ++i) {{
{total}        for (int bit = 0; bit < {planes}; ++bit)
            x_0[(size_t)bit * {words} + i / {WORD}] |= (word)({value} >> bit & 1) << i % {WORD};
    }}
"""
    return text + "".join(_loop(net, number, planes) for number in range(len(net.layers))) + "}\n"


def _units(net: Net) -> str:
    """Return the declarations of the hidden units, a bit each."""
    sizes = [-(-len(layer.bias) // WORD) for layer in net.layers[:-1]]
    return "".join(f"    word x_{i}[{size}] = {{0}};\n" for i, size in enumerate(sizes, 1))


def _loop(net: Net, number: int, planes: int) -> str:
    """Return the loop over the units of a layer."""
    layer = net.layers[number]
    inputs, units = layer.kernel.shape
    words = -(-inputs // WORD)
    kind = "ternary" if layer.ternary else "binary"
    stride = words * (2 if layer.ternary else 1)
    arguments = f"x_{number}, codes_{number} + {stride} * j, {words}"
    if number:
        call = f"signs_{kind}({arguments}{'' if layer.ternary else f', {inputs}'})"
    else:
        call = f"planes_{kind}({arguments}, {planes}{'' if layer.ternary else ', total'})"
    if layer.threshold is not None:
        sets = f"if ({call} >= threshold_{number}[j])\n            "
        sets += f"x_{number + 1}[j / {WORD}] |= (word)1 << j % {WORD};"
    else:  # one operation a statement, so that no compiler fuses two
        sets = f"float value = (float)({float(layer.scale).hex()} * {call});\n"
        sets += "        value += bias[j];\n        value *= multiplier[j];\n"
        sets += "        value += shift[j];\n        logits[j] = value;"
    return f"    for (size_t j = 0; j < {units}; ++j) {{\n        {sets}\n    }}\n"


def _compiler() -> str:
    """Return the C compiler of this machine.

    Raises:
        ConfigError: there is none.
    """
    names = (os.environ["CC"],) if os.environ.get("CC") else COMPILERS
    found = next((name for name in names if shutil.which(name)), None)
    if found is None:
        raise ConfigError(
            "format=c is compiled and compared with the net, but there is no C compiler"
            f" {' or '.join(names)}; CC names another"
        )
    return found


def _run(content: bytes, compiler: str, level: str, net: Net, x: np.ndarray) -> np.ndarray:
    """Return the logits (n, classes) that the compiled file prints.

    Raises:
        ExportError: the compiler or the program fails, or the class is not that of the logits.
    """
    images = x if x.dtype == np.uint8 else np.where(x >= net.cut, 255, 0).astype("uint8")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "net.c").write_bytes(content)
        (Path(folder) / "images").write_bytes(images.tobytes())
        for command in (
            [compiler, *FLAGS, level, "net.c", "-o", "net"],
            ["./net"],
            ["./net", "images"],
        ):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                reason = (done.stderr or done.stdout).partition("\n")[0]
                raise ExportError(f"format=c: {' '.join(command)} failed: {reason}")
    printed = np.array([line.split() for line in done.stdout.splitlines()], "float64")
    logits = printed[:, 1:].astype("float32")
    if not np.array_equal(printed[:, 0], logits.argmax(axis=1)):
        raise ExportError(f"format=c: {compiler} {level}: a class is not that of the largest logit")
    return logits
