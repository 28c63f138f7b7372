"""The functions of a C99 source that add codes and inputs, by counting bits."""

SIGNS = """
/* The sums of codes -1, +1 and inputs -1, +1, each a bit that is 1 for +1. */
static void signs_binary(const word *x, const word *codes, size_t words, size_t units,
                         int32_t inputs, int32_t *sums)
{
    for (size_t j = 0; j < units; j += LANES) {
        word different[LANES] = {0};
        for (size_t i = 0; i < words; ++i, codes += LANES)
            LANEWISE
            for (size_t k = 0; k < LANES; ++k)
                different[k] += ones(x[i] ^ codes[k]);
        LANEWISE
        for (size_t k = 0; k < LANES; ++k)
            sums[j + k] = inputs - 2 * (int32_t)different[k];
    }
}
"""
SIGNS_MASKED = """
/* The same of the inputs that a mask uses. */
static void signs_binary_masked(const word *x, const word *used, const word *codes, size_t words,
                                size_t units, int32_t *sums)
{
    word inputs = 0;
    for (size_t i = 0; i < words; ++i)
        inputs += ones(used[i]);
    for (size_t j = 0; j < units; j += LANES) {
        word different[LANES] = {0};
        for (size_t i = 0; i < words; ++i, codes += LANES)
            LANEWISE
            for (size_t k = 0; k < LANES; ++k)
                different[k] += ones((x[i] ^ codes[k]) & used[i]);
        LANEWISE
        for (size_t k = 0; k < LANES; ++k)
            sums[j + k] = (int32_t)inputs - 2 * (int32_t)different[k];
    }
}
"""
SIGNS_TERNARY = """
/* The sums of codes -1, 0, +1 and inputs -1, +1: bits of the codes +1, then of -1. */
static void signs_ternary(const word *x, const word *codes, size_t words, size_t units,
                          int32_t *sums)
{
    for (size_t j = 0; j < units; j += LANES) {
        word inputs[LANES] = {0}, different[LANES] = {0};
        for (size_t i = 0; i < words; ++i, codes += 2 * LANES)
            LANEWISE
            for (size_t k = 0; k < LANES; ++k) {
                word used = codes[k] | codes[LANES + k];
                inputs[k] += ones(used);
                different[k] += ones((x[i] ^ codes[k]) & used);
            }
        LANEWISE
        for (size_t k = 0; k < LANES; ++k)
            sums[j + k] = (int32_t)inputs[k] - 2 * (int32_t)different[k];
    }
}
"""
SIGNS_TERNARY_MASKED = """
/* The same of the inputs that a mask uses. */
static void signs_ternary_masked(const word *x, const word *used, const word *codes, size_t words,
                                 size_t units, int32_t *sums)
{
    for (size_t j = 0; j < units; j += LANES) {
        word inputs[LANES] = {0}, different[LANES] = {0};
        for (size_t i = 0; i < words; ++i, codes += 2 * LANES)
            LANEWISE
            for (size_t k = 0; k < LANES; ++k) {
                word both = (codes[k] | codes[LANES + k]) & used[i];
                inputs[k] += ones(both);
                different[k] += ones((x[i] ^ codes[k]) & both);
            }
        LANEWISE
        for (size_t k = 0; k < LANES; ++k)
            sums[j + k] = (int32_t)inputs[k] - 2 * (int32_t)different[k];
    }
}
"""
PLANES = """
/* The sums of codes -1, +1 and inputs by planes, each worth `base` times the one before. */
static void planes_binary(const word *x, const word *codes, size_t words, size_t units,
                          size_t planes, word base, int32_t *sums)
{
    word total = 0;
    for (size_t plane = planes; plane-- > 0;) {
        total *= base;
        for (size_t i = 0; i < words; ++i)
            total += ones(x[plane * words + i]);
    }
    for (size_t j = 0; j < units; j += LANES, codes += words * LANES) {
        word sum[LANES] = {0};
        for (size_t plane = planes; plane-- > 0;) {
            LANEWISE
            for (size_t k = 0; k < LANES; ++k)
                sum[k] *= base;
            for (size_t i = 0; i < words; ++i)
                LANEWISE
                for (size_t k = 0; k < LANES; ++k)
                    sum[k] += ones(x[plane * words + i] & codes[i * LANES + k]);
        }
        LANEWISE
        for (size_t k = 0; k < LANES; ++k)
            sums[j + k] = 2 * (int32_t)sum[k] - (int32_t)total;
    }
}
"""
PLANES_TERNARY = """
/* The sums of codes -1, 0, +1 and inputs by planes, each worth `base` times the one before. */
static void planes_ternary(const word *x, const word *codes, size_t words, size_t units,
                           size_t planes, word base, int32_t *sums)
{
    for (size_t j = 0; j < units; j += LANES, codes += 2 * words * LANES) {
        word added[LANES] = {0}, taken[LANES] = {0};
        for (size_t plane = planes; plane-- > 0;) {
            LANEWISE
            for (size_t k = 0; k < LANES; ++k) {
                added[k] *= base;
                taken[k] *= base;
            }
            for (size_t i = 0; i < words; ++i)
                LANEWISE
                for (size_t k = 0; k < LANES; ++k) {
                    added[k] += ones(x[plane * words + i] & codes[2 * i * LANES + k]);
                    taken[k] += ones(x[plane * words + i] & codes[(2 * i + 1) * LANES + k]);
                }
        }
        LANEWISE
        for (size_t k = 0; k < LANES; ++k)
            sums[j + k] = (int32_t)added[k] - (int32_t)taken[k];
    }
}
"""
