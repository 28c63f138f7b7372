"""The format c: the compiled file gives the logits of the net, without warnings or faults."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.compilers import COMPILERS, STRICT, assert_sound, with_each_compiler
from support.exported_nets import (
    IMAGE,
    compared,
    convolutional_of,
    evaluation,
    exact_nets,
    images,
    logits_of,
    model_of,
)

from brnn.errors import ConfigError, ExportError
from brnn.exchange import c as c_format
from brnn.exchange import c_runtime
from brnn.exchange.check import reference
from brnn.exchange.levels import levels
from brnn.exchange.reading import read

pytestmark = pytest.mark.skipif(not COMPILERS, reason="there is no C compiler")
X = images(2000)


@pytest.mark.parametrize("make", **exact_nets())
def test_the_compiled_file_has_the_logits_of_the_net(make):
    found, expected = compared(make(), c_format.c)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("keys", [{"depth": 0}, {"depth": 1}, {"depth": 0, "binary_input": True}])
def test_shallow_nets(keys):
    net = read(model_of(**keys), pixels=True)
    assert np.array_equal(logits_of(c_format.c(net), X), net.logits(X))


def test_bits_of_real_inputs_are_given_as_bytes():
    x = np.random.default_rng(0).uniform(size=(500, *IMAGE)).astype("float32")
    net = read(model_of(binary_input=True), pixels=False)
    assert np.array_equal(logits_of(c_format.c(net), x), net.logits(x))


@with_each_compiler
@pytest.mark.parametrize("make", **exact_nets())
def test_it_compiles_without_warnings_and_runs_without_faults(make, compiler, tmp_path):
    net = read(make(), pixels=True)
    assert_sound(compiler, c_format.c(net).content, images(20, image=net.shape), tmp_path)


CALLER = """
#include <stdio.h>
#include "net.h"

int main(void)
{
    static uint8_t input[BRNN_INPUTS];
    float logits[BRNN_CLASSES];
    while (fread(input, sizeof input, 1, stdin) == 1) {
        brnn_logits(input, logits);
        printf("%d %.9g\\n", brnn_classify(input), (double)logits[BRNN_CLASSES - 1]);
    }
    return 0;
}
"""


@with_each_compiler
def test_another_program_calls_the_net_by_its_header(compiler, tmp_path):
    net = read(model_of(), pixels=True)
    exported, x = c_format.c(net), images(50)
    files = {"net.c": exported.content, "caller.c": CALLER.encode()}
    for name, content in (files | {"net.h": exported.beside[".h"]}).items():
        (tmp_path / name).write_bytes(content)
    command = [*compiler, *STRICT, "-DBRNN_NO_MAIN", *files, "-o", "caller"]
    subprocess.run(command, cwd=tmp_path, check=True)
    done = subprocess.run(
        ["./caller"], cwd=tmp_path, input=x.tobytes(), capture_output=True, check=True
    )
    printed = np.array([line.split() for line in done.stdout.splitlines()], "float32")
    logits = net.logits(x)
    assert np.array_equal(printed, np.stack([logits.argmax(axis=1), logits[:, -1]], axis=1))


@with_each_compiler
def test_the_portable_count_of_ones_is_that_of_the_compiler(compiler, tmp_path):
    net = read(model_of(), pixels=True)
    source = c_format.c(net).content.decode()
    (tmp_path / "net.c").write_text(source.replace("defined(__GNUC__)", "0"))
    subprocess.run([*compiler, *STRICT, "net.c", "-o", "net"], cwd=tmp_path, check=True)
    assert subprocess.run(["./net"], cwd=tmp_path, capture_output=True, check=True).stdout


@with_each_compiler
def test_a_wrong_weight_is_noticed_by_the_known_input(compiler, tmp_path):
    source = c_format.c(read(model_of(depth=0), pixels=True)).content.decode()
    head, name, tables = source.partition("codes_0[8] = {\n    0x")
    (tmp_path / "net.c").write_text(f"{head}{name}0000000000000000{tables[16:]}")
    subprocess.run([*compiler, "net.c", "-o", "net"], cwd=tmp_path, check=True)
    assert subprocess.run(["./net"], cwd=tmp_path, check=False, capture_output=True).returncode == 1


@with_each_compiler
def test_a_file_of_images_that_ends_early_or_cannot_be_read_is_named(compiler, tmp_path):
    net = read(model_of(), pixels=True)
    (tmp_path / "net.c").write_bytes(c_format.c(net).content)
    (tmp_path / "images").write_bytes(images(2).tobytes() + b"\0")
    subprocess.run([*compiler, *STRICT, "net.c", "-o", "net"], cwd=tmp_path, check=True)
    for name, lines, message in (
        ("images", 2, "images ends within an image of 30 bytes"),
        (".", 0, ". cannot be read"),
        ("none", 0, "none: No such file or directory"),
    ):
        done = subprocess.run(["./net", name], cwd=tmp_path, capture_output=True, text=True)
        assert (done.returncode, len(done.stdout.splitlines())) == (2, lines)
        assert done.stderr.strip() == message


@with_each_compiler
def test_object_code_takes_about_a_bit_for_each_weight(compiler, tmp_path):
    net = read(model_of(first_width=512, width=512), pixels=True)
    (tmp_path / "net.c").write_bytes(c_format.c(net).content)
    subprocess.run([*compiler, "-O2", "-DBRNN_NO_MAIN", "-c", "net.c"], cwd=tmp_path, check=True)
    assert (tmp_path / "net.o").stat().st_size < 4 * net.weights / 20


def test_its_speed_is_measured_by_a_program_that_runs():
    net = read(convolutional_of(), pixels=True)
    assert c_format.c(net).seconds(images(3, image=net.shape)) > 0


def test_a_missing_or_failing_compiler_is_named(monkeypatch):
    net = read(model_of(), pixels=True)
    monkeypatch.setenv("CC", "no-such-compiler")
    with pytest.raises(ConfigError, match="there is no C compiler no-such-compiler; CC names"):
        c_format.c(net)
    monkeypatch.setenv("CC", "false")
    with pytest.raises(ExportError, match=r"format=c: false .* failed"):
        logits_of(c_format.c(net), X[:2])


def test_the_reason_of_a_compiler_is_its_error_not_its_first_line():
    source = b"int main(void)\n{\n    return missing;\n}\n"  # gcc begins: In function 'main'
    with pytest.raises(ExportError, match=r"failed: net\.c:3:12: error: "):
        c_runtime.run(source, c_runtime.compiler(), "-O0", X[:1])


FULL = """
import resource, signal, sys
from support.compilers import COMPILERS, STRICT, assert_sound, with_each_compiler
from support.exported_nets import images, model_of
from brnn.exchange import c
from brnn.exchange.reading import read
exported = c.c(read(model_of(), pixels=True))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for run in (*exported.runtimes.values(), exported.seconds):
    try:
        run(images(300))
    except Exception as error:
        print(type(error).__name__, str(error).partition(" cannot ")[2])
"""


def test_a_disk_without_room_to_check_the_file_is_named():
    done = subprocess.run(
        [sys.executable, "-c", FULL], cwd=Path(__file__).parents[1], capture_output=True, text=True,
        check=False, env=os.environ | {"PYTHONPATH": os.pathsep.join(["", *sys.path])},
    )  # fmt: skip
    line = f"ExportError be written to be checked: {os.strerror(errno.EFBIG)}"
    assert done.stdout.splitlines() == [line] * (len(c_format.OPTIMIZATIONS) + 1), done.stderr


@pytest.mark.parametrize("form", [levels, c_format.c])
def test_each_unit_may_have_a_scale_of_its_own(form):
    model, rng = model_of(), np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.startswith(("hidden", "logits")):
            kernel, bias = layer.get_weights()
            layer.set_weights([kernel * rng.uniform(0.2, 2, len(bias)), bias])
    net = read(model, pixels=True)
    expected = reference(evaluation(model), net, X)
    found, decided = logits_of(form(net), X), ~expected.undecided
    assert not net.exact
    assert decided.mean() > 0.9
    np.testing.assert_allclose(found[decided], expected.logits[decided], rtol=1e-4, atol=1e-4)


def test_real_activations_are_refused():
    with pytest.raises(ConfigError, match="hidden_0 has the activation tanh; formats that hold it"):
        c_format.c(read(model_of(signs=False), pixels=True))
