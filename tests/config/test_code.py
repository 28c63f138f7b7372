"""The code of modules, as it is kept in the user's cache."""

import json
import subprocess
import sys

import pytest

from brnn.config import code, signatures

SAVE = "from brnn.config import code; code.code_of('brnn.data.images'); code.save()"
ASK = "from brnn.config import code; print(code.code_of('brnn.data.images').digest)"
MODULE = "brnn.data.images"


@pytest.fixture
def new_cache(monkeypatch, tmp_path):
    """An empty cache, which this process and others use."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    _forget()
    yield tmp_path / "brnn"
    monkeypatch.undo()
    _forget()


def _forget():
    code.code_of.cache_clear()
    code._stored.cache_clear()
    code._parsed.cache_clear()


def kept(folder):
    (file,) = folder.glob("code-*.json")
    return file


def test_a_later_process_takes_what_an_earlier_one_found(new_cache):
    found = code.code_of(MODULE)
    code.save()
    content = json.loads(kept(new_cache).read_text())
    assert [tuple(entry) for entry in content.values()] == [(found.digest, found.imported)]
    (key,) = content
    kept(new_cache).write_text(json.dumps({key: ["kept", []]}))
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "kept\n"


DAMAGED = ["", "{", "[]", "3", '{"a": 1}', '{"a": ["b"]}', '{"a": null}', "[" * 100_000]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_written_anew(new_cache, content):
    found = code.code_of(MODULE)
    code.save()
    whole = kept(new_cache).read_text()
    kept(new_cache).write_text(content)
    _forget()
    assert code.code_of(MODULE) == found
    code.save()
    assert kept(new_cache).read_text() == whole


def test_what_other_processes_save_meanwhile_stays(new_cache):
    code.code_of("brnn.paths")
    subprocess.run([sys.executable, "-c", SAVE], check=True)
    code.save()
    assert len(json.loads(kept(new_cache).read_text())) == 2


def test_nothing_is_written_where_nothing_was_parsed(new_cache, monkeypatch):
    monkeypatch.setattr(code, "KEPT", 2)
    for module in ("brnn.paths", "brnn.errors", MODULE):
        code.code_of(module)
    code.save()
    file = kept(new_cache)
    file.write_text(file.read_text() + " ")
    code.save()
    assert file.read_text().endswith(" ")


def test_a_parser_that_is_edited_while_it_runs_saves_under_its_own_name(new_cache, monkeypatch):
    code.code_of(MODULE)
    code.save()
    original = signatures.source
    monkeypatch.setattr(signatures, "source", lambda module: original(module) + "\n")
    code.code_of("brnn.paths")
    code.save()
    assert len(json.loads(kept(new_cache).read_text())) == 2


def test_a_relative_import_is_one_of_the_package_that_holds_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    for package in ("first_lab", "second_lab"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        (tmp_path / package / "inner.py").write_text("from .other import x\n")
    imported = [code.code_of(f"{name}_lab.inner").imported for name in ("first", "second")]
    assert imported == [["first_lab.other.x"], ["second_lab.other.x"]]


def test_the_oldest_are_dropped(new_cache, monkeypatch):
    monkeypatch.setattr(code, "KEPT", 2)
    for module in ("brnn.paths", "brnn.errors", MODULE):
        code.code_of(module)
    code.save()
    digests = [digest for digest, _ in json.loads(kept(new_cache).read_text()).values()]
    assert digests == [code.code_of("brnn.errors").digest, code.code_of(MODULE).digest]


def test_a_cache_that_cannot_be_written_is_no_error(new_cache):
    new_cache.write_text("a file in the place of the folder")
    assert code.code_of(MODULE).digest
    code.save()


def test_an_edit_changes_the_digest_and_a_comment_does_not(new_cache, tmp_path, monkeypatch):
    file = tmp_path / "lab_of_code.py"
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for text in ("X = 1\n", "X = 2\n", "# two\nX  =  2\n", '"""Two."""\nX = 2\n'):
        file.write_text(text)
        code.code_of.cache_clear()
        digests.append(code.code_of("lab_of_code").digest)
    file.write_text("X = 3\n")
    assert code.code_of("lab_of_code").digest == digests[-1]  # that of the code that runs
    first, *same = digests
    assert first not in same
    assert len(set(same)) == 1
