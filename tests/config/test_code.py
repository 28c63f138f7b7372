"""The code of modules, as it is kept in the user's cache."""

import json
import subprocess
import sys

import pytest

from brnn.config import code

ASK = "from brnn.config import code; print(code.code('brnn.data.images').digest); code.keep()"
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
    code.code.cache_clear()
    code._known.cache_clear()


def kept(folder):
    (file,) = folder.glob("code-*.json")
    return file


def test_a_later_process_takes_what_an_earlier_one_found(new_cache):
    found = code.code(MODULE)
    code.keep()
    content = json.loads(kept(new_cache).read_text())
    assert [tuple(entry) for entry in content.values()] == [(found.digest, found.imported)]
    (key,) = content
    kept(new_cache).write_text(json.dumps({key: ["kept", []]}))
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "kept\n"


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": 1}', '{"a": ["b"]}', '{"a": null}'])
def test_a_damaged_file_is_written_anew(new_cache, content):
    found = code.code(MODULE)
    code.keep()
    kept(new_cache).write_text(content)
    _forget()
    assert code.code(MODULE) == found
    code.keep()
    assert json.loads(kept(new_cache).read_text())


def test_what_other_processes_kept_meanwhile_stays(new_cache):
    code.code(MODULE)
    code.keep()
    _forget()
    code._known().clear()
    code.code("brnn.paths")
    code.keep()
    assert len(json.loads(kept(new_cache).read_text())) == 2


def test_the_oldest_are_dropped(new_cache, monkeypatch):
    monkeypatch.setattr(code, "KEPT", 2)
    for module in ("brnn.paths", "brnn.errors", MODULE):
        code.code(module)
    code.keep()
    digests = [digest for digest, _ in json.loads(kept(new_cache).read_text()).values()]
    assert digests == [code.code("brnn.errors").digest, code.code(MODULE).digest]


def test_a_cache_that_cannot_be_written_is_no_error(new_cache):
    new_cache.write_text("a file in the place of the folder")
    assert code.code(MODULE).digest
    code.keep()


def test_an_edited_module_has_another_digest_and_a_comment_none(new_cache, tmp_path, monkeypatch):
    file = tmp_path / "lab_of_code.py"
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for text in ("X = 1\n", "X = 2\n", "# two\nX  =  2\n", '"""Two."""\nX = 2\n'):
        file.write_text(text)
        code.code.cache_clear()
        digests.append(code.code("lab_of_code").digest)
    first, *same = digests
    assert first not in same
    assert len(set(same)) == 1
