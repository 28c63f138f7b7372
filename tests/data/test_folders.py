"""Folders of data sets: the one named, else that of the variable, else data."""

from pathlib import Path

import pytest

from brnn.data import images
from brnn.data.folders import data_folder
from brnn.errors import DataError

SHARE = 0.08333333  # 5,000 of 60,000


def test_the_folder_is_the_one_named_else_that_of_the_variable_else_data(tmp_path, monkeypatch):
    monkeypatch.delenv("BRNN_DATA", raising=False)
    assert data_folder("auto", "mnist") == Path("data/mnist")
    monkeypatch.setenv("BRNN_DATA", "")
    assert data_folder("auto", "mnist") == Path("data/mnist")
    monkeypatch.setenv("BRNN_DATA", str(tmp_path))
    assert data_folder("auto", "mnist") == tmp_path / "mnist"  # which does not exist
    (tmp_path / "mine").mkdir()
    assert data_folder(str(tmp_path / "mine"), "mnist") == tmp_path / "mine"


def test_a_named_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    absent = tmp_path / "mnits"
    for option in (images.mnist, images.fashion_mnist):
        with pytest.raises(
            DataError, match=rf"^dataset\.root must be a folder that exists, got {absent}$"
        ):
            option(root=str(absent), validation=SHARE, normalization="none")
    monkeypatch.setenv("BRNN_DATA", str(absent))
    with pytest.raises(DataError, match=rf"^BRNN_DATA must be a folder that exists, got {absent}$"):
        images.mnist(root="auto", validation=SHARE, normalization="none")


def test_a_named_folder_without_the_files_is_refused(tmp_path):
    for option in (images.mnist, images.fashion_mnist):
        with pytest.raises(
            DataError, match=rf"^dataset\.root must hold .*, got {tmp_path} with none of them$"
        ):
            option(root=str(tmp_path), validation=SHARE, normalization="none")
