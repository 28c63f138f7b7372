"""Names of metrics that MLflow accepts."""

import mlflow
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from support import stores

from brnn.errors import ConfigError
from brnn.tracking.metric_names import check_metric_names

NAMES = st.text(st.sampled_from("aZé_9-. :/+\"'"), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def accepts(folder_with_store):
    """A function that returns whether a store takes the name of a metric."""
    store = stores.open_in(folder_with_store("store"))
    run = store.client.create_run(store.experiment_id).info.run_id

    def accepts_(name) -> bool:
        try:
            store.client.log_batch(run, metrics=[mlflow.entities.Metric(name, 1.0, 0, 0)])
        except MlflowException:
            return False
        return True

    return accepts_


@settings(deadline=None, max_examples=100)
@example("suite/pgd-loss:margin/broke_further")
@example("a" * 250)
@example("a" * 251)
@example("a//b")
@example("../a")
@example(".a")
@example("a/.")
@given(NAMES)
def test_a_name_is_refused_where_the_store_refuses_it(accepts, name):
    try:
        check_metric_names([name])
    except ConfigError:
        assert not accepts(name)
    else:
        assert accepts(name)
