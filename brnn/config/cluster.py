"""Which processes train one net together."""

import json
import os
from contextlib import suppress

from brnn.errors import ConfigError


def workers(addresses: list[str] | None, index: int | None) -> tuple[list[str], int]:
    """Return the address of each worker, the chief's first, and the index of this process.

    Args:
        addresses: `host:port` of each worker; with `index` None too, both are read from TF_CONFIG.
        index: which of them this process is, from 0.

    Raises:
        ConfigError: neither the arguments nor TF_CONFIG name all workers and this one.
    """
    if addresses is None and index is None:
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            config = json.loads(os.environ.get("TF_CONFIG", ""))
            chief, task = config["cluster"].get("chief", []), config["task"]
            addresses = chief + config["cluster"].get("worker", [])
            index = {"chief": 0, "worker": len(chief)}[task["type"]] + int(task["index"])
    if addresses and index is not None and index in range(len(addresses)):
        return addresses, index
    raise ConfigError(
        "distribution.workers must list every worker's address and distribution.index this worker's"
        f" position from 0, or both must be null and TF_CONFIG set; got {addresses} and {index}"
    )
