"""What the docstrings, docs/python.md and the stub of the extension say is what is there."""

import ast
import doctest
import importlib
import os

import pytest
from conftest import SOURCE

from narrow import _narrow


@pytest.mark.parametrize("name", ["_arrays", "_checkpoints", "_jobs", "_networks"])
def test_docstrings(name):
    result = doctest.testmod(importlib.import_module(f"narrow.{name}"))
    assert result.attempted > 0 and result.failed == 0


def test_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = os.path.join(SOURCE, "docs/python.md")
    result = doctest.testfile(page, module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0


def test_the_stub_has_the_names_of_the_extension():
    tree = ast.parse((SOURCE / "python/narrow/_narrow.pyi").read_text())
    known = {}
    for one in tree.body:
        if isinstance(one, (ast.ClassDef, ast.FunctionDef)):
            known[one.name] = [
                m.name for m in getattr(one, "body", []) if isinstance(m, ast.FunctionDef)
            ]
        elif isinstance(one, ast.AnnAssign):
            known[one.target.id] = []
    assert set(known) == {name for name in dir(_narrow) if not name.startswith("_")}
    for name, members in known.items():
        assert set(members) <= set(dir(getattr(_narrow, name))), name
