"""Files are written whole or not at all; a kill and a full disk: tests/training, tests/cli."""

from contextlib import suppress

from brnn.writing import whole


def test_a_writer_that_fails_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "page.html"
    with whole(path) as file:
        file.write(b"first")
        assert not path.exists()
    with suppress(UnicodeEncodeError), whole(path) as file:
        file.write(b"second")
        file.write("\ud800".encode())
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_writers_of_one_path_do_not_mix(tmp_path):
    path = tmp_path / "net.npz"
    with whole(path, "a") as first, whole(path, "b") as second:
        first.write(b"first")
        second.write(b"second")
    assert path.read_bytes() == b"first"  # the outer one ends last
    assert list(tmp_path.iterdir()) == [path]
