"""Jobs of a sweep without a run."""

import json  # noqa: F401  by an expression of an Errand
import os  # noqa: F401  by an expression of an Errand
from dataclasses import dataclass

from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import OverrideParseException  # noqa: F401  by an expression of an Errand

from brnn.config.objective import Outcome  # noqa: F401  by an expression of an Errand
from brnn.terminal import lines, progress  # noqa: F401  by an expression of an Errand


@dataclass(frozen=True)
class Errand:
    """A job that evaluates an expression."""

    overrides: list
    expression: str

    def __call__(self):
        """Evaluate the expression; nothing is a completed job."""
        completed = JobReturn(overrides=self.overrides, status=JobStatus.COMPLETED)
        return eval(self.expression) or completed
