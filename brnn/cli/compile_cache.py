"""The cache of compiled XLA programs."""

import importlib.metadata
import os
import platform
import shutil
from contextlib import suppress
from pathlib import Path

from brnn import paths
from brnn.config.fingerprint import hash_json

KEPT = 100  # compiled programs
ROOM = 1 << 28  # bytes that must be free to keep any: XLA fails where it cannot write


def keep_compiled() -> None:
    """Lets XLA keep the last 100 things that it compiled in the user's cache, for later processes.

    They are for the same processor, TensorFlow and flags. Before XLA compiles anything; TF_XLA_FLAGS goes before.
    """
    information = (
        Path("/proc/cpuinfo").read_text()
        if Path("/proc/cpuinfo").exists()
        else platform.processor()
    )
    features = next(
        (line for line in information.splitlines() if line.startswith(("flags", "Features"))),
        information,
    )
    flags = [
        os.environ.get(name, "")
        for name in ("XLA_FLAGS", "TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES")
    ]
    key = hash_json([importlib.metadata.version("tensorflow"), features, flags])
    folder = paths.user_cache() / f"xla-{key}"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process may be at the same
            for old in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)[:-KEPT]:
                old.unlink()
        if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > ROOM:
            os.environ.setdefault("TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={folder}")
