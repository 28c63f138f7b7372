"""The cache of compiled programs: the user's flags win, and old programs are removed."""

import os

from brnn.cli import compile_cache


def test_flags_of_the_user_win(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=0")
    compile_cache.keep_compiled()
    assert os.environ["TF_XLA_FLAGS"] == "--tf_xla_auto_jit=0"


def test_other_flags_of_xla_have_programs_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for flags in ("", "--xla_cpu_enable_fast_math=true"):
        monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
        monkeypatch.setenv("XLA_FLAGS", flags)
        compile_cache.keep_compiled()
        assert os.environ["XLA_FLAGS"] == flags
    assert len(list((tmp_path / "brnn").iterdir())) == 2


def test_the_last_programs_are_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    compile_cache.keep_compiled()
    (folder,) = (tmp_path / "brnn").iterdir()
    assert os.environ["TF_XLA_FLAGS"] == f"--tf_xla_persistent_cache_directory={folder}"
    for number in range(compile_cache.PROGRAMS + 3):
        (folder / f"{number}.pb").touch()
        os.utime(folder / f"{number}.pb", (number, number))
    compile_cache.keep_compiled()
    kept = {path.stem for path in folder.iterdir()}
    assert kept == {str(number) for number in range(3, compile_cache.PROGRAMS + 3)}


def test_a_cache_that_cannot_be_written_is_not_used(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("TF_XLA_FLAGS", raising=False)
    compile_cache.keep_compiled()
    assert "TF_XLA_FLAGS" not in os.environ
