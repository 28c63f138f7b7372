"""The format `c`: one C99 file that needs nothing else, and a header that declares it."""

import numpy as np

import brnn
from brnn.exchange import c_runtime, c_source
from brnn.exchange.c_layers import Stage, call, function, helpers, stages, tables
from brnn.exchange.c_source import real
from brnn.exchange.c_states import recurrent
from brnn.exchange.exported import Exported
from brnn.exchange.limits import check_whole
from brnn.exchange.net import Net

OPTIMIZATIONS = ("-O0", "-O3")  # each compared with the net
FACTOR = 37  # input i of the known input is the last byte of 37 i
HALF, HALF_BYTE = 0.5, 128  # where real inputs, and bytes, are rounded to 1


def c(net: Net) -> Exported:
    """Write one C99 file without dependencies: a bit for each weight, two where some are 0.

    A sum is a count of equal bits; bytes and levels are added by planes of bits, and pooling is OR
    or AND. `brnn_classify` and `brnn_logits` take bytes; a `main` classifies a file of images, and
    checks a known input.
    """
    check_whole(net, "c", "levels, onnx")
    content = _source(net).encode()
    compiler = c_runtime.compiler()

    def bytes_of(x: np.ndarray) -> np.ndarray:
        return x if x.dtype == np.uint8 else np.where(x >= HALF, 255, 0).astype("uint8")

    runtimes = {
        f"{compiler} {level}": lambda x, level=level: c_runtime.run(
            content, compiler, level, bytes_of(x)
        )
        for level in OPTIMIZATIONS
    }
    return Exported(
        ".c",
        content,
        runtimes,
        lambda x: c_runtime.seconds(content, compiler, net.classes, bytes_of(x)),
        {".h": c_source.HEADER.format(**_fields(net)).encode()},
    )


def _fields(net: Net) -> dict[str, str | int]:
    """Return what file and header state of a net."""
    return {
        "version": brnn.__version__,
        "summary": _summary(net),
        "inputs": int(np.prod(net.shape)),
        "classes": net.classes,
    }


def _source(net: Net) -> str:
    fields = _fields(net)
    known = net.logits(_known_input(net))[0]
    all_stages = stages(net)
    head = c_source.HEAD.format(**fields)
    constants = ",\n        ".join(map(real, known))
    main = c_source.MAIN.format(**fields, factor=FACTOR, known=constants)
    hidden = map(_function, all_stages[:-1])
    parts = [*helpers(all_stages), *map(tables, all_stages), *hidden, _logits(all_stages, net)]
    return "".join([head, *parts, main])


def _function(stage: Stage) -> str:
    if stage.state and stage.layer.recurrence:
        return recurrent(stage, stage.state, stage.layer.recurrence)
    return function(stage)


def _summary(net: Net) -> str:
    kind = "bytes" if net.steps is None else f"bytes that become {_levels(net)}"
    maps = [" by ".join(map(str, shape)) for shape in net.maps]
    return f"Maps of {', '.join(maps)}; of {kind}."


def _levels(net: Net) -> str:
    return ", ".join(map(str, net.steps.values)) if net.steps else ""


def _known_input(net: Net) -> np.ndarray:
    """Return the input (1, *shape) whose logits the file knows, as the net takes it."""
    count = int(np.prod(net.shape))
    x = (FACTOR * np.arange(count)).astype("uint8").reshape(1, *net.shape)
    return x if net.of_bytes else np.float32(1 / 255) * x


def _logits(all_stages: list[Stage], net: Net) -> str:
    """Return the function that computes the logits."""
    *hidden, last = all_stages
    maps = [f"    word x_{s.number}[{s.planes * s.words}] = {{0}};\n" for s in all_stages]
    count = int(np.prod(net.shape))
    if net.steps is None:
        reads = [f"    bits_of(input, {count}, {all_stages[0].words}, x_0);\n"]
    else:
        reads = [
            f"    reached(input, {count}, {level}, x_0 + {plane * all_stages[0].words});\n"
            for plane, level in enumerate(net.steps.at if net.of_bytes else (HALF_BYTE,))
        ]
    calls = [f"    layer_{s.number}(x_{s.number}, x_{s.number + 1});\n" for s in hidden]
    return f"""
void brnn_logits(const uint8_t *input, float *logits)
{{
{"".join(maps)}    int32_t sums[{last.lanes}];
{"".join(reads)}{"".join(calls)}    {call(last, f"x_{last.number}")};
    for (size_t j = 0; j < {net.classes}; ++j) {{
        int32_t sum = {last.step[1]} * sums[j] + offset[j];
        float value = (float)(scale[j] * sum); /* then one operation a statement: none is fused */
        value += bias[j];
        value *= multiplier[j];
        value += shift[j];
        logits[j] = value;
    }}
}}
"""
