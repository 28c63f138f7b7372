"""What a run prints when it fails or ends."""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from brnn.paths import masked
from brnn.terminal import lines, tables
from brnn.tracking.reading import run_page, ui_base
from brnn.tracking.run import Run
from brnn.tracking.store import Store


@contextmanager
def part_of(tracked: Run, part: str) -> Iterator[None]:
    """Name a part of a run; where one after the training fails, print how to repeat it.

    Args:
        tracked: the run.
        part: `training`, `attack` or `artifacts`.
    """
    tracked.part = part
    try:
        yield
    except Exception:
        if part != "training":
            lines.note(
                f"the trained net is kept; the same command with resume=true repeats the {part}"
            )
        raise


def show_results(name: str, metrics: dict[str, float], store: Store, run_id: str) -> None:
    """Print the table of a finished run, its id, and what opens its page in the MLflow UI."""
    hint = f"run={run_id}\n{_opening(store, run_id)}"
    tables.results_table(name, metrics, seconds=metrics["time/seconds"], hint=hint)


def description(verdict: str, metrics: Mapping[str, float]) -> str:
    """Return the description of an attacked run, Markdown: its verdict and its attacks.

    Args:
        verdict: the tag `trusted` of the run.
        metrics: those of its attacks.
    """
    attacks, rows = tables.attack_rows(metrics)
    cells = [["", *attacks], ["---", *["---:"] * len(attacks)], *rows]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"**{_sentence(verdict)}**\n\n{table}"


def show_verdict(verdict: str, job: str) -> None:
    """Print whether a robust accuracy can be trusted.

    Args:
        verdict: the tag `trusted` of the run: `yes`, or a sentence with what is wrong.
        job: the name of the run in a sweep, else empty.
    """
    lines.verdict(f"{job}  {_sentence(verdict)}".lstrip(), verdict == "yes")


def _opening(store: Store, run_id: str) -> str:
    """Return the address of a run's page at a tracking server, or the command that opens it."""
    if store.uri.startswith(("http://", "https://")):
        return ui_base(store.uri) + run_page(store.experiment_id, run_id)
    return f"brnn ui run={run_id} tracking.uri={shlex.quote(masked(store.uri))}"


def _sentence(verdict: str) -> str:
    return "trusted: yes" if verdict == "yes" else verdict
