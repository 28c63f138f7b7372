"""`brnn verify` on small nets: answers, files, exit codes, and how it refuses bad input."""

import csv
import re

import numpy as np
import pytest
from onnx import save
from support import onnx_nets
from support.stores import all_runs, open_in

from brnn.cli import verify
from brnn.data import sources
from brnn.proof import decide, vnnlib
from brnn.proof.ball import distance
from brnn.proof.runtime import Runtime
from brnn.runs.run import run as train

SIZE = 4
BALL = ("net.onnx", "--image", "image.npy", "--label", "0", "--epsilon", "1")
NET = onnx_nets.dense(np.random.default_rng(0), (SIZE, 6, 3), "where")


def spec(low, high, label):
    """A property of VNN-LIB: another class is at least as large as `label`."""
    text = [f"(declare-const X_{i} Real)" for i in range(SIZE)]
    text += [f"(declare-const Y_{i} Real)" for i in range(3)]
    for i, (least, most) in enumerate(zip(low, high, strict=True)):
        text += [f"(assert (>= X_{i} {least}))", f"(assert (<= X_{i} {most}))"]
    others = " ".join(f"(and (>= Y_{i} Y_{label}))" for i in range(3) if i != label)
    return "\n".join([*text, f"(assert (or {others}))"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A net, properties with and without a counterexample, and a benchmark of both."""
    path = tmp_path_factory.mktemp("verify")
    save(NET, path / "net.onnx")
    clean = np.float32([8, 3, 1, 2])
    label = int(Runtime(NET).logits(clean[None]).argmax())
    (path / "unsat.vnnlib").write_text(spec(clean, clean + 0.01, label))
    (path / "sat.vnnlib").write_text(spec(clean - 8, clean + 8, label))
    np.save(path / "image.npy", clean)
    (path / "label.txt").write_text(str(label))
    rows = [f"net.onnx,{name}.vnnlib,60\n" for name in ("unsat", "sat")]
    (path / "instances.csv").write_text("".join(rows))
    return path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """A function that returns the exit code, the output and the errors of the command."""
    monkeypatch.chdir(folder)

    def complete(*words):
        with pytest.raises(SystemExit) as ended:
            verify.main(list(words))
        return ended.value.code, *capsys.readouterr()

    return complete


def test_an_answer_is_a_word_a_table_and_an_exit_code(run):
    code, out, err = run("net.onnx", "unsat.vnnlib")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].startswith("unsat")
    assert "interval" in out


def test_a_counterexample_is_written_in_the_form_of_the_competition(run, folder):
    code, out, _ = run("net.onnx", "sat.vnnlib", "result=answer.txt")
    assert code == 0
    assert out.splitlines()[0] == "sat"
    first, *pairs = (folder / "answer.txt").read_text().splitlines()
    assert first == "sat"
    values = dict(pair.strip("()").split() for pair in pairs)
    x = np.float32([values[f"X_{i}"] for i in range(SIZE)])
    y = np.float32([values[f"Y_{i}"] for i in range(3)])
    given = vnnlib.read(folder / "sat.vnnlib")
    assert ((x >= given.low) & (x <= given.high)).all()
    np.testing.assert_array_equal(Runtime(NET).outputs(x[None])[0], y)
    assert given.holds(y[None]).all()


def test_a_ball_around_an_image_is_clipped_to_the_pixels(run, folder):
    label = (folder / "label.txt").read_text()
    words = ("net.onnx", "--image", "image.npy", "--label", label, "--epsilon")
    assert run(*words, "0.01")[1].startswith("unsat\n")
    assert run(*words, "8", "largest=8", "pixels=whole", "result=b.txt")[1].startswith("sat\n")
    values = [line.split()[1] for line in (folder / "b.txt").read_text().splitlines()[1 : SIZE + 1]]
    x = np.float32([value.strip(")") for value in values])
    assert ((x >= 0) & (x <= 8) & (x == np.rint(x))).all()


@pytest.mark.parametrize("norm", ["l0", "l1", "l2"])
def test_other_norms_bound_the_counterexample(run, folder, norm):
    label = (folder / "label.txt").read_text()
    words = ("net.onnx", "--image", "image.npy", "--label", label, "--norm", norm, "--epsilon")
    code, out, _ = run(*words, "4", "largest=8", "result=c.txt")
    assert (code, out.splitlines()[0]) == (0, "sat")
    values = [line.split()[1] for line in (folder / "c.txt").read_text().splitlines()[1 : SIZE + 1]]
    x = np.float64([value.strip(")") for value in values])
    assert distance((x - np.load(folder / "image.npy"))[None], norm)[0] <= 4


def test_the_smallest_change_is_printed_with_its_proof(run, folder):
    label = (folder / "label.txt").read_text()
    words = ("net.onnx", "--image", "image.npy", "--label", label, "--minimal", "largest=8")
    code, out, _ = run(*words, "pixels=whole", "result=d.txt")
    first, answer = out.splitlines()[:2]
    proved = re.fullmatch(
        r"no change of up to (\d) has a counterexample; a change of (\d) does \(proved\)", first
    )
    low, high = map(int, proved.groups())
    assert (code, high) == (0, low + 1)
    assert answer == ("sat" if high == 1 else "unsat")
    for epsilon, expected in ((low, "unsat"), (high, "sat")):
        if epsilon:
            again = (*words[:5], "--epsilon", str(epsilon), "largest=8", "pixels=whole")
            assert run(*again)[1].splitlines()[0] == expected


def test_programs_are_written_and_not_solved(run, folder):
    code, out, err = run("net.onnx", "sat.vnnlib", "program=open.lp")
    assert (code, out.splitlines()[0]) == (3, "unknown")
    files = sorted(folder.glob("open_*.lp"))
    assert f"{len(files)} programs are written and not solved" in err
    assert len(files) in (1, 2)
    assert run("net.onnx", "unsat.vnnlib", "program=none.lp")[1].splitlines()[0] == "unsat"


@pytest.mark.slow
def test_the_net_of_a_run_takes_grey_levels(run, options, tmp_path, capsys):
    x, y, x_test, y_test = sources.embedded_digits()
    np.savez(tmp_path / "digits.npz", x=x[:500], y=y[:500], x_test=x_test[:9], y_test=y_test[:9])
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    chosen = options(
        "dataset=arrays", f"dataset.path={tmp_path}/digits.npz", "topology.width=16", "epochs=1",
        "attack=none", "figures=[]", f"checkpoints={tmp_path}", f"tracking.uri={uri}",
    )  # fmt: skip
    train(chosen, None, (), lambda epoch, metrics: True)
    run_id = all_runs(open_in(tmp_path))[0].info.run_id
    np.save(tmp_path / "digit.npy", x_test[0])
    capsys.readouterr()
    words = (run_id, "--image", str(tmp_path / "digit.npy"), "--label", "0", "--epsilon", "255")
    code, out, _ = run(*words, "pixels=whole", f"tracking.uri={uri}", "seconds=20")
    assert (code, out.splitlines()[0]) == (0, "sat")


def test_a_benchmark_has_a_table_and_is_not_repeated(run, folder):
    code, out, _ = run("--instances", "instances.csv", "results=table.csv")
    assert code == 0
    with (folder / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["result"] for row in rows] == ["unsat", "sat"]
    assert (folder / "table_net_sat.txt").read_text().startswith("sat\n((X_0 ")
    before = (folder / "table.csv").read_text().replace("unsat,", "timeout,")
    (folder / "table.csv").write_text(before)
    code, out, _ = run("--instances", "instances.csv", "results=table.csv")
    assert (folder / "table.csv").read_text() == before
    assert code == 3  # a row of the table is undecided
    assert "timeout" in out


def test_a_row_that_cannot_be_read_stops_no_other(run, folder):
    rows = (folder / "instances.csv").read_text().splitlines(keepends=True)
    (folder / "wrong.csv").write_text("".join([rows[0], "none.onnx,sat.vnnlib,9\n", rows[1]]))
    code, out, err = run("--instances", "wrong.csv", "results=wrong_results.csv")
    assert code == 2
    assert "none.onnx, sat.vnnlib: none.onnx" in err.replace(str(folder) + "/", "")
    assert [line.split()[2] for line in out.splitlines() if ".vnnlib" in line] == [
        "unsat",
        "error",
        "sat",
    ]
    assert "error" not in (folder / "wrong_results.csv").read_text()


def test_an_interruption_keeps_the_rows_that_are_decided(run, folder, monkeypatch):
    def interrupted(*arguments, **keys):
        if arguments[1].low[0] != 8:
            raise KeyboardInterrupt
        return original(*arguments, **keys)

    original = decide.decide
    monkeypatch.setattr("brnn.proof.verify.decide", interrupted)
    code, out, err = run("--instances", "instances.csv", "results=part.csv")
    assert (code, err) == (130, "error: stopped\n")
    assert len((folder / "part.csv").read_text().splitlines()) == 2
    assert "unsat" in out


def test_time_is_limited(run):
    code, out, _ = run("net.onnx", "sat.vnnlib", "seconds=0.000001")
    assert (code, out.splitlines()[0]) == (3, "timeout")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "needs NET and SPEC"),
        (["net.onnx"], "needs NET and SPEC"),
        (["net.onnx", "missing.vnnlib"], "missing.vnnlib cannot be read"),
        (["missing.onnx", "sat.vnnlib"], "missing.onnx: No such file"),
        (["sat.vnnlib", "sat.vnnlib"], "sat.vnnlib is not a complete file of ONNX"),
        (["net.onnx", "sat.vnnlib", "pixels=grey"], "verify.pixels must be"),
        (["image.npz", "sat.vnnlib"], "image.npz is not a complete archive"),
        (["net.keras", "sat.vnnlib"], "net.keras is not a file"),
        (["net.onnx", "sat.vnnlib", "divisor=0"], "verify.divisor must be"),
        (["0" * 32, "sat.vnnlib", "tracking.uri=sqlite:///none.db"], "there is no such file"),
        ([*BALL, "--norm", "l3"], "invalid choice: 'l3'"),
        (["net.onnx", "sat.vnnlib", "seconds=1e400"], "verify.seconds must be a finite number"),
        (["net.onnx", "sat.vnnlib", "second=3"], "did you mean seconds"),
        (["net.onnx", "sat.vnnlib", "--image", "image.npy"], "needs NET and SPEC, or NET and"),
        (["net.onnx", "--image", "image.npy"], "--image needs --label"),
        (
            ["net.onnx", "--image", "image.npy", "--label", "7", "--epsilon", "1"],
            "--label must be a class of the net, 0 to 2, got 7",
        ),
        (
            ["net.onnx", "--image", "image.npy", "--label", "0", "--epsilon", "1", "largest=0.1"],
            "largest=0.1 allows 0 to 0.1",
        ),
        (["net.onnx", "unsat.vnnlib", "--minimal"], "--minimal need --image"),
        (
            [*BALL, "--minimal", "program=open.lp"],
            "program=open.lp solves nothing; leave out --minimal",
        ),
        (
            [
                "net.onnx",
                "--image",
                "image.npy",
                "--label",
                "0",
                "--epsilon",
                "1.5",
                "--norm",
                "l0",
            ],
            "--epsilon is a number of pixels in l0, a whole one, got 1.5",
        ),
        (["--instances", "instances.csv", "result=x"], "leave them out with --instances"),
        (["net.onnx", "unsat.vnnlib", "solver=cp_sat"], "solver=cp_sat needs pixels=whole"),
        (
            ["net.onnx", "sat.vnnlib", "program=missing/open.lp"],
            "program=missing/open.lp must be in a folder that exists",
        ),
        (
            ["net.onnx", "--image", "label.txt", "--label", "0", "--epsilon", "1"],
            "neither an array",
        ),
        (["--instances", "sat.vnnlib"], "line 1: a row must be net,property,seconds"),
        (["--instances", "instances.csv", "results=instances.csv"], "not a table of results"),
        (["--instances", "instances.csv", "net.onnx"], "leave out others"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run, words, message):
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line


def test_a_property_of_another_net_is_refused(run, folder):
    text = (folder / "sat.vnnlib").read_text().replace("(declare-const Y_2 Real)", "")
    (folder / "two.vnnlib").write_text(text.replace("Y_2", "Y_1"))
    assert "the property has 2 outputs, net.onnx has 3" in run("net.onnx", "two.vnnlib")[2]


def test_help_needs_no_heavy_library_and_states_the_exit_codes(light):
    done = light("verify", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for text in ("sat", "unsat", "unknown", "timeout", "exit code 3", "2 for bad input", "seconds"):
        assert text in done.stdout
