"""Shipped files are there also where the package is imported from a zip file."""

from __future__ import annotations

import importlib.resources
import zipfile
from pathlib import Path

import pytest

from dmrnet.studies import resources
from dmrnet.studies.resources import shipped_folder


def test_folders_of_a_package_in_a_zip_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, end in (("files", ".yaml"), ("printed", ".jsonl")):
        folder = shipped_folder(name)
        shipped = {path.name: path.read_bytes() for path in folder.glob(f"*{end}")}
        assert shipped
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for path in folder.iterdir():
                archive.write(path, f"{name}/{path.name}")
        packed = zipfile.Path(tmp_path / f"{name}.zip")
        monkeypatch.setattr(resources, "files", lambda _, packed=packed: packed)
        shipped_folder.cache_clear()
        copied = shipped_folder(name)
        assert copied != folder
        assert {path.name: path.read_bytes() for path in copied.glob(f"*{end}")} == shipped
        monkeypatch.setattr(resources, "files", importlib.resources.files)
        shipped_folder.cache_clear()
