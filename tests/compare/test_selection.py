"""Which runs are compared, read from a real store that nothing is written to."""

import shutil

import pytest
from support.stores import open_in
from support.sweeps import log_run, log_sweep

from brnn.compare.selection import select
from brnn.errors import ComparisonError, TrackingError
from brnn.tracking import tag_names

ALL = {"sweep": None, "filter": None, "experiment": None}


def job(estimator, seed, accuracy=0.5):
    epochs = {"test/accuracy": [accuracy / 2, accuracy], "best/epoch": 1}
    return {"estimator": estimator, "seed": seed}, epochs, {}


@pytest.fixture(scope="module")
def created(tmp_path_factory):
    """The file of a new store, which takes MLflow seconds to create."""
    folder = tmp_path_factory.mktemp("created")
    open_in(folder)
    return folder / "mlflow.db"


@pytest.fixture
def empty_store(created, tmp_path):
    """A folder with a new store."""
    shutil.copy(created, tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def store(created, tmp_path_factory):
    """Two sweeps in two experiments, and a single run."""
    folder = tmp_path_factory.mktemp("store")
    shutil.copy(created, folder)
    first = log_sweep(folder, "estimator=ste seed=0,1", [job("ste", 0), job("ste", 1)])
    log_run(open_in(folder), {"estimator": "swish_sign", "seed": 0}, {"test/accuracy": 0.4})
    last = log_sweep(folder, "estimator=chernoff", [job("chernoff", 0)], experiment="other")
    return f"sqlite:///{folder}/mlflow.db", first, last


def names(selection):
    return sorted(f"{run.params['estimator']}-{run.params['seed']}" for run in selection.runs)


def test_the_last_sweep_of_the_store_is_the_default(store):
    uri, _, last = store
    selection = select(uri, **ALL)
    assert names(selection) == ["chernoff-0"]
    assert selection.sweeps == {last: "estimator=chernoff"}


def test_sweeps_are_selected_by_id_and_restricted_by_a_filter(store):
    uri, first, last = store
    assert names(select(uri, **ALL | {"sweep": [first]})) == ["ste-0", "ste-1"]
    both = select(uri, **ALL | {"sweep": [first, last]})
    assert names(both) == ["chernoff-0", "ste-0", "ste-1"]
    assert list(both.sweeps) == [first, last]
    seed = select(uri, **ALL | {"sweep": [first, last], "filter": "params.seed = '0'"})
    assert names(seed) == ["chernoff-0", "ste-0"]


def test_an_experiment_or_a_filter_selects_runs_but_no_parents(store):
    uri, *_ = store
    assert names(select(uri, **ALL | {"experiment": "brnn"})) == ["ste-0", "ste-1", "swish_sign-0"]
    seed = select(uri, **ALL | {"filter": "params.seed = '0'"})
    assert names(seed) == ["chernoff-0", "ste-0", "swish_sign-0"]


def test_a_run_has_its_history_and_its_page(store):
    uri, first, _ = store
    run = select(uri, **ALL | {"sweep": [first]}).runs[0]
    assert run.history("test/accuracy") == {1: 0.25, 2: 0.5}
    experiment = open_in_experiment(uri)
    page = f"/#/experiments/{experiment}/runs/{run.id}?workflowType=machine_learning"
    assert run.address == f"http://127.0.0.1:5000{page}"


def open_in_experiment(uri):
    return open_in(uri.removeprefix("sqlite:///").rpartition("/")[0]).experiment_id


def test_a_stopped_sweep_states_how_many_of_its_jobs_have_a_run(empty_store):
    sweep, store = log_sweep(empty_store, "seed=range(4)", [job("ste", 0)]), open_in(empty_store)
    store.client.set_tag(sweep, tag_names.JOBS, "4")
    keys = ALL | {"sweep": [sweep]}
    assert select(store.uri, **keys).stopped == []  # jobs may share a run
    store.client.set_terminated(sweep, "KILLED")
    (sentence,) = select(store.uri, **keys).stopped
    assert sentence == f"sweep={sweep} killed: 1 run for 4 jobs"


def test_a_finished_run_that_a_later_sweep_reused_belongs_to_both(empty_store):
    first = log_sweep(empty_store, "seed=0", [job("ste", 0)])
    later = log_sweep(empty_store, "seed=0,1", [job("ste", 1)])
    opened = open_in(empty_store)
    (reused,) = opened.children(first)
    opened.client.set_tag(reused.info.run_id, f"{tag_names.REUSED}.{later}", "0")
    assert names(select(opened.uri, **ALL)) == ["ste-0", "ste-1"]


@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        ({"filter": "params.seed = '7'"}, ComparisonError, "no run found: params.seed = '7' in"),
        ({"filter": "seeds"}, TrackingError, "Invalid clause"),
        ({"experiment": "brn"}, TrackingError, "experiment=brn does not exist.*mean brnn"),
        ({"sweep": ["nonsense"]}, TrackingError, "nonsense.*check the id and the store"),
    ],
)
def test_what_selects_no_run_is_refused_in_one_line(store, keys, error, message):
    with pytest.raises(error, match=message) as caught:
        select(store[0], **ALL | keys)
    assert "\n" not in str(caught.value)


def test_a_store_without_a_sweep_is_refused(empty_store):
    log_run(open_in(empty_store), {"seed": 0}, {"test/accuracy": 0.5})
    with pytest.raises(ComparisonError, match="has no sweep; run one by --multirun"):
        select(f"sqlite:///{empty_store}/mlflow.db", **ALL)


def test_an_absent_store_is_refused_and_not_created(tmp_path):
    with pytest.raises(TrackingError, match="there is no such file"):
        select(f"sqlite:///{tmp_path}/none.db", **ALL)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_refused():
    with pytest.raises(TrackingError, match=r"tracking\.uri=http://127\.0\.0\.1:9 failed"):
        select("http://127.0.0.1:9", **ALL)
