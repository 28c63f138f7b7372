"""What the name of a metric may be."""

import posixpath
import re
from collections.abc import Iterable

from brnn.errors import ConfigError
from brnn.tracking.records import NAME

VALID = re.compile(rf"[/\w.\- :]{{1,{NAME}}}")


def check_metric_names(names: Iterable[str]) -> None:
    """Check that MLflow accepts names of metrics, which it refuses as late as they are logged.

    Raises:
        ConfigError: it would refuse one.
    """
    for name in names:
        as_path = posixpath.normpath(name)
        if (
            not VALID.fullmatch(name)
            or as_path != name
            or name == "."
            or name.startswith(("..", "/"))
        ):
            raise ConfigError(
                f"the name of a metric must have at most {NAME} letters, digits, spaces and"
                f" characters of /_-.: and be a relative path, got {name!r}; rename the layer or"
                " the member of an attack that it is made of"
            )
