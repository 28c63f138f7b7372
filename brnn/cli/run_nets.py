"""The nets of runs, for commands that are given the id of one."""

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from brnn.terminal import stderr

if TYPE_CHECKING:
    import numpy as np

    from brnn.data.dataset import Data


class RunNet(NamedTuple):
    """The net that a run logged.

    Attributes:
        options: the configuration of the run.
        weights: those of the net, discretized.
        data: the data set of the run.
    """

    options: dict[str, Any]
    weights: "list[np.ndarray]"
    data: "Data"


def load_net(run: str, uri: str) -> RunNet:
    """Return the net of a run, with its data.

    Args:
        run: its id.
        uri: of the store.

    Raises:
        TrackingError: the store has no such run, or the run has no net.
    """
    import brnn.cli.startup  # noqa: F401  without the messages of TensorFlow
    from brnn.data.load import load
    from brnn.tracking.reading import open_existing

    store = open_existing(uri, None)[0]
    stderr.keep_stderr()
    with stderr.quiet():  # TensorFlow looks for devices
        options, weights = store.net(run)
    data, _ = load(json.dumps(options["dataset"]), tuple(options["plugins"]))
    return RunNet(options, weights, data)
