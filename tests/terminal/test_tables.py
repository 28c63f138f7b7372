"""Tables: complete in a pipe, folded on a narrow terminal, literal everywhere."""

import re

import pytest
from support.pseudo_terminal import on_a_terminal, without_escapes, words

from brnn.terminal import tables

LAYERS = [
    {"path": "dense/kernel", "shape": (784, 256), "role": "kernel", "quantizer": "binary(scale=1)"}
    | {"parameters": 200_704, "bits_per_weight": 1},
    {"path": "dense/bias", "shape": (256,), "role": "bias", "quantizer": "real"}
    | {"parameters": 256, "bits_per_weight": 32},
]


JOBS = [
    {
        "name": "estimator=ste,seed=0",
        "status": "finished",
        "objective": 0.8934,
        "test/accuracy": 0.8934,
    },
    {
        "name": "estimator=ste,seed=1",
        "status": "skipped",
        "objective": 0.75,
        "attack/robust_accuracy": float("nan"),
    },
    {"name": "units=[1,2]", "status": "failed", "error": "units must be one of [3, 4]\ngot [1, 2]"},
]


RUN_ID = "0123456789abcdef" * 2


def test_layers_are_listed_and_added_up(capsys):
    tables.layers_table(LAYERS)
    lines = [words(line) for line in capsys.readouterr().out.splitlines()]
    assert ["dense/kernel", "(784, 256)", "kernel", "binary(scale=1)", "200,704", "1"] in lines
    assert ["dense/bias", "(256,)", "bias", "real", "256", "32"] in lines
    assert ["total", "200,960", "1.039"] in lines  # (200704 + 32 * 256) / 200960
    # 208896 bits are 26112 bytes, 4 * 200960 are 803840
    assert lines[-1] == ["25.5 KiB packed, 785.0 KiB as float32"]


def test_the_size_of_a_file_and_its_products_stand_below_the_layers(capsys):
    counts = {"binary": 1_234_567.0, "ternary": 0.0, "real": 20.0}
    products = {f"cost/{kind}_products": count for kind, count in counts.items()}
    tables.layers_table(LAYERS, {"size/packed_bytes": 2048.0} | products)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "2.0 KiB packed, 785.0 KiB as float32",
        "multiply-accumulates of an input: 1,234,567 binary, 20 real",
    ]


def test_results_show_closing_metrics_and_attacks_side_by_side(capsys):
    metrics = {
        "test/accuracy": 0.8934,
        "best/epoch": 4.0,
        "sparsity/all": 0.0,
        "sparsity/dense/kernel": 0.1234,
        "size/bits_per_weight": 1.0,
        "attack/robust_accuracy": 0.787,
        "attack/images": 1000.0,
        "attack/clean_accuracy": 0.9,
        "attack/broke": 0.213,
        "suite/pgd-source:twin/broke_further": 0.25,
        "attack_identity/robust_accuracy": 0.1375,
        "attack_noise/robust_accuracy": float("nan"),
        "attack_noise/l2": 2.8,
    }
    tables.results_table("[some] run", metrics, seconds=83.2, hint="mlflow ui --port [5000]")
    lines = [words(line) for line in capsys.readouterr().out.splitlines()]
    assert ["[some] run", "finished in 83 s"] in lines
    assert ["test/accuracy", "0.8934"] in lines
    assert ["best/epoch", "4"] in lines
    assert ["sparsity/all", "0.0000"] in lines
    assert ["size/bits_per_weight", "1.0000"] in lines
    assert ["attack", "attack_identity", "attack_noise"] in lines
    assert ["robust_accuracy", "0.7870", "0.1375", "nan"] in lines
    heading = lines.index(["attacks on 1,000 test images"])
    assert heading < lines.index(["clean_accuracy", "0.9000"])
    assert ["broke", "0.2130"] in lines
    assert lines[lines.index(["member", "broke further"]) + 2] == ["pgd-source:twin", "0.2500"]
    assert ["l2", "2.8000"] in lines
    assert lines[-1] == ["mlflow ui --port [5000]"]
    assert not {"sparsity/dense/kernel", "linf", "images"} & {line[0] for line in lines}
    assert lines.index(["best/epoch", "4"]) < heading


def test_results_show_exported_files_a_line_for_each(capsys):
    measures = {"bytes": 2048, "bits_per_weight": 1.25, "other_classes": 4.0}
    metrics = {f"export/c/{key}": value for key, value in measures.items()}
    metrics |= {"export/c/logit_difference": 0.0, "export/undecided": 0.0466}
    metrics |= {"export/c/images_per_second": 123456.7}
    metrics |= {"export/c/images_per_second_in_batches": 234567.8}
    tables.results_table("run", metrics, seconds=1.0, hint="")
    (row,) = [
        words
        for line in capsys.readouterr().out.splitlines()
        if (words := line.split())[:1] == ["c"]
    ]
    assert row == ["c", "2.0", "KiB", "1.25", "1/25.6", "4", "0", "123,457", "234,568"]


def test_a_run_without_attacks_has_no_table_of_attacks(capsys):
    tables.results_table("run", {"test/accuracy": 0.5}, seconds=1.0, hint="look there")
    shown = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert shown == ["", "run  finished in 1 s", "", "test/accuracy  0.5000", "", "look there"]


def test_a_sweep_lists_its_jobs_and_what_went_wrong(capsys):
    tables.sweep_table(JOBS)
    lines = [words(line) for line in capsys.readouterr().out.splitlines()]
    assert ["estimator=ste,seed=0", "finished", "0.8934", "0.8934"] in lines
    assert ["estimator=ste,seed=1", "skipped", "0.7500", "nan"] in lines
    assert ["units=[1,2]", "failed"] in lines
    assert lines[-2:] == [
        ["units=[1,2]: units must be one of [3, 4] got [1, 2]"],
        ["1 finished, 1 failed, 1 skipped"],
    ]


def test_a_sweep_shows_ids_of_runs_in_a_pipe_and_on_a_terminal(capsys, monkeypatch):
    def show():
        accuracy = {"test/accuracy": 0.5}
        tables.sweep_table([{"name": "seed=0", "status": "finished", "run": RUN_ID} | accuracy])

    show()
    assert ["seed=0", "finished", "0.5000", RUN_ID] in [
        words(row) for row in capsys.readouterr().out.splitlines()
    ]
    narrow = without_escapes(on_a_terminal(monkeypatch, show, columns=60)).splitlines()
    assert ["seed=0", "finished", RUN_ID] in [words(row) for row in narrow]


def test_what_went_wrong_is_red_on_a_terminal(monkeypatch):
    shown = on_a_terminal(monkeypatch, lambda: tables.sweep_table(JOBS))
    assert "\x1b[31munits=[1,2]: units must be" in shown


def test_a_narrow_terminal_folds_names_and_keeps_numbers(monkeypatch):
    name = "precision=binarynet,estimator=leaky_softsign,topology.units=[256,128],seed=0"
    numbers = {
        "objective": 0.8934,
        "test/accuracy": 0.9012,
        "attack_identity/robust_accuracy": 0.1234,
    }
    numbers |= {"attack_noise/robust_accuracy": 0.5678, "size/bits_per_weight": 1.0}
    job = {"name": name, "status": "finished", **numbers}
    shown = without_escapes(
        on_a_terminal(monkeypatch, lambda: tables.sweep_table([job]), columns=80)
    )
    printed = [words(line) for line in shown.splitlines() if "finished  " in line]
    assert [cell for line in printed for cell in line[2:]] == [f"{v:.4f}" for v in numbers.values()]
    folded = "".join(line.split("  ")[0].strip() for line in shown.splitlines())
    assert folded.count(name) == len(printed) == 2


@pytest.mark.parametrize("length", [150, 1000])
def test_nothing_is_cropped_where_there_is_no_terminal(capsys, length):
    name = "n" * length
    tables.layers_table([LAYERS[0] | {"path": name, "quantizer": name}])
    tables.results_table(name, {f"best/{name}": 1.0}, seconds=1.0, hint=name)
    tables.sweep_table([{"name": name, "status": "failed", "error": name, f"test/{name}": 1.0}])
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.count(name) for line in lines) == 9


def test_on_80_columns_a_wide_table_is_several_and_no_line_is_wrapped(monkeypatch):
    metrics = {f"trust/robust_accuracy_{i}": 0.5 + i / 100 for i in range(9)}
    jobs = [
        {"name": f"binarynet-ste-mlp-modern-s{seed}", "status": "finished", **metrics}
        for seed in range(2)
    ]
    shown = without_escapes(
        on_a_terminal(monkeypatch, lambda: tables.sweep_table(jobs), columns=80)
    )
    printed = shown.splitlines()
    assert max(map(len, printed)) <= 80
    assert sum(line.startswith("binarynet-ste-mlp-modern-s1  ") for line in printed) == 3
    values = re.findall(r"0\.5\d\d0", "".join(line for line in printed if "-s1 " in line))
    assert values == [f"{value:.4f}" for value in metrics.values()]


def test_statistics_on_80_columns_repeat_the_names_of_the_groups(monkeypatch):
    columns = ["estimator", *(f"statistic {i}" for i in range(9))]
    rows = [["chernoff", *(f"{i}.0000" for i in range(9))]]
    shown = without_escapes(
        on_a_terminal(
            monkeypatch, lambda: tables.statistics_table("m", columns, rows, 1), columns=80
        )
    )
    named = [line.split() for line in shown.splitlines() if line.startswith("chernoff")]
    assert len(named) == 2
    assert [cell for line in named for cell in line[1:]] == rows[0][1:]
    assert max(map(len, shown.splitlines())) <= 80
