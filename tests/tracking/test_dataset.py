"""Data sets of runs: entered once, by any number of runs at the same moment."""

from threading import Barrier, Thread

import numpy as np

from brnn.tracking import dataset
from tests.support import stores

WRITERS, DATA_SETS = 6, 4


def test_runs_that_enter_a_data_set_at_once_all_have_it(tmp_path):
    store = stores.open_in(tmp_path)
    split = (np.zeros((2, 3)), np.zeros(2))
    for number in range(DATA_SETS):
        record = dataset.described("mine", f"digest {number}", "npz", {}, {"train": split})
        runs = [store.client.create_run(store.experiment_id).info.run_id for _ in range(WRITERS)]
        together = Barrier(WRITERS)

        def enter(run, record=record, together=together):
            together.wait()
            dataset.send(store.client, run, record)

        writers = [Thread(target=enter, args=(run,)) for run in runs]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        entered = [store.get(run).inputs.dataset_inputs for run in runs]
        assert [len(inputs) for inputs in entered] == [1] * WRITERS
