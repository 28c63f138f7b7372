"""Spools: files of records that a server has not accepted."""

import errno
import fcntl

from brnn.tracking.spool import append, emptied


def test_a_spool_works_on_a_file_system_without_locks(tmp_path, monkeypatch, capsys):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    spool, header = tmp_path / "spool.jsonl", {"uri": "http://127.0.0.1:9", "run": "1"}
    for epoch in range(3):
        append(spool, header, {"epoch": epoch})
    with emptied(spool) as content:
        assert content == (header, [{"epoch": epoch} for epoch in range(3)])
    (warning,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path} is on a file system without locks" in warning
