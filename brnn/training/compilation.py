"""The compilation of a program's training steps, before any of them counts."""

import os
import re
from typing import Any

import tensorflow as tf

from brnn.errors import CacheError, ConfigError
from brnn.training.program import Program, Sums


def compile_steps(program: Program, arguments: list[Any], sums: Sums, is_first: bool) -> None:
    """Compile the training steps of a program by a call that leaves its state as it is.

    In a program that is clustered, XLA compiles each part when it first runs. So one step is
    trained, and undone.

    Args:
        program: the net.
        arguments: those of `Program.train` that are the same for all pieces of an epoch.
        sums: those before the first step.
        is_first: whether parts may not be compiled yet.

    Raises:
        ConfigError: XLA has no form of an operation.
        CacheError: XLA cannot read or write its cache of compiled programs.
    """
    trained = int(program.clustered and is_first)
    state = program.state() if trained else []
    try:
        program.train(*arguments, tf.constant(0), tf.constant(trained), sums)
    except (
        tf.errors.OutOfRangeError,
        tf.errors.InvalidArgumentError,
        tf.errors.ResourceExhaustedError,
    ) as error:
        if unsupported := sorted(set(re.findall(r"\{\{node ([^}]*)\}\}", str(error)))):
            raise ConfigError(
                f"XLA has no form of {', '.join(unsupported)} (layer and operation): use"
                " compiled=False, with which TensorFlow's graph mode runs the steps"
            ) from error
        cache = os.environ.get("TF_XLA_FLAGS", "").partition("persistent_cache_directory=")[2]
        if not cache:
            raise
        raise CacheError(
            f"{error.message}; if the cache of compiled programs is the cause, remove {cache}"
        ) from error
    if trained:
        program.restore(state)
