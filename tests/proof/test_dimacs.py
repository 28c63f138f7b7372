"""DIMACS with rows of binarized nets: solvable where there is a counterexample, and only there."""

import itertools
import re

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, milp
from scipy.sparse import csr_array
from support import onnx_nets

from brnn.errors import ConfigError
from brnn.proof import onnx_reader, programs
from brnn.proof.ball import Ball
from brnn.proof.integer_net import Hidden
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Property, other_class


def solution(text):
    """Values (v,) that fulfil all lines of a file, in which 0 is no variable; None without any."""
    lines = [line for line in text.splitlines() if not line.startswith("c ")]
    count, stated = map(int, re.fullmatch(r"p cnf (\d+) (\d+)", lines[0]).groups())
    assert len(lines) - 1 == stated
    rows, least = [np.zeros(count + 1)], [0]

    def demand(literals, need, output=None, strength=0):
        """Sum of literals + strength * output >= need."""
        row = np.zeros(count + 1)
        for literal in literals:
            row[abs(literal)] += 1 if literal > 0 else -1
            need -= literal < 0
        if output:
            row[output] += strength
        rows.append(row)
        least.append(need)

    for line in lines[1:]:
        words = line.split()
        if words[0] != "b":
            assert words.pop() == "0"
            demand(list(map(int, words)), 1)
            continue
        end = words.index("0")
        literals, (need, *output) = list(map(int, words[1:end])), map(int, words[end + 1 :])
        if not output:
            demand(literals, need)
            continue
        demand(literals, 0, output[0], -need)
        opposite, enough = [-literal for literal in literals], len(literals) - need + 1
        demand(opposite, enough, output[0], enough)
    found = milp(
        np.zeros(count + 1),
        integrality=np.ones(count + 1),
        bounds=(0, 1),
        constraints=LinearConstraint(csr_array(np.array(rows)), np.array(least)),
    )
    assert found.status in (0, 2)  # solved or infeasible
    return None if found.x is None else np.rint(found.x).astype("int64")


def image(text, values, low):
    """The image that a solution states, by the comments of its file."""
    result = low.copy()
    for pixel, least, first, last in re.findall(
        r"c pixel (\d+) is (\d+) plus how many of (\d+) to (\d+) are true", text
    ):
        assert low[int(pixel)] == int(least)
        result[int(pixel)] += values[int(first) : int(last) + 1].sum()
    return result


def rounding_decides(net, x):
    """Whether float32 may move a sum of an image across a threshold."""
    for layer in net.hidden:
        if isinstance(layer, Hidden):
            sums = (layer.weights @ x)[layer.windows][..., None]
            if ((sums >= layer.rise) & (sums <= layer.fall)).any():
                return True
        x = np.concatenate([x, layer.outputs(x[:, None])[:, 0]])
    return False


def hidden_normalized(rng, form):
    graph = onnx_nets.Graph()
    graph.then("MatMul", onnx_nets.signs(rng, 5, 6))
    onnx_nets.normalization(graph, rng, 6)
    onnx_nets.sign(graph, form)
    graph.then("MatMul", rng.choice([-2, -1, 0, 1], (6, 3)).astype("float32"))
    return graph.model((5,), 3)


def nets(seed=0):
    """Models, and boxes of their images."""
    rng = np.random.default_rng(seed)
    for form in ("larq", "plain", "where", "below"):
        low = rng.integers(0, 3, 5).astype("float64")
        high = low + np.array([2, 1, 0, 2, 1])
        scale = 0.5 if form == "where" else 1.0
        yield onnx_nets.dense(rng, (5, 6, 4, 3), form, scale), low, high
        yield hidden_normalized(rng, form), low, high
        yield onnx_nets.residual(rng, 5, form), low, high
    for pool, normalized in itertools.product((None, "MaxPool", "AveragePool"), (False, True)):
        low = rng.integers(0, 3, 32).astype("float64")
        high = low + (np.arange(32) % 8 == 3)
        yield onnx_nets.convolutional(rng, "larq", 1.0, normalized, pool), low, high


@pytest.mark.parametrize("norm", ["linf", "l0", "l1", "l2"])
def test_a_file_is_solvable_where_an_image_of_the_ball_wins(tmp_path, norm):
    seen = set()
    for number, (model, low, high) in enumerate(itertools.chain(nets(0), nets(1), nets(2))):
        ranges = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
        images = np.array(list(itertools.product(*ranges)))
        center, ball = images[len(images) // 2], None
        if norm != "linf":
            ball = Ball(center, norm, 1.5 if norm == "l2" else 2)
            images = images[ball.contains(images)]
        largest = float(high.max())
        net = onnx_reader.read(model, largest, whole=True)
        runtime = Runtime(model)
        logits = runtime.logits(images.reshape(-1, *net.shape))
        label = int(runtime.logits(center.reshape(1, *net.shape)).argmax())
        given = Property(low, high, other_class(label, 3), 3, ball)
        files = programs.write(net, given, True, tmp_path / f"{norm}-{number}.cnf")
        written = {int(path.stem.split("_")[1].split("-")[0]): path for path in files}
        for rival in {*range(3)} - {label}:
            wins = bool((logits[:, rival] >= logits[:, label]).any())
            if rival not in written:
                assert not wins
                continue
            text = written[rival].read_text()
            values = solution(text)
            seen.add(values is not None)
            if values is None:
                assert not wins
                continue
            x = image(text, values, low)
            assert (images == x).all(axis=1).any()
            logit = runtime.logits(x.reshape(1, *net.shape))[0]
            assert logit[rival] >= logit[label] or rounding_decides(net, x)
    assert seen == {True, False}


def test_a_net_in_lines(tmp_path):
    graph = onnx_nets.Graph()
    graph.then("MatMul", np.array([[1], [-1], [0]], "float32"))
    onnx_nets.sign(graph, "where")
    graph.then("MatMul", np.array([[1, -1]], "float32"))
    net = onnx_reader.read(graph.model((3,), 2), 2, whole=True)
    given = Property(np.array([0.0, 1, 1]), np.array([2.0, 2, 2]), other_class(0, 2), 2)
    [path] = programs.write(net, given, True, tmp_path / "net.cnf")
    assert path.name == "net_1-0.cnf"
    assert path.read_text().splitlines() == [
        "c pixel 0 is 0 plus how many of 1 to 2 are true",
        "c pixel 1 is 1 plus how many of 3 to 3 are true",
        "c pixel 2 is 1 plus how many of 4 to 4 are true",
        "p cnf 5 3",
        "1 -2 0",
        "b 1 2 -3 0 2 5",  # 0 <= x0 - x1 = (v1 + v2) - (1 + v3)
        "b -5 0 1",
    ]


def test_real_pixels_and_real_weights_are_refused(tmp_path):
    model, low, high = next(nets())
    given = Property(low, high, other_class(0, 3) + other_class(1, 3), 3)
    net = onnx_reader.read(model, float(high.max()), whole=False)
    with pytest.raises(ConfigError, match="needs pixels of whole numbers: add pixels=whole"):
        programs.write(net, given, False, tmp_path / "a.cnf")
    graph, rng = onnx_nets.Graph(), np.random.default_rng(0)
    graph.then("MatMul", onnx_nets.signs(rng, 5, 4))
    onnx_nets.sign(graph, "larq")
    graph.then("MatMul", rng.normal(size=(4, 3)).astype("float32"))
    net = onnx_reader.read(graph.model((5,), 3), float(high.max()), whole=True)
    with pytest.raises(ConfigError, match=r"a sum has \d.* its weights are real"):
        programs.write(net, given, True, tmp_path / "b.cnf")
    graph = onnx_nets.Graph()
    graph.then("MatMul", onnx_nets.signs(rng, 5, 4))
    graph.then("Sign")
    graph.then("Mul", np.float32([0.3, 0.7, 1, 2]))
    graph.then("MatMul", onnx_nets.signs(rng, 4, 3))
    net = onnx_reader.read(graph.model((5,), 3), float(high.max()), whole=True)
    with pytest.raises(ConfigError, match="whole weights and units: those of layer 1 are real"):
        programs.write(net, given, True, tmp_path / "b.cnf")
    assert list(tmp_path.iterdir()) == []
