"""`brnn compare` on a real store: what it prints, and how it refuses bad input."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.sweeps import log_sweep

from brnn.cli import compare

ACCURACY = {"ste": [0.90, 0.92, 0.91, 0.93], "identity": [0.81, 0.80, 0.79, 0.78]}


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """A sweep of two estimators over four seeds; the best epoch is the first."""
    folder = tmp_path_factory.mktemp("sweep")
    jobs = [
        (
            {"estimator": estimator, "seed": seed},
            {"test/accuracy": [value + 0.01, value], "best/epoch": 1, "size/bits_per_weight": 1.5},
            {"brnn_version": "0.2.0"},
        )
        for estimator, values in ACCURACY.items()
        for seed, value in enumerate(values)
    ]
    log_sweep(folder, "estimator=ste,identity seed='range(4)'", jobs)
    return f"tracking.uri=sqlite:///{folder}/mlflow.db"


@pytest.fixture
def printed(uri, capsys):
    """A function that returns what the command prints."""

    def run(*words):
        compare.main([uri, *words])
        return capsys.readouterr().out

    return run


@pytest.fixture
def refused(capsys):
    """A function that returns the error line of a command, which ends with exit code 2."""

    def run(*words):
        with pytest.raises(SystemExit) as ended:
            compare.main(list(words))
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    return run


def test_the_last_sweep_is_printed_as_a_table_a_sentence_and_notes(printed):
    lines = printed().splitlines()
    assert lines[0].endswith("  estimator=ste,identity seed='range(4)'")
    assert lines[1].startswith("8 runs in 2 groups by estimator, over seed")
    (row,) = [line.split() for line in lines if line.startswith("ste ")]
    assert row == ["ste", "4", "0.9150", "0.0129", "0.8945", "to", "0.9355", "0.9300"]
    assert any(line.startswith("test/accuracy: ste beats identity by 0.12, 95 %") for line in lines)
    assert lines[-1] == "equal in all runs: size/bits_per_weight 1.5"
    assert max(map(len, lines[2:7])) <= 80


def test_the_epoch_of_the_best_validation_may_count(printed):
    rows = list(csv.DictReader(io.StringIO(printed("epoch=best", "--csv"))))
    (ste,) = [r for r in rows if (r["estimator"], r["metric"]) == ("ste", "test/accuracy")]
    assert float(ste["mean"]) == pytest.approx(0.925, abs=1e-12)
    assert (ste["n"], ste["planned"]) == ("4", "4")


def test_markdown_has_the_best_in_bold(printed):
    lines = printed("--markdown").splitlines()
    assert "| estimator | n | test/accuracy |" in lines
    assert "| ste | 4 | **0.9150 ± 0.0129** |" in lines
    assert "| identity | 4 | 0.7950 ± 0.0129 |" in lines


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="apt-get install texlive-latex-base")
def test_latex_compiles_to_one_page(printed, tmp_path):
    text = printed("--latex")
    assert r"ste & 4 & \textbf{0.9150 $\pm$ 0.0129} \\" in text
    (tmp_path / "table.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "table.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Output written on table.pdf (1 page" in done.stdout


def test_the_page_is_written_where_it_is_asked_for(printed, tmp_path):
    out = printed("--html", str(tmp_path / "page.html"))
    assert out == f"page: {tmp_path}/page.html\n"
    assert "ste beats identity by 0.12" in (tmp_path / "page.html").read_text()


def test_a_refused_command_leaves_no_page(uri, refused, tmp_path):
    refused(uri, "metrics=nonsense", "--html", str(tmp_path / "page.html"))
    assert "No such file" in refused(uri, "--html", str(tmp_path / "absent" / "page.html"))
    assert list(tmp_path.iterdir()) == []


def test_chosen_metrics_order_and_test(printed):
    out = printed("metrics=[test/accuracy]", "test=wilcoxon", "interval=bootstrap")
    assert "p = 0.12 after Holm, 4 pairs" in out  # the least that ranks of 4 pairs allow


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["metric=x"], "metric is not a key of brnn compare; valid are: sweep, .*mean metrics?"),
        (["last"], "last is not key=value"),
        (["epoch=first"], "error: epoch must be one of last, best, got 'first'"),
        (["metrics=test/acuracy"], "no run has test/acuracy; the nearest are: test/accuracy"),
        (["metrics=[]"], "error: metrics: no run has a metric without a name"),
        (["sort=test/acuracy"], "error: sort: no run has test/acuracy; the nearest are: "),
        (["filter=nonsense"], "error: filter=nonsense is not valid: Invalid clause"),
        (["--html", ""], "error: --html '': Is a directory"),
        (["--figures", __file__], "error: --figures '.*': File exists"),
        (["over=sed"], "over=sed is not a parameter of these runs; did you mean seed?"),
        (["sweep=0123"], "check the id and the store"),
        (["--latx"], "--latx is not valid here; --help lists what is; did you mean --latex?"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(uri, refused, words, message):
    line = refused(uri, *words)
    assert line.startswith("error: ")
    assert all(part in line for part in message.split(".*"))


@pytest.mark.parametrize("words", [["baseline=estimator=ste"], ["test=wilcoxon", "--csv"]])
def test_a_test_between_groups_of_one_run_is_one_line_and_exit_code_2(tmp_path, refused, words):
    jobs = [({"estimator": name, "seed": 0}, {"test/accuracy": 0.9}, {}) for name in ACCURACY]
    log_sweep(tmp_path, "estimator=ste,identity", jobs)
    line = refused(f"tracking.uri=sqlite:///{tmp_path}/mlflow.db", *words)
    assert line.startswith(
        f"error: {words[0]}: each group has at most one run: nothing can be said"
    )
    assert line.endswith("add seed='range(5)' to the sweep")


def test_groups_of_one_run_are_a_table_that_states_what_it_cannot_say(tmp_path, capsys):
    jobs = [({"estimator": name, "seed": 0}, {"test/accuracy": 0.9}, {}) for name in ACCURACY]
    log_sweep(tmp_path, "estimator=ste,identity", jobs)
    compare.main([f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"])
    out = capsys.readouterr().out
    assert re.search(r"\nste +1 +0\.9000 ", out)
    assert "each group has at most one run: nothing can be said about differences" in out


def test_a_store_that_is_away_or_absent_is_one_line_and_exit_code_2(refused, tmp_path):
    assert "there is no such file" in refused(f"tracking.uri=sqlite:///{tmp_path}/no.db")
    assert "tracking.uri=http://127.0.0.1:9 failed" in refused("tracking.uri=http://127.0.0.1:9")


def test_every_key_has_a_meaning_and_a_default():
    assert set(compare._keys([])) == set(compare.meanings())


def test_figures_are_written_as_png_and_svg(printed, tmp_path):
    files = printed("--figures", str(tmp_path / "figures")).splitlines()
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    curves = {"test_accuracy_by_epoch.png", "test_accuracy_by_epoch.svg"}
    assert names == {"test_accuracy.png", "test_accuracy.svg"} | curves
    assert {Path(file).name for file in files} == names
    svg = (tmp_path / "figures" / "test_accuracy.svg").read_text()
    assert "<!-- identity -->" in svg
    assert (tmp_path / "figures" / "test_accuracy.png").read_bytes()[:4] == b"\x89PNG"
