"""The cache of compiled XLA programs."""

import importlib.metadata
import os
import shutil
from contextlib import suppress

from brnn import paths
from brnn.config import processor
from brnn.config.fingerprint import hash_json

PROGRAMS = 100  # kept per processor, TensorFlow and flags
FREE_BYTES = 1 << 28  # needed to keep any: XLA fails where it cannot write


def keep_compiled() -> None:
    """Let XLA keep the last 100 programs in the user's cache, for later processes.

    Call it before XLA compiles anything. An environment variable TF_XLA_FLAGS of the user wins.
    """
    flags = [
        os.environ.get(name, "")
        for name in ("XLA_FLAGS", "TF_NUM_INTRAOP_THREADS", "CUDA_VISIBLE_DEVICES")
    ]
    key = hash_json([importlib.metadata.version("tensorflow"), processor.features(), flags])
    folder = paths.user_cache() / f"xla-{key}"
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # another process may remove the same files
            files = sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime)
            for file in files[:-PROGRAMS]:
                file.unlink()
        if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > FREE_BYTES:
            os.environ.setdefault("TF_XLA_FLAGS", f"--tf_xla_persistent_cache_directory={folder}")
