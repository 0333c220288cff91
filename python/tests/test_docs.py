"""What the docstrings and docs/python.md show is what happens."""
import doctest
import importlib
import os

import pytest

from conftest import SOURCE


@pytest.mark.parametrize("name", ["_arrays", "_checkpoints", "_jobs"])
def test_docstrings(name):
    result = doctest.testmod(importlib.import_module(f"narrow.{name}"))
    assert result.attempted > 0 and result.failed == 0


def test_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = os.path.join(SOURCE, "docs/python.md")
    result = doctest.testfile(page, module_relative=False, optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0 and result.failed == 0
