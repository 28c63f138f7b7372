"""The layers of a net as C99: tables of their codes, and functions from bits to bits.

A map is a string of bits for each of its planes, in the order of its elements. Bytes have a plane
for each of their bits; levels have one for each level but the lowest, with 1 where that level is
reached. So max-pooling is OR, and AND for falling units.
"""

from dataclasses import dataclass, replace

import numpy as np

from brnn.errors import ConfigError
from brnn.exchange import c_source, c_sums
from brnn.exchange.c_source import LANES, WORD, real, table, words_of
from brnn.exchange.net import BYTE, SIGN, Layer, Net

NEVER = 2**31 - 1  # a threshold of units that only fill the last lanes
HELPERS = {  # of sums: by codes and inputs
    "signs_binary": c_sums.SIGNS,
    "signs_binary_masked": c_sums.SIGNS_MASKED,
    "signs_ternary": c_sums.SIGNS_TERNARY,
    "signs_ternary_masked": c_sums.SIGNS_TERNARY_MASKED,
    "planes_binary": c_sums.PLANES,
    "planes_ternary": c_sums.PLANES_TERNARY,
}


@dataclass(frozen=True)
class Stage:
    """A layer and what it reads.

    Attributes:
        number: of the layer.
        layer: the layer.
        shape: of the map that it reads.
        values: of the levels that it reads; none where it reads bytes.
        outputs: shape of the map that it writes.
        codes: name of the table of its codes.
    """

    number: int
    layer: Layer
    shape: tuple[int, ...]
    values: tuple[int, ...]
    outputs: tuple[int, ...]
    codes: str

    @property
    def planes(self) -> int:
        """Number of planes of the map that it reads."""
        return len(self.values) - 1 if self.values else BYTE

    @property
    def words(self) -> int:
        """Words of a plane of the map that it reads."""
        return words(int(np.prod(self.shape)))

    @property
    def patch(self) -> int:
        """Words of a plane of the inputs of one sum."""
        return words(self.layer.products)

    @property
    def lanes(self) -> int:
        """Number of units, rounded up to full lanes."""
        return -(-self.layer.units // LANES) * LANES

    @property
    def masked(self) -> bool:
        """Whether pads are 0, which is no level of its inputs."""
        window = self.layer.window
        return window.padded and window.pad_value == 0 and self.values == SIGN.values

    @property
    def sums(self) -> str:
        """The name of the function of its sums."""
        kind = "ternary" if self.layer.ternary else "binary"
        inputs = "signs" if self.values == SIGN.values else "planes"
        return f"{inputs}_{kind}{'_masked' if self.masked else ''}"

    @property
    def state(self) -> "Stage | None":
        """The product of a recurrent layer with its own states."""
        if self.layer.recurrence is None:
            return None
        layer = replace(self.layer, kernel=self.layer.recurrence.kernel, recurrence=None)
        shape = (layer.units,)
        return Stage(self.number, layer, shape, layer.values, shape, f"state_{self.codes}")

    @property
    def step(self) -> tuple[int, int]:
        """The lowest value of its inputs, and the distance to the next."""
        if not self.values or self.values == SIGN.values:
            return 0, 1  # which its sums are already
        return self.values[0], self.values[1] - self.values[0]


def words(bits: int) -> int:
    """Return the number of words that hold some bits."""
    return -(-bits // WORD)


def stages(net: Net) -> list[Stage]:
    """Return the layers of a net with what they read.

    Raises:
        ConfigError: pads have a value that is no level of the inputs.
    """
    values = net.steps.values if net.steps else ()
    result = []
    for number, layer in enumerate(net.layers):
        shapes, codes = net.maps[number : number + 2], f"codes_{number}"
        stage = Stage(number, layer, shapes[0], values, shapes[1], codes)
        window = layer.window
        if window.padded and not stage.masked and window.pad_value not in (values or range(256)):
            raise ConfigError(
                f"format=c holds pads that are levels of the inputs, or 0 beside -1 and +1, but"
                f" {layer.name} is padded with {window.pad_value:g}; formats that hold it: levels,"
                " onnx"
            )
        result.append(stage)
        values = layer.values
    return result


def helpers(all_stages: list[Stage]) -> list[str]:
    """Return the functions that some stages call."""
    first = c_source.LEVELS if all_stages[0].values else c_source.BYTES
    convolved = any(stage.layer.convolves for stage in all_stages)
    products = [part for stage in all_stages for part in (stage, stage.state) if part]
    copied = convolved or len(products) > len(all_stages)
    hidden = len(all_stages) > 1
    return [
        first,
        *dict.fromkeys(HELPERS[part.sums] for part in products),
        *([c_source.THRESHOLDS] if hidden else []),
        *([c_source.COPY] if copied else []),
        *([c_source.WINDOW] if convolved else []),
    ]


def tables(stage: Stage) -> str:
    """Return the constants of a layer: codes, and thresholds or real numbers."""
    layer, number = stage.layer, stage.number
    result = f"\n/* {layer.name} */\n"
    for part in (stage, stage.state):
        if part:
            codes = [f"{word:#018x}" for word in _codes(part).ravel()]
            result += table("word", part.codes, codes, 4)
    if layer.threshold is None:
        for key in ("bias", "multiplier", "shift"):
            result += table("float", key, map(real, getattr(layer, key)), 4)
        result += table("double", "scale", [float(value).hex() for value in layer.scale], 4)
        return result + table("int32_t", "offset", map(str, _offset(stage)), 8)
    result += table("int32_t", f"threshold_{number}", map(str, _thresholds(stage).ravel()), 8)
    if _falls(layer):
        falling = [f"{word:#018x}" for word in words_of(layer.falling)]
        result += table("word", f"falling_{number}", falling, 4)
    return result


def _codes(stage: Stage) -> np.ndarray:
    """Return the codes of a layer (blocks, words, planes, lanes)."""
    columns = np.zeros((stage.lanes, stage.layer.products), "int8")
    columns[: stage.layer.units] = stage.layer.rising.reshape(-1, stage.layer.units).T
    planes = [columns == 1, columns == -1] if stage.layer.ternary else [columns == 1]
    packed = words_of(np.stack(planes)).reshape(len(planes), -1, LANES, stage.patch)
    return packed.transpose(1, 3, 0, 2)


def _thresholds(stage: Stage) -> np.ndarray:
    """Return thresholds (j, lanes) on the sums that the functions of sums give."""
    threshold, recurrence = np.asarray(stage.layer.threshold), stage.layer.recurrence
    if recurrence and stage.state:
        threshold = threshold - recurrence.of_inputs * _offset(stage)
        threshold -= recurrence.of_states * _offset(stage.state)
    else:
        threshold = -((_offset(stage) - threshold) // stage.step[1])
    result = np.full((len(threshold), stage.lanes), NEVER)
    result[:, : stage.layer.units] = threshold
    return result


def _offset(stage: Stage) -> np.ndarray:
    """Return the sums (units,) of inputs that all have the lowest value."""
    codes = stage.layer.rising.reshape(-1, stage.layer.units)
    return stage.step[0] * codes.sum(axis=0, dtype="int64")


def _falls(layer: Layer) -> bool:
    return layer.window.pool > 1 and bool(layer.falling.any())


def call(stage: Stage, x: str, sums: str = "sums") -> str:
    """Return the call that computes the sums of inputs `x`."""
    words_units = f"{stage.codes}, {stage.patch}, {stage.lanes}"
    if stage.masked:
        return f"{stage.sums}({x}, used, {words_units}, {sums})"
    if stage.sums == "signs_binary":
        return f"{stage.sums}({x}, {words_units}, {stage.layer.products}, {sums})"
    if stage.sums == "signs_ternary":
        return f"{stage.sums}({x}, {words_units}, {sums})"
    base = 1 if stage.values else 2
    return f"{stage.sums}({x}, {words_units}, {stage.planes}, {base}, {sums})"


def function(stage: Stage) -> str:
    """Return the function of a hidden layer."""
    head = f"\nstatic void layer_{stage.number}(const word *x, word *out)\n{{\n"
    body = _convolution(stage) if stage.layer.convolves else _dense(stage)
    return f"{head}    int32_t sums[{stage.lanes}];\n{body}}}\n"


def _dense(stage: Stage) -> str:
    text = f"    {call(stage, 'x')};\n"
    size = words(stage.layer.units)
    for level in range(len(np.asarray(stage.layer.threshold))):
        text += f"    {set_bits(stage, level)} out + {level * size});\n"
    return text


def set_bits(stage: Stage, level: int) -> str:
    """Return the beginning of the call that sets the bits of a level."""
    threshold = f"threshold_{stage.number} + {level * stage.lanes}"
    return f"set_bits(sums, {threshold}, {stage.lanes},"


def _convolution(stage: Stage) -> str:
    """Return the loop over the windows of pooling, and in each over those of the convolution."""
    layer, window = stage.layer, stage.layer.window
    height, width, _ = stage.outputs
    levels, size = len(np.asarray(layer.threshold)), words(layer.units)
    falls = _falls(layer)
    target = "bits" if falls else "pooled"
    set_all = "".join(
        f"            {set_bits(stage, level)} {target} + {level * size});\n"
        for level in range(levels)
    )
    flip = f"falling_{stage.number}[i % {size}]"
    loop = f"for (size_t i = 0; i < {levels * size}; ++i)"
    if falls:
        set_all = f"            word bits[{levels * size}] = {{0}};\n{set_all}"
        set_all += f"            {loop}\n                pooled[i] |= bits[i] ^ {flip};\n"
    unflip = f"        {loop}\n            pooled[i] ^= {flip};\n" if falls else ""
    out_words = words(int(np.prod(stage.outputs)))
    copies = "".join(
        f"        copy_bits(out + {level * out_words}, (size_t)place * {layer.units},"
        f" pooled + {level * size}, 0, {layer.units});\n"
        for level in range(levels)
    )
    pool = window.pool
    return f"""    for (int place = 0; place < {height * width}; ++place) {{
        word pooled[{levels * size}] = {{0}};
        for (int tap = 0; tap < {pool * pool}; ++tap) {{
            int row = place / {width} * {pool} + tap / {pool};
            int column = place % {width} * {pool} + tap % {pool};
{_gathered(stage)}            {call(stage, "patch")};
{set_all}        }}
{unflip}{copies}    }}
"""


def _gathered(stage: Stage) -> str:
    """Return the declaration of the inputs of one sum of each unit, and how they are gathered."""
    layer, window = stage.layer, stage.layer.window
    rows, columns = layer.kernel.shape[:2]
    height, width, depth = stage.shape
    (top, _), (left, _) = window.pads
    down, right = window.strides
    at = f"row * {down} - {top}, column * {right} - {left}, {rows}, {columns}"
    text = f"            word patch[{stage.planes * stage.patch}] = {{0}};\n"
    if stage.masked:
        text += f"            word used[{stage.patch}] = {{0}};\n"
        ones = f"(struct map){{NULL, {height}, {width}, {depth}}}"
        text += f"            window(used, {ones}, {at}, 0);\n"
    for plane in range(stage.planes):
        source = f"(struct map){{x + {plane * stage.words}, {height}, {width}, {depth}}}"
        target = f"patch + {plane * stage.patch}"
        text += f"            window({target}, {source},\n                   {at},"
        text += f" {_outside(stage, plane)});\n"
    return text


def _outside(stage: Stage, plane: int) -> int:
    """Return the bit of a plane that pads have."""
    value = int(stage.layer.window.pad_value)
    if not stage.values:
        return value >> plane & 1
    return int(value >= stage.values[plane + 1])
