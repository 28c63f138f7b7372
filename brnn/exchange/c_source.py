"""The parts of a C99 source that do not depend on the net, and its numbers as text."""

from collections.abc import Iterable

import numpy as np

WORD = 64  # bits
LANES = 8  # units whose sums are computed together
HEADER = """\
/* A net written by brnn {version}. {summary} */
#ifndef BRNN_NET_H
#define BRNN_NET_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

enum {{ BRNN_INPUTS = {inputs}, BRNN_CLASSES = {classes} }};

/* The class of an input of BRNN_INPUTS bytes. */
int brnn_classify(const uint8_t *input);

/* Writes its BRNN_CLASSES logits. */
void brnn_logits(const uint8_t *input, float *logits);

#ifdef __cplusplus
}}
#endif
#endif
"""
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

enum {{ LANES = 8 }}; /* units whose codes lie side by side, for compilers to count at once */

/* Where a vector holds the counts of all lanes, GCC uses it only if their loop is not unrolled. */
#if defined(__GNUC__) && !defined(__clang__) && defined(__AVX512VPOPCNTDQ__)
#define LANEWISE _Pragma("GCC unroll 1")
#else
#define LANEWISE
#endif

int brnn_classify(const uint8_t *input);
void brnn_logits(const uint8_t *input, float *logits);

static word ones(word x)
{{
#if defined(__GNUC__)
    return (word)__builtin_popcountll(x);
#else
    x = x - ((x >> 1) & 0x5555555555555555u);
    x = (x & 0x3333333333333333u) + ((x >> 2) & 0x3333333333333333u);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (x * 0x0101010101010101u) >> 56;
#endif
}}
"""
BYTES = """
/* The planes of the bits of bytes, the lowest first, eight bytes at once. */
static void bits_of(const uint8_t *input, size_t count, size_t words, word *planes)
{
    for (size_t i = 0; i < count; i += 8) {
        word bytes = 0;
        for (size_t k = 0; k < 8 && i + k < count; ++k)
            bytes |= (word)input[i + k] << 8 * k;
        for (size_t bit = 0; bit < 8; ++bit)
            planes[bit * words + i / 64] |=
                ((bytes >> bit & 0x0101010101010101u) * 0x0102040810204080u >> 56) << i % 64;
    }
}
"""
LEVELS = """
/* A plane of the bytes that reach a level. */
static void reached(const uint8_t *input, size_t count, uint8_t level, word *plane)
{
    for (size_t i = 0; i < count; ++i)
        plane[i / 64] |= (word)(input[i] >= level) << i % 64;
}
"""
THRESHOLDS = """
/* Sets the bits of the units whose sums reach their thresholds. */
static void set_bits(const int32_t *sums, const int32_t *threshold, size_t units, word *bits)
{
    for (size_t j = 0; j < units; j += LANES) {
        word reached = 0;
        for (size_t k = 0; k < LANES; ++k)
            reached |= (word)(sums[j + k] >= threshold[j + k]) << k;
        bits[j / 64] |= reached << j % 64;
    }
}
"""
COPY = """
/* Copies bits to where `to` still has zeros. */
static void copy_bits(word *to, size_t at, const word *from, size_t start, size_t count)
{
    while (count > 0) {
        size_t place = at % 64, shift = start % 64;
        size_t room = 64 - (place > shift ? place : shift);
        size_t part = count < room ? count : room;
        word bits = from[start / 64] >> shift & ~(word)0 >> (64 - part);
        to[at / 64] |= bits << place;
        at += part;
        start += part;
        count -= part;
    }
}
"""
WINDOW = """
/* A map of height by width by depth. */
struct map {
    const word *bits; /* NULL: all are 1 */
    int height, width, depth;
};

static const word all_ones = ~(word)0;

static void fill(word *to, int at, int count, int bit)
{
    for (int part; bit && count > 0; at += part, count -= part) {
        part = count < 64 ? count : 64;
        copy_bits(to, (size_t)at, &all_ones, 0, (size_t)part);
    }
}

/* Copies a window of rows by columns whose first element is at (y, x); beside the map all bits are
   `outside`. */
static void window(word *to, struct map map, int y, int x, int rows, int columns, int outside)
{
    int before = x < 0 ? -x : 0;
    int after = x + columns > map.width ? x + columns - map.width : 0;
    int length = (columns - before - after) * map.depth;
    for (int row = 0; row < rows; ++row) {
        int at = row * columns * map.depth;
        if (y + row < 0 || y + row >= map.height) {
            fill(to, at, columns * map.depth, outside);
            continue;
        }
        fill(to, at, before * map.depth, outside);
        at += before * map.depth;
        if (map.bits == NULL)
            fill(to, at, length, 1);
        else
            copy_bits(to, (size_t)at, map.bits,
                      (size_t)(((y + row) * map.width + x + before) * map.depth), (size_t)length);
        fill(to, at + length, after * map.depth, outside);
    }
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
    size_t read;
    int failed;
    FILE *file;
    if (count < 2)
        return test();
    file = fopen(words[1], "rb");
    if (file == NULL) {{
        perror(words[1]);
        return 2;
    }}
    while ((read = fread(input, 1, sizeof input, file)) == sizeof input) {{
        brnn_logits(input, logits);
        printf("%d", largest(logits));
        for (int i = 0; i < {classes}; ++i)
            printf(" %.9g", logits[i]);
        putchar('\\n');
    }}
    failed = ferror(file);
    fclose(file);
    if (failed)
        fprintf(stderr, "%s cannot be read\\n", words[1]);
    else if (read > 0)
        fprintf(stderr, "%s ends within an image of {inputs} bytes\\n", words[1]);
    return failed || read > 0 ? 2 : 0;
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
