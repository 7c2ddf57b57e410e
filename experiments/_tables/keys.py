"""What a job's result depends on: arguments, data, files and the program, as one hash."""

import ast
import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import drujax
from drujax.runtime.fingerprint import fingerprint

PACKAGE = Path(drujax.__file__).parent
# The packages of drujax that determine the result of a job of each kind.
TRAINING = ("pictures", "data", "models", "weights", "losses", "uncertainty", "training", "methods")
SCORING = (*TRAINING, "metrics", "enhance", "score")


def key(packages: Sequence[str], **parts: Any) -> str:
    """Returns a hash of JSON values, and of the packages' program code. Paths stand for the contents of their files."""
    plain = {name: fingerprint(part) if isinstance(part, Path) else part for name, part in parts.items()}
    content = json.dumps({**plain, "code": code(tuple(packages))}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


@functools.cache
def data_key(dataset: Path) -> str:
    """Returns a hash of a dataset's records and settings; its pictures enter these by their own hashes."""
    return fingerprint(dataset / "dataset.json") + fingerprint(dataset / "records.csv")


@functools.cache
def code(packages: tuple[str, ...]) -> str:
    """Returns a hash of the packages' program code: comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for package in packages:
        for file in sorted((PACKAGE / package).rglob("*.py")):
            digest.update(file.relative_to(PACKAGE).as_posix().encode())
            digest.update(ast.dump(_without_docstrings(ast.parse(file.read_bytes()))).encode())
    return digest.hexdigest()


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return tree
