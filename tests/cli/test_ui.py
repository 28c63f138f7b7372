"""`brnn ui`: the view of the last sweep and its description, in the real MLflow UI."""

import re
import signal
import subprocess
import sys
from html import unescape

import pytest
from support import browser
from support.servers import free_port
from support.stores import open_in
from support.sweeps import log_run, log_sweep

from brnn.cli import ui
from brnn.errors import ConfigError, TrackingError
from brnn.sweeps.conclusion import conclude
from brnn.tracking.reading import run_page

METRICS = {
    "test/accuracy": 0.7,
    "sparsity/all": 0.2,
    "attack/success_rate": 0.5,
    "trust/robust_accuracy": 0.3,
}


@pytest.fixture(scope="module")
def swept(folder_with_store):
    """The folder of a store with a finished sweep of two estimators, and the id of the sweep."""
    folder = folder_with_store("ui")
    jobs = [
        (
            {"estimator": estimator, "seed": seed},
            {key: value + offset + seed / 1000 for key, value in METRICS.items()},
            {},
        )
        for estimator, offset in (("ste", 0.011), ("chernoff", 0.033))
        for seed in range(3)
    ]
    sweep = log_sweep(folder, "estimator=ste,chernoff seed=range(3)", jobs)
    store = open_in(folder)
    with store.run("sweep", {}, None, earlier=store.get(sweep)) as run:
        conclude(store, run, "brnn estimator=ste,chernoff 'seed=range(3)' --multirun")
    return folder, sweep


@pytest.fixture(scope="module")
def address(swept):
    """The address that the command prints while it serves the store."""
    command = [sys.executable, "-m", "brnn", "ui", f"port={free_port()}", "--no-browser"]
    process = subprocess.Popen(command, cwd=swept[0], stdout=subprocess.PIPE, text=True)
    yield process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130


def texts(document: str) -> str:
    """The text of a document, without its tags."""
    return unescape(re.sub(r"<[^>]+>", " ", document))


@pytest.mark.slow
@pytest.mark.skipif(not browser.CHROMIUM, reason=browser.NO_CHROMIUM)
def test_the_printed_address_shows_what_counts_by_group_without_a_click(address, swept, tmp_path):
    assert f"viewStateShareKey={swept[1]}" in address
    means = [f">{value + offset:.2f}<" for value in METRICS.values() for offset in (0.012, 0.034)]
    shown = texts(browser.dom_with(address, tmp_path, *means))
    for words in ("Group by: estimator", "Group: ste", "Group: chernoff", "what counts", *METRICS):
        assert words in shown


@pytest.mark.slow
@pytest.mark.skipif(not browser.CHROMIUM, reason=browser.NO_CHROMIUM)
def test_the_run_of_the_sweep_is_described_by_the_table_of_its_groups(address, swept, tmp_path):
    place, experiment = re.match(r"(http://.*/#/experiments/(\d+))/", address).groups()
    page = run_page(experiment, swept[1]).removeprefix(f"/#/experiments/{experiment}")
    shown = browser.dom_with(f"{place}{page}", tmp_path, "0.7340 ± 0.0010", "Model registry")
    cells = [unescape(cell) for cell in re.findall(r"<td[^>]*>(?:<[^>]+>)*([^<]+)", shown)]
    assert "0.7340 ± 0.0010" in cells
    assert "brnn estimator=ste,chernoff 'seed=range(3)' --multirun" in texts(shown)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["port=0"], "port must be a whole number from 1 to 65535, got '0'"),
        (["prot=1"], "prot is not a key of brnn ui; valid are: .*; did you mean port?"),
    ],
)
def test_bad_input_is_refused_before_anything_starts(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        ui.main(words)
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert all(part in error for part in message.split(".*"))


def test_a_store_without_a_sweep_opens_at_its_newest_run(tmp_path):
    store = open_in(tmp_path)
    first, last = (log_run(store, {"seed": seed}, {"test/accuracy": 0.5}) for seed in range(2))
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert ui._page(uri, None, None) == (uri, run_page("1", last))
    assert ui._page(uri, None, first) == (uri, run_page("1", first))
    with pytest.raises(TrackingError, match="check the id and the store"):
        ui._page(uri, "unknown", None)


def test_a_port_in_use_is_refused(address):
    from brnn.tracking.server import serving

    port = int(re.search(r":(\d+)/", address)[1])
    with pytest.raises(ConfigError, match=f"port={port} is in use"), serving("sqlite:///x", port):
        pass
