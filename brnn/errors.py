"""Every exception of this package, and helpers for their messages."""

import difflib
import importlib.util
from collections.abc import Iterable

SIMILAR = 0.6  # of 1, that of equal names; less is no suggestion
TRACEBACK = "BRNN_TRACEBACK"  # environment variable: where it is set, errors have a traceback


class BrnnError(Exception):
    """Base class: catch it to catch every error that this package raises on purpose."""


class ConfigError(BrnnError, ValueError):
    """A configuration that cannot run; the message names the key, its value and what is valid."""


class AnnotationError(ConfigError):
    """An annotation outside the closed set; the message is the part that is not understood."""


class DataError(BrnnError, ValueError):
    """Data that cannot be read, or that no net could be trained on."""


class DownloadError(DataError):
    """A data set is not in the cache of Keras, and cannot be downloaded."""


class DataWarning(UserWarning):
    """The data are unusual; results may mislead."""


class PluginError(BrnnError, RuntimeError):
    """A function of a plugin failed; the message names its option, its file and the line."""

    _keras_call_info_injected = True  # else Keras adds the arguments of its layer to the message


class NonFiniteError(BrnnError, ValueError):
    """A loss, a weight, an optimizer variable or an adversarial pixel is infinite or NaN."""


class CacheError(BrnnError, OSError):
    """The cache of compiled programs cannot be read or written."""


class WorkerError(BrnnError, RuntimeError):
    """Another worker of a distributed run is lost, or did not connect in time."""


class TrackingError(BrnnError, RuntimeError):
    """The tracking store cannot be opened, read or written."""


class SolverError(BrnnError, RuntimeError):
    """A solver refuses a program, or its process has ended."""


class ProgramSizeError(SolverError):
    """A program is too large for memory."""


class AwayError(TrackingError):
    """The tracking server does not answer."""


class ComparisonError(BrnnError, ValueError):
    """Runs that cannot be compared as the command states; the message names what there is."""


class ExportError(BrnnError, RuntimeError):
    """An exported net computes something else than the net, or its file cannot be written."""


class PrunedError(BrnnError):
    """A sweeper has stopped a run early."""


class SweepError(BrnnError, RuntimeError):
    """Some jobs of a sweep failed."""


class LostJobError(BrnnError, RuntimeError):
    """A job of a sweep ended without a result."""


def require(package: str, key: str, extra: str) -> None:
    """Check that an optional package is installed.

    Args:
        package: the name that is imported.
        key: what needs it, as the user wrote it; for the message.
        extra: the extra of this package that installs it.

    Raises:
        ConfigError: `package` is not installed.
    """
    if importlib.util.find_spec(package) is None:
        raise ConfigError(
            f"{key} needs the package {package}, which is not installed:"
            f" pip install 'brnn[{extra}]'"
        )


def did_you_mean(given: str, valid: Iterable[str]) -> str:
    """Return the clause "; did you mean x?" for the most similar valid name, or nothing.

    If several are equally similar, it is the one whose length is nearest.
    """

    def similarity(name: str) -> tuple[float, int]:
        return difflib.SequenceMatcher(None, name, given).ratio(), -abs(len(name) - len(given))

    similar = max(valid, key=similarity, default="")
    return f"; did you mean {similar}?" if similarity(similar)[0] >= SIMILAR else ""
