"""How LiteRT's quantizer packs a file, and how LiteRT runs it."""

import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_quantizer import qtyping
from ai_edge_quantizer.quantizer import Quantizer

from brnn.exchange import speed
from brnn.exchange.nodes import to_pixels
from brnn.terminal import stderr

FLOAT_BITS, BITS = 4, 2  # 2 are not to be had where weights are brought to float32


def quantized(content: bytes, first: str) -> bytes:
    """Return a float32 file with its kernels packed.

    Args:
        content: the file.
        first: name of the first layer. A dense one, and convolutions, add in float32; the others
            add codes.
    """
    quantizer = Quantizer(content)
    dense = qtyping.TFLOperationName.FULLY_CONNECTED
    for operation, layers, bits, precision in (
        (dense, ".*", BITS, qtyping.ComputePrecision.INTEGER),
        (dense, rf"(.*/)?{re.escape(first)}(_\d+)?/.*", FLOAT_BITS, qtyping.ComputePrecision.FLOAT),
        (
            qtyping.TFLOperationName.CONV_2D,
            ".*",
            FLOAT_BITS,
            qtyping.ComputePrecision.FLOAT,
        ),
    ):
        weights = qtyping.TensorQuantizationConfig(
            num_bits=bits,
            symmetric=True,
            granularity=qtyping.QuantGranularity.TENSORWISE,
            dtype=qtyping.TensorDataType.INT,
        )
        config = qtyping.OpQuantizationConfig(
            weight_tensor_config=weights,
            compute_precision=precision,
            explicit_dequantize=precision is qtyping.ComputePrecision.FLOAT,
        )
        quantizer.update_quantization_recipe(layers, operation, config)
    with redirect_stdout(io.StringIO()):  # it prints the sizes of the file
        return bytes(quantizer.quantize().quantized_model)


def run(content: bytes, delegates: bool, rows: int | None, x: np.ndarray) -> np.ndarray:
    """Return the logits (n, classes) of inputs (n, *shape), all at once or row by row.

    Args:
        content: of the file.
        delegates: whether LiteRT may hand parts to XNNPACK, as it does by default.
        rows: computed at once: 1, or None for all.
        x: inputs as the data set holds them.
    """
    x, rows = to_pixels(x), rows or len(x)
    compute = _computation(content, delegates, x[:rows].shape)
    return np.concatenate([compute(x[start : start + rows]) for start in range(0, len(x), rows)])


def seconds(content: bytes, x: np.ndarray) -> float:
    """Return the CPU seconds that LiteRT takes for some inputs on one core."""
    x = to_pixels(x)
    compute = _computation(content, True, x.shape)
    return speed.seconds(lambda: compute(x))


def _computation(
    content: bytes, delegates: bool, shape: tuple[int, ...]
) -> Callable[[np.ndarray], np.ndarray]:
    """Return the computation of inputs of one shape, on one core."""
    resolver = (
        OpResolverType.AUTO if delegates else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    with stderr.quiet():
        interpreter = Interpreter(
            model_content=content, experimental_op_resolver_type=resolver, num_threads=1
        )
        source, target = (
            details()[0]["index"]
            for details in (interpreter.get_input_details, interpreter.get_output_details)
        )
        interpreter.resize_tensor_input(source, shape)
        interpreter.allocate_tensors()

    def compute(x: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(source, x)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return compute
