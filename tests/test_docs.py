"""README and docs: blocks run, commands compose, links lead somewhere, references are fresh."""

import re
import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from support.processes import Process

from brnn.cli import commands
from brnn.config.check import check
from docs.reference import generate

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("experiments/*/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
README_BYTES = 7000


def blocks(page: Path, language: str) -> list[str]:
    return [code for kind, code in FENCE.findall(page.read_text()) if kind == language]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_readme_is_a_front_page():
    assert len((ROOT / "README.md").read_bytes()) <= README_BYTES


def test_the_library_example_of_the_readme_is_short():
    (example,) = blocks(ROOT / "README.md", "python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 12


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=name)
def test_the_python_of_a_page_runs_as_printed(page, tmp_path):
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page, "python")))
    process = Process(tmp_path, [str(script)])
    _, err = process.communicate()
    assert process.wait() == 0, err


COMMANDS = [
    (name(page), command)
    for page in PAGES
    for code in blocks(page, "bash")
    for line in code.replace("\\\n", " ").splitlines()
    if (command := line.partition(" #")[0].strip()).startswith("brnn ") and "$" not in command
]


@pytest.mark.parametrize(("page", "command"), COMMANDS, ids=[c for _, c in COMMANDS])
def test_the_configuration_of_a_command_is_valid(composed, page, command):
    words = [word for word in shlex.split(command)[1:] if word != "--multirun"]
    if words[0] in commands.COMMANDS or any(word.startswith("-") for word in words):
        return
    overrides = OverridesParser.create().parse_overrides(words)
    first = [
        f"{o.get_key_element()}={next(iter(o.sweep_string_iterator()))}"
        if o.is_sweep_override() and o.is_discrete_sweep()
        else o.input_line
        for o in overrides
        if not o.get_key_element().startswith("hydra") and not o.is_interval_sweep()
    ]
    check(composed(*first))


def anchors(page: Path) -> set[str]:
    text = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page):
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


def test_the_options_page_is_fresh():
    assert (ROOT / "docs/reference/options.md").read_text() == generate.options_page()


def test_the_metrics_page_is_fresh():
    assert (ROOT / "docs/reference/metrics.md").read_text() == generate.metrics_page()


def test_every_key_of_a_configuration_is_explained():
    unexplained = [
        line
        for path in (ROOT / "conf").rglob("*.yaml")
        for line in generate.keys_without_comment(path)
    ]
    assert not unexplained


def test_the_reader_of_levels_is_printed_as_it_is_and_short():
    reader = (ROOT / "brnn/exchange/levels_reader.py").read_text()
    assert reader in blocks(ROOT / "docs/how-to/export.md", "python")
    assert len(reader.splitlines()) <= 40
    imports = re.findall(r"^(?:import|from) (\w+)", reader, re.MULTILINE)
    assert set(imports) == {"numpy"}
