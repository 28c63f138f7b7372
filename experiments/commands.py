"""The command line of a study."""

import argparse
import sys


def arguments(usage: str, **defaults: str | int | tuple[str, ...]) -> list:
    """Return the positional arguments of a command, in the order and types of their defaults.

    `--help` prints the usage.

    Args:
        usage: the docstring of the command's module.
        defaults: by the name of the argument; a tuple takes all remaining words.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {sys.modules['__main__'].__spec__.name}",
        description=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default in defaults.items():
        rest = isinstance(default, tuple)
        parser.add_argument(
            name,
            nargs="*" if rest else "?",
            type=str if rest else type(default),
            default=default,
            help=f"default: {' '.join(default) if rest else default or 'none'}",
        )
    return list(vars(parser.parse_args()).values())
