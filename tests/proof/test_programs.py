"""Programs in files: other readers find a solution where there is a counterexample."""

import itertools
import re

import numpy as np
import pytest
from support import onnx_nets

from brnn.errors import ConfigError
from brnn.proof import onnx_reader, programs
from brnn.proof.runtime import Runtime
from brnn.proof.vnnlib import Property, other_class

LOW, HIGH = np.array([0.0, 0.0, 1.0]), np.array([2.0, 3.0, 1.0])
EVERYTHING = np.array(list(itertools.product(range(3), range(4), [1])), "float64")


def questions():
    """Nets, properties, and the rivals that some image gives a win; a rival is open or excluded."""
    for seed in range(6):
        model = onnx_nets.dense(np.random.default_rng(seed), (3, 4, 3), "where")
        net, logits = onnx_reader.read(model, 3, whole=True), Runtime(model).logits(EVERYTHING)
        label = int(logits[0].argmax())
        given = Property(LOW, HIGH, other_class(label, 3), 3)
        others = {*range(3)} - {label}
        yield net, given, {r for r in others if (logits[:, r] >= logits[:, label]).any()}


def is_satisfiable(text):
    """Whether binaries fulfil the rows of a file in OPB, by trying all."""
    head, *rows = text.splitlines()
    count, stated = map(int, re.findall(r"= (\d+)", head))
    assert len(rows) == stated
    matrix, least = np.zeros((stated, count)), np.zeros(stated)
    for number, row in enumerate(rows):
        terms, bound = re.fullmatch(r"(.*) >= (-?\d+) ;", row).groups()
        least[number] = int(bound)
        for weight, variable in re.findall(r"([+-]\d+) x(\d+)", terms):
            matrix[number, int(variable) - 1] += int(weight)
    tried = np.array(list(itertools.product([0, 1], repeat=count)))
    return bool((tried @ matrix.T >= least).all(axis=1).any())


def solved(path):
    import highspy

    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.readModel(str(path))
    solver.run()
    return solver.getModelStatus() != highspy.HighsModelStatus.kInfeasible


@pytest.mark.parametrize("suffix", [".opb", ".lp", ".mps"])
def test_a_program_is_solvable_where_there_is_a_counterexample(tmp_path, suffix):
    seen = set()
    for number, (net, given, winners) in enumerate(questions()):
        files = programs.write(net, given, True, tmp_path / f"{number}{suffix}")
        rivals = {int(path.stem.split("_")[1].split("-")[0]): path for path in files}
        assert winners <= set(rivals)  # bounds exclude no other
        for rival, path in rivals.items():
            found = is_satisfiable(path.read_text()) if suffix == ".opb" else solved(path)
            assert found == (rival in winners)
            seen.add(found)
    assert True in seen


def test_other_suffixes_and_real_pixels_are_refused(tmp_path):
    net, given, _ = next(questions())
    with pytest.raises(ConfigError, match=r"must end with one of \.lp, \.mps, \.opb, \.cnf"):
        programs.write(net, given, True, tmp_path / "a.txt")
    with pytest.raises(ConfigError, match="needs whole variables: add pixels=whole"):
        programs.write(net, given, False, tmp_path / "a.opb")
