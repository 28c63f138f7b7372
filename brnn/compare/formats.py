"""A comparison as Markdown, CSV and LaTeX."""

import csv
import io
import math

from brnn.compare import metrics as measures
from brnn.compare.comparison import Comparison
from brnn.compare.notes import versions
from brnn.compare.sentences import conclusions, constants, heading
from brnn.compare.table import best_groups, spread, wide_table

SPREAD = "mean ± standard deviation"
PAGE = "comparison.html"  # artifact of the run of a sweep
_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": "$<$", ">": "$>$", "±": r"$\pm$"}
)


def markdown(comparison: Comparison) -> str:
    """Return what is compared, the table, the conclusions and the notes."""
    return f"{_title(comparison)}\n\n{_markdown_table(comparison)}\n\n{_sentences(comparison)}\n"


def note(comparison: Comparison, command: str, longest: int) -> str:
    """Return the description of a sweep's run in Markdown, the table first, since the UI folds it.

    Args:
        comparison: of the sweep.
        command: what repeats it.
        longest: number of characters; whole lines are left out at the end.
    """
    parts = (
        _markdown_table(comparison),
        _title(comparison),
        f"`{command}`",
        _sentences(comparison),
    )
    text = "\n\n".join(parts)
    if len(text) <= longest:
        return text
    more = f"\n\n… more: artifact {PAGE}"
    return text[: longest - len(more)].rpartition("\n")[0] + more


def csv_text(comparison: Comparison) -> str:
    """Return one row per group and metric, with numbers at full precision."""
    names = ["metric", "n", "planned", "mean", "std", "low", "high", "best", "best_run"]
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([*comparison.keys, *names, measures.TRUSTED, "checked", "versions"])
    for group, summaries in zip(comparison.groups, comparison.table, strict=True):
        for metric, summary in summaries.items():
            best = summary.values[summary.best] if summary.best else math.nan
            run = group.runs[summary.best].id if summary.best else ""
            numbers = (summary.mean, summary.std, summary.low, summary.high, best)
            texts = ["" if math.isnan(value) else repr(value) for value in numbers]
            counts = (len(summary.values), group.planned)
            facts = (*measures.trusted(group), len(versions([group])))
            writer.writerow([*group.labels.values(), metric, *counts, *texts, run, *facts])
    return stream.getvalue()


def latex(comparison: Comparison) -> str:
    """Return a document of one page with the wide table, the best means in bold.

    The spread stands behind ±. The table fits the width of the page, and its lines are those of
    the package booktabs, or plain ones where it is not installed.
    """
    columns, rows = wide_table(comparison)
    first = columns.index("n") + 1
    shown = [[_escaped(cell) for cell in row] for row in rows]
    for offset, metric in enumerate(comparison.metrics):
        for index, table in enumerate(comparison.table):
            cell = _escaped(spread(table[metric]))
            bold = index in best_groups(comparison, metric)
            shown[index][first + offset] = rf"\textbf{{{cell}}}" if bold else cell
    body = " \\\\\n".join(" & ".join(row) for row in shown)
    alignment = "l" * len(comparison.keys) + "r" * (len(columns) - len(comparison.keys))
    head = " & ".join(_escaped(column) for column in columns)
    caption = _escaped(_title(comparison))
    return _DOCUMENT.format(alignment=alignment, head=head, body=body, caption=caption)


def _title(comparison: Comparison) -> str:
    return f"{heading(comparison)}; {SPREAD}"


def _markdown_table(comparison: Comparison) -> str:
    """Return the wide table, the best means in bold."""
    columns, rows = wide_table(comparison)
    first = columns.index("n") + 1
    for offset, metric in enumerate(comparison.metrics):
        for index in best_groups(comparison, metric):
            rows[index][first + offset] = f"**{rows[index][first + offset]}**"
    return "\n".join([_line(columns), "|---" * len(columns) + "|", *map(_line, rows)])


def _sentences(comparison: Comparison) -> str:
    texts = [*conclusions(comparison), *comparison.notes, *constants(comparison)]
    return "\n".join(f"- {text}" for text in texts)


_DOCUMENT = r"""\documentclass{{article}}
\usepackage[margin=2cm,landscape]{{geometry}}
\usepackage{{graphicx}}
\IfFileExists{{booktabs.sty}}{{\usepackage{{booktabs}}}}{{%
  \let\toprule\hline \let\midrule\hline \let\bottomrule\hline}}
\pagestyle{{empty}}
\begin{{document}}
\begin{{table}}
\centering
\caption{{{caption}}}
\resizebox{{\ifdim\width>\textwidth\textwidth\else\width\fi}}{{!}}{{%
\begin{{tabular}}{{{alignment}}}
\toprule
{head} \\
\midrule
{body} \\
\bottomrule
\end{{tabular}}}}
\end{{table}}
\end{{document}}
"""


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escaped(text: str) -> str:
    return text.translate(_LATEX)
