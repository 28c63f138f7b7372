"""Functions of plugins, whose errors name file and line."""

import functools
import importlib
import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from brnn.errors import BrnnError, PluginError


@functools.cache
def plugin_function(group: str, module: str, name: str) -> Callable[..., Any]:
    """Return a function of a plugin whose errors, except those of this package, name its line.

    Args:
        group: the group of the option that names the function, for the message.
        module: the dotted name of its module.
        name: its name.

    Raises:
        PluginError: by the returned function, in place of what the plugin's raises.
    """
    function = getattr(importlib.import_module(module), name)
    package = Path(str(importlib.import_module(module.split(".")[0]).__file__))
    inside = str(package.parent) if package.name == "__init__.py" else str(package)
    defined = (inspect.getsourcefile(function), inspect.getsourcelines(function)[1])

    @functools.wraps(function)
    def located(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except BrnnError:
            raise
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            lines = [(f.filename, f.lineno) for f in frames if f.filename.startswith(inside)]
            file, line = lines[-1] if lines else defined  # it was not called as it states
            raise PluginError(
                f"{group}.name={module}.{name} failed at {file}:{line} ({type(error).__name__}:"
                f" {' '.join(str(error).split())})"
            ) from error

    return located
