"""Folders to search: with empty files, and ones that cannot be read."""

import os
from pathlib import Path

import pytest


def touch(folder: Path, *names: str) -> None:
    """Writes empty files into a folder and its subfolders."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def close(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Lets the system refuse to list folders of that name, as it does to anybody but root."""
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == name:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
