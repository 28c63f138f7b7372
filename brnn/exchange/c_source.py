"""The parts of a C99 source that do not depend on the net, and its numbers as text."""

from collections.abc import Iterable

import numpy as np

WORD = 64  # bits
HEAD = """\
/* A net written by brnn {version}: C99, no dependencies, no heap, no state.

   {summary}

   int brnn_classify(const uint8_t input[{inputs}]);
   void brnn_logits(const uint8_t input[{inputs}], float logits[{classes}]);

   Compile: cc -std=c99 -O3 -march=native net.c -o net
   ./net images   one line per image of {inputs} bytes: its class and its logits
   ./net          compute one input whose logits are known; the exit code is 0 if they are equal
   With -DBRNN_NO_MAIN the file has the two functions alone. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef uint64_t word;

int brnn_classify(const uint8_t *input);
void brnn_logits(const uint8_t *input, float *logits);

static int32_t ones(word x)
{{
#if defined(__GNUC__)
    return __builtin_popcountll(x);
#else
    x = x - ((x >> 1) & 0x5555555555555555u);
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (int32_t)((x * 0x0101010101010101u) >> 56);
#endif
}}
"""
SIGNS = """
/* The sum of codes -1, +1 and inputs -1, +1, each a bit that is 1 for +1. */
static int32_t signs_binary(const word *x, const word *codes, size_t words, int32_t inputs)
{
    int32_t different = 0;
    for (size_t i = 0; i < words; ++i)
        different += ones(x[i] ^ codes[i]);
    return inputs - 2 * different;
}
"""
SIGNS_TERNARY = """
/* The sum of codes -1, 0, +1 and inputs -1, +1: planes of the codes +1, then -1. */
static int32_t signs_ternary(const word *x, const word *codes, size_t words)
{
    int32_t sum = 0;
    for (size_t i = 0; i < words; ++i) {
        word used = codes[i] | codes[words + i];
        sum += ones(used) - 2 * ones((x[i] ^ codes[i]) & used);
    }
    return sum;
}
"""
PLANES = """
/* The sum of codes -1, +1 and inputs by planes of their bits, the lowest first. */
static int32_t planes_binary(const word *x, const word *codes, size_t words, int planes,
                             int32_t total)
{
    int32_t sum = 0;
    for (int bit = 0; bit < planes; ++bit)
        for (size_t i = 0; i < words; ++i)
            sum += ones(x[(size_t)bit * words + i] & codes[i]) * (1 << bit);
    return 2 * sum - total;
}
"""
PLANES_TERNARY = """
/* The sum of codes -1, 0, +1 and inputs by planes of their bits, the lowest first. */
static int32_t planes_ternary(const word *x, const word *codes, size_t words, int planes)
{
    int32_t sum = 0;
    for (int bit = 0; bit < planes; ++bit)
        for (size_t i = 0; i < words; ++i) {
            word plane = x[(size_t)bit * words + i];
            sum += (ones(plane & codes[i]) - ones(plane & codes[words + i])) * (1 << bit);
        }
    return sum;
}
"""
MAIN = """
static int largest(const float *logits)
{{
    int best = 0;
    for (int i = 1; i < {classes}; ++i)
        if (logits[i] > logits[best])
            best = i;
    return best;
}}

int brnn_classify(const uint8_t *input)
{{
    float logits[{classes}];
    brnn_logits(input, logits);
    return largest(logits);
}}

#ifndef BRNN_NO_MAIN
static int test(void)
{{
    static const float known[{classes}] = {{
        {known}}};
    uint8_t input[{inputs}];
    float logits[{classes}];
    int wrong = 0;
    for (size_t i = 0; i < {inputs}; ++i)
        input[i] = (uint8_t)({factor} * i);
    brnn_logits(input, logits);
    for (int i = 0; i < {classes}; ++i)
        wrong += logits[i] != known[i];
    printf("%d of {classes} logits of the known input differ\\n", wrong);
    return wrong != 0;
}}

int main(int count, char **words)
{{
    uint8_t input[{inputs}];
    float logits[{classes}];
    FILE *file;
    if (count < 2)
        return test();
    file = fopen(words[1], "rb");
    if (file == NULL) {{
        perror(words[1]);
        return 2;
    }}
    while (fread(input, 1, sizeof input, file) == sizeof input) {{
        brnn_logits(input, logits);
        printf("%d", largest(logits));
        for (int i = 0; i < {classes}; ++i)
            printf(" %.9g", logits[i]);
        putchar('\\n');
    }}
    fclose(file);
    return 0;
}}
#endif
"""


def words_of(bits: np.ndarray) -> np.ndarray:
    """Return bits (…, n) as 64-bit words (…, ceil(n / 64)), the first bit the lowest."""
    n = bits.shape[-1]
    padded = np.zeros((*bits.shape[:-1], -(-n // WORD) * WORD), bool)
    padded[..., :n] = bits
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8")


def table(kind: str, name: str, values: Iterable[str], width: int) -> str:
    """Return the definition of a constant array, `width` values to a line."""
    items = list(values)
    lines = [", ".join(items[i : i + width]) for i in range(0, len(items), width)]
    body = ",\n    ".join(lines)
    return f"static const {kind} {name}[{len(items)}] = {{\n    {body}}};\n"


def real(value: float) -> str:
    """Return a float32 as an exact hexadecimal constant of C99."""
    return f"{float(value).hex()}f"
