"""The plan of a run: which replicas share its batches."""

import pytest

from brnn.runs.plan import choose_replicas


@pytest.mark.parametrize(
    "topology", ["rnn", "gru", "lstm", "clockwork", "mut1", "mut2", "scaled_gru"]
)
def test_recurrent_nets_share_batches_by_default(options, topology):
    whole = options(f"topology={topology}", "dataset=mnist_rows")
    assert choose_replicas(whole, None).count == 2
    whole = options(f"topology={topology}", "dataset=mnist_rows", "distribution=none")
    assert choose_replicas(whole, None).count == 1


def test_dense_nets_train_in_one_program_by_default(options):
    assert choose_replicas(options(), None).count == 1
