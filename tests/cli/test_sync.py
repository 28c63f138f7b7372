"""`brnn sync` beside the delivery itself, which the tests of spools cover."""


def test_a_folder_without_spools_needs_no_server_and_no_heavy_import(light):
    done = light("sync", "elsewhere")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nothing to deliver in elsewhere\n"


def test_refused_records_are_an_error(command_line, tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "a.refused").touch()
    done = command_line(tmp_path, "sync")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "error: checkpoints/a.refused holds records that a server refused"
    )
