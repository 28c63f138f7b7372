"""`brnn verify`: whether a property of a net has a counterexample: a proof, or an input."""

import re
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from brnn.cli import failures
from brnn.cli.arguments import is_override, key_values, parse
from brnn.cli.help_page import comments, table
from brnn.cli.run_nets import load_net
from brnn.config import groups
from brnn.config.check_keys import check_keys
from brnn.config.environment import tracking_keys
from brnn.config.ranges import Positive
from brnn.config.signatures import parameters
from brnn.errors import BrnnError, ConfigError
from brnn.terminal import lines, tables
from brnn.terminal.progress import verify_progress

if TYPE_CHECKING:
    from brnn.proof.subjects import Subject
    from brnn.proof.verify import Question

EXAMPLES = """
  brnn verify net.onnx property.vnnlib.gz seconds=60 result=answer.txt
  brnn verify net.keras --image image.png --label 3 --epsilon 2 pixels=whole divisor=255
  brnn verify <run> --image image.png --label 3 --epsilon 4 --norm l0 pixels=whole
  brnn verify --instances instances.csv results=results.csv"""
ANSWERS = {
    "sat": "there is a counterexample, confirmed by the net itself; exit code 0",
    "unsat": "there is none, for any input of the box; exit code 0",
    "unknown": "neither a proof nor a counterexample that float32 confirms; exit code 3",
    "timeout": "undecided when time was up; exit code 3",
}
OTHER_CODES = "other exit codes: 2 for bad input or any other error, 130 after Ctrl-C"
BAD_INPUT, UNDECIDED = 2, 3  # exit codes
KEYS = parameters("brnn.proof.verify", "verify") | {
    "largest": Positive,
    "result": str | None,
    "results": str,
    "tracking.uri": str,
}
NORMS = ("linf", "l0", "l1", "l2")
RUN = re.compile("[0-9a-f]{32}")


def meanings() -> dict[str, str]:
    """Return the keys of the command, with what each means."""
    store = "the store of NET, if that is a run; by default MLFLOW_TRACKING_URI, or"
    return comments(file="verify") | {"tracking.uri": f"{store} sqlite:///mlflow.db"}


def parser() -> ArgumentParser:
    """Return the parser of the command's arguments."""
    result = ArgumentParser(
        prog="brnn verify",
        usage="brnn verify (NET SPEC | NET --image FILE --label N --epsilon E | --instances FILE)"
        " [key=value …]",
        description=str(__doc__).partition(": ")[2],
        epilog=f"keys:\n{table(meanings())}\n\nanswers:\n{table(ANSWERS)}\n  {OTHER_CODES}"
        f"\n\nexamples:{EXAMPLES}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    result.add_argument(
        "words",
        nargs="*",
        metavar="NET SPEC",
        help="a net (.onnx, .keras, .npz, or the id of a run) and a property (.vnnlib)",
    )
    result.add_argument("--image", metavar="FILE", help="an image (.npy, .png), in place of SPEC")
    result.add_argument("--label", metavar="N", help="its class")
    result.add_argument("--epsilon", metavar="E", help="budget, in the unit of pixels; l0: a count")
    result.add_argument("--norm", default="linf", choices=NORMS, help="of the budget")
    result.add_argument(
        "--minimal", action="store_true", help="seek the smallest budget, beginning with E or 1"
    )
    result.add_argument("--instances", metavar="FILE", help="a CSV of net,property,seconds")
    return result


def main(arguments: list[str]) -> None:
    """Decide the properties of a command line, and end with the exit code of the answer."""
    with failures.in_one_line("stopped", BAD_INPUT):
        given = parse(parser(), arguments)
        files = [word for word in given.words if not is_override(word)]
        keys = _keys([word for word in given.words if is_override(word)])
        if given.instances:
            if files or given.image:
                raise ConfigError("--instances names all nets and properties; leave out others")
            if keys["result"] or keys["program"]:
                raise ConfigError(
                    "result and program are of one property; leave them out with --instances"
                )
            statuses = _benchmark(Path(given.instances), keys)
        else:
            statuses = [_single(files, given, keys)]
        undecided = {*statuses} - {"sat", "unsat"}
        sys.exit(BAD_INPUT if "error" in undecided else UNDECIDED if undecided else 0)


def _single(files: list[str], given: Namespace, keys: dict[str, Any]) -> str:
    """Decide one property, print the answer and a table, and return the answer."""
    if len(files) != (1 if given.image else 2):
        raise ConfigError("brnn verify needs NET and SPEC, or NET and --image; --help has examples")
    if not given.image and (given.minimal or given.label or given.epsilon):
        raise ConfigError("--label, --epsilon and --minimal need --image; a SPEC has its own box")
    if given.minimal and keys["program"]:
        raise ConfigError(f"program={keys['program']} solves nothing; leave out --minimal")
    spec = _question(given, keys["largest"]) if given.image else Path(files[1])
    shown = given.image or files[1]
    net = Path(files[0])
    if not net.exists() and RUN.fullmatch(files[0]):
        verdict, row = _decided(_of_run(files[0], keys), spec, shown, keys, keys["result"])
    else:
        verdict, row = _decided(net, spec, shown, keys, keys["result"])
    lines.note(verdict)
    _table([row])
    return verdict


def _benchmark(path: Path, keys: dict[str, Any]) -> list[str]:
    """Decide the rows of a benchmark that its table of results lacks; print and return them all."""
    from brnn.proof import instances

    results = Path(keys["results"])
    done = instances.finished(results)
    rows = []
    try:
        for net, spec, seconds in instances.read(path):
            if (net, spec) in done:
                row = done[net, spec]
            else:
                names = f"{Path(net).stem}_{Path(spec).name.partition('.vnnlib')[0]}"
                witness = f"{results.with_suffix('')}_{names}.txt"
                limits = keys | {"seconds": seconds}
                try:
                    _, row = _decided(path.parent / net, path.parent / spec, spec, limits, witness)
                except BrnnError as error:
                    lines.warning(f"{net}, {spec}: {error}")
                    row = instances.failed(net, spec)
                else:
                    row[0] = net
                    instances.append(results, row)
            rows.append(row)
    finally:  # also after Ctrl-C
        if rows:
            _table(rows)
            lines.note(f"results: {results}")
    return [row[2] for row in rows]


def _decided(
    net: "Path | Subject",
    spec: "Path | Question",
    shown: str,
    keys: dict[str, Any],
    result: str | None,
) -> tuple[str, list[str]]:
    """Return the answer to one property, and its row; write the file of the result."""
    from brnn.proof import instances
    from brnn.proof.verify import verify

    options = {key: keys[key] for key in parameters("brnn.proof.verify", "verify")}
    with verify_progress(Path(shown).name) as on_progress:
        verdict, text = verify(net, spec, on_progress, **options)
    if verdict.note:
        lines.warning(f"{shown}: {verdict.note}")
    if verdict.radius:
        low, high = verdict.radius
        known = "proved" if verdict.proved else "not proved to be the smallest"
        larger = f"a change of {high:g} does ({known})" if high < float("inf") else "none is found"
        smaller = f"no change of up to {low:g} has a counterexample; {larger}"
        lines.note(smaller if high else "the image itself is a counterexample")
    if result:
        Path(result).write_text(text)
    name = str(net) if isinstance(net, Path) else net.name
    return verdict.status, instances.row(name, shown, verdict)


def _of_run(run: str, keys: dict[str, Any]) -> "Subject":
    """Return the net of a run, which takes grey levels if its data are bytes."""
    options, weights, data = load_net(run, keys["tracking.uri"])
    from brnn.data.pixels import LARGEST_BYTE
    from brnn.nets.models import model_with_weights
    from brnn.nets.task import task_of
    from brnn.proof.keras_net import KerasNet

    model = model_with_weights(options, task_of(data), "identity", weights)
    return KerasNet(run, model, LARGEST_BYTE if data.test[0].dtype == "uint8" else 1.0)


def _question(given: Namespace, largest: float) -> "Question":
    from brnn.proof.verify import Question

    try:
        label, epsilon = int(given.label), float(given.epsilon or (1.0 if given.minimal else ""))
    except (TypeError, ValueError):
        raise ConfigError(
            "--image needs --label, a whole number, and --epsilon, a number;"
            f" got {given.label} and {given.epsilon}"
        ) from None
    if not epsilon > 0:
        raise ConfigError(f"--epsilon must be above 0, got {epsilon:g}")
    if given.norm == "l0" and not epsilon.is_integer():
        raise ConfigError(f"--epsilon is a number of pixels in l0, a whole one, got {epsilon:g}")
    return Question(Path(given.image), label, epsilon, given.norm, largest, given.minimal)


def _keys(words: list[str]) -> dict[str, Any]:
    """Return all keys of the command, by default those of `conf/verify.yaml`.

    Raises:
        ConfigError: a key is unknown, or a value is not valid.
    """
    given = key_values("brnn verify", words, meanings())
    defaults = groups.option("", "verify") | {"tracking.uri": tracking_keys()["uri"]}
    keys = defaults | {k: _value(text) for k, text in given.items()}
    check_keys("verify", keys, KEYS)
    return keys


def _value(text: str) -> Any:
    """Return the value that a text states; YAML would read 2e-05 as text."""
    try:
        return float(text)
    except ValueError:
        return yaml.safe_load(text)


def _table(rows: list[list[str]]) -> None:
    from brnn.proof.instances import COLUMNS

    tables.statistics_table("cases excluded by each method, and open", COLUMNS, rows, keys=3)
