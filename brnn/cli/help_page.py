"""The help page, generated from `conf/`: a new option or key is on it without further work.

The comments of `conf/config.yaml` explain each group and key.
"""

import re
import textwrap
from collections.abc import Mapping

import yaml

from brnn import paths
from brnn.cli.commands import COMMANDS
from brnn.config import groups
from brnn.config.environment import resolved

WIDTH = 100  # columns
INDENT = 2
GAP = 2  # columns between a name and its meaning
TITLE = "brnn: train, discretize and attack one net, or a sweep of them, and track every run"
TRAINING = {
    "brnn [key=value …]": "train one net, attack it and track the run",
    "brnn key=value,value … --multirun": "sweep: one run for each combination of the values",
}
EXAMPLES = {
    "brnn topology=mlp estimator=ste epochs=10": "a binarized net",
    "brnn estimator=ste,chernoff seed=range(3) --multirun": "a sweep",
    "brnn topology=deep attack=pgd attack.epsilon=0.05": "a stronger attack",
}
FLAGS = {
    "--multirun, -m": "run a sweep",
    "--cfg job": "print the whole configuration, and run nothing",
    "--help, -h": "print this page; brnn compare --help and other commands print theirs",
    "--hydra-help": "print the flags of Hydra, which composes the configuration",
    "--version": "print the version",
}
VARIABLES = {
    "BRNN_DATA": "folder of data files; else ./data",
    "BRNN_TRACEBACK": "where it is set, an error shows its traceback",
}
COMPLETION = 'eval "$(brnn -sc install=bash)"'


def text() -> str:
    """Return the help page."""
    others = {f"brnn {name} {words}".rstrip(): what for name, (words, what) in COMMANDS.items()}
    sections = {
        "Commands": table(TRAINING | others),
        "Examples": table(EXAMPLES),
        "Groups, as group=option (an option's own keys: group.key=value)": table(_groups()),
        "Keys, as key=value": table(_keys()),
        "Flags": table(FLAGS),
        "Environment variables": table(VARIABLES),
        "Shell completion": f"{' ' * INDENT}{COMPLETION}",
    }
    return "\n\n".join([TITLE, *(f"{title}\n{body}" for title, body in sections.items())])


def table(rows: Mapping[str, str]) -> str:
    """Return names and meanings in two columns, folded at `WIDTH` columns between words."""
    column = INDENT + max(map(len, rows)) + GAP
    lines = []
    for name, meaning in rows.items():
        start = f"{'':{INDENT}}{name}".ljust(column)
        lines += textwrap.wrap(
            meaning,
            WIDTH,
            initial_indent=start,
            subsequent_indent=" " * column,
            break_long_words=False,
            break_on_hyphens=False,
        ) or [start.rstrip()]
    return "\n".join(lines)


def comments(section: str = "", file: str = "config") -> dict[str, str]:
    """Return the keys of a file of `conf/`, at its root or in one section, with their comments."""
    indent = "  " if section else ""
    inside, keys = not section, {}
    for line in (paths.conf() / f"{file}.yaml").read_text().splitlines():
        if section and not line.startswith(" "):
            inside = line.startswith(f"{section}:")
        elif inside and (key := re.match(rf"{indent}(\w+): \S.*? # (.+)", line)):
            keys[key[1]] = key[2]
    return keys


def _keys() -> dict[str, str]:
    """Return the keys of the root and of its sections, with defaults and meanings."""
    config = groups.option("", "config")
    keys = {f"{key}={_plain(config[key])}": meaning for key, meaning in comments().items()}
    for section in ("tracking", "sample", "export"):
        keys |= {
            f"{section}.{key}={_plain(resolved(config[section][key], {}))}": meaning
            for key, meaning in comments(section).items()
        }
    return keys


def _plain(value: object) -> str:
    """Return a value as it stands on a command line."""
    return yaml.safe_dump(value, default_flow_style=True).removesuffix("...\n").strip()


def _groups() -> dict[str, str]:
    """Return each group with its options, the default first, and with its meaning."""
    rows = {}
    source = (paths.conf() / "config.yaml").read_text()
    for line in source.partition("\n\n")[0].splitlines()[1:]:
        entry = re.match(r"  - (?:override )?([\w/@]+): (\w+)(?: # (.+))?", line)
        if entry and (folder := paths.conf() / entry[1].partition("@")[0]).is_dir():
            names = sorted(path.stem for path in folder.glob("*.yaml"))
            default = [f"{entry[2]} (default)"] if entry[2] in names else []
            others = [name for name in names if name != entry[2]]
            meaning = f"{entry[3]}: " if entry[3] else ""
            rows[entry[1]] = meaning + ", ".join(default + others)
    listed = {group: ", ".join(groups.names(group)) for group in groups.LISTED}
    return rows | {
        group: f"named by export.formats and brnn export: {names}"
        for group, names in listed.items()
    }
