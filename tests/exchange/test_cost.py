"""The products of a net, worked out by hand, and counted in the C file while it runs."""

import shutil
import subprocess

import numpy as np
import pytest
from support.exported_nets import TERNARY, convolutional_of, model_of

from brnn.exchange.c import c
from brnn.exchange.cost import products
from brnn.exchange.reading import read
from brnn.nets.task import Task

COMPILER = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
FIRST, REST = 30 * 40, 40 * 32 + 32 * 32 + 32 * 4  # weights of `model_of`
# of `convolutional_of`: kernels of 3 by 3 by 3 at the 8 by 10 places that pooling by 2 takes, 2 by
# 2 by 6 at 3 by 4 places, then 108 units, 20 and 4
CONVOLVED = 8 * 80 * 27 * 6 + 12 * 24 * 9 + 108 * 20 + 20 * 4


def counts(model, pixels=True):
    return tuple(products(read(model, pixels=pixels)).values())


@pytest.mark.parametrize(
    ("make", "keys", "expected"),
    [
        (model_of, {}, (8 * FIRST + REST, 0, 2 * 4)),
        (model_of, {"scale": 0.3}, (8 * FIRST + REST, 0, 2 * 4)),
        (model_of, {"binary_input": True}, (FIRST + REST, 0, 2 * 4)),
        (model_of, {"levels": TERNARY}, (0, 8 * FIRST + REST, 2 * 4)),
        (model_of, {"signs": False}, (8 * FIRST, 0, 2 * 40 + REST + 2 * (32 + 32 + 4))),
        (convolutional_of, {}, (CONVOLVED, 0, 2 * 4)),
    ],
)
def test_products_worked_out_by_hand(make, keys, expected):
    assert counts(make(**keys)) == expected


def test_real_inputs_and_real_weights_make_real_products():
    assert counts(model_of(), pixels=False) == (REST, 0, FIRST + 2 * (40 + 4))
    model = model_of()
    layer = model.get_layer("logits")
    layer.set_weights(
        [np.arange(weight.size).reshape(weight.shape) for weight in layer.get_weights()]
    )
    assert counts(model) == (8 * FIRST + REST - 32 * 4, 0, 32 * 4 + 2 * 4)


@pytest.mark.skipif(not COMPILER, reason="there is no C compiler")
@pytest.mark.parametrize(("levels", "counted"), [((-1.0, 1.0), 1), (TERNARY, 2)])
def test_the_c_file_counts_the_ones_of_as_many_words(levels, counted, tmp_path):
    """All sums fill words of 64 bits; codes of three levels have two planes."""
    task = Task((8, 8), 8)
    net = read(model_of(levels=levels, task=task, first_width=64, width=128, depth=2), pixels=True)
    source = c(net).content.decode().replace("static word ones(word x)\n{", COUNTING)
    (tmp_path / "net.c").write_text(source.replace("static int test(void)\n{", PRINTING))
    subprocess.run([COMPILER, "net.c", "-o", "net"], cwd=tmp_path, check=True)
    done = subprocess.run(["./net"], cwd=tmp_path, capture_output=True, text=True, check=True)
    total = 8 if counted == 1 else 0  # the ones of the bytes themselves, once
    binary, ternary, _ = products(net).values()
    assert binary + ternary == 8 * 64 * 64 + 64 * 128 + 128 * 8
    assert int(done.stdout.splitlines()[-1]) == counted * (binary + ternary) / 64 + total


COUNTING = "static long calls;\n\nstatic word ones(word x)\n{\n    ++calls;"
PRINTING = (
    "static int known_input(void);\n\nstatic int test(void)\n{\n    int wrong = known_input();\n"
    '    printf("%ld\\n", calls);\n    return wrong;\n}\n\nstatic int known_input(void)\n{'
)
