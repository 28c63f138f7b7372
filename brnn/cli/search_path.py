"""Folders of options besides that of the package: `--config-dir` and `hydra.searchpath`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser

from brnn import paths
from brnn.errors import ConfigError

KEY, FILE = "hydra.searchpath=", "file://"


def check(config_dir: str | None, words: Sequence[str]) -> None:
    """Check that Hydra does not pass over a file of the user for one of the package.

    Hydra searches the package first, so that a file of the same path in another folder has no
    effect. An equal copy is harmless.

    Args:
        config_dir: the value of the flag `--config-dir`.
        words: the overrides of the command line.

    Raises:
        ConfigError: a file would not be read.
    """
    folders = [Path(config_dir)] if config_dir else []
    for folder in (*folders, *_searched(words)):
        for file in sorted(folder.rglob("*.yaml")):
            path = file.relative_to(folder)
            packaged = paths.conf() / path
            if packaged.is_file() and packaged.read_bytes() != file.read_bytes():
                raise ConfigError(
                    f"{file} would not be read, since brnn has a file {path} of its own, which"
                    " Hydra finds first; give it a name that is not taken, as"
                    f" {path.with_stem(f'my_{path.stem}')}"
                )


def _searched(words: Iterable[str]) -> Iterable[Path]:
    """Return the folders of the override `hydra.searchpath`."""
    for word in words:
        if word.startswith(KEY):
            for uri in OverridesParser.create().parse_override(word).value() or ():  # type: ignore[union-attr]
                if str(uri).startswith(FILE) or "://" not in str(uri):
                    yield Path(str(uri).removeprefix(FILE))
