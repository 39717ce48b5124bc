"""torchvision beside a torch that it was not compiled for."""

import importlib
import sys

import pytest

from progan_style import vision


def first_import_fails(monkeypatch, message):
    """As a mixed build does at its first import; later ones are the real one. Returns what was asked for."""
    asked, real = [], importlib.import_module

    def import_module(name):
        asked.append(name)
        if len(asked) == 1:
            raise RuntimeError(message)
        return real(name)

    monkeypatch.setattr(vision.importlib, "import_module", import_module)
    return asked


def test_the_two_operators_that_are_missing_are_declared_and_the_import_made_again(monkeypatch):
    declared = []

    class Library:
        def __init__(self, namespace, kind):
            assert (namespace, kind) == ("torchvision", "FRAGMENT")

        def define(self, schema):
            declared.append(schema.partition("(")[0])

    for name in [n for n in sys.modules if n.split(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)  # put back afterwards: its operators register once only
    monkeypatch.setitem(sys.modules, "torchvision.half", object())  # what the failed import left behind
    whole = object()
    asked = first_import_fails(monkeypatch, "operator torchvision::nms does not exist")
    again = vision.importlib.import_module
    monkeypatch.setattr(vision.importlib, "import_module", lambda name: again(name) if not asked else whole)
    monkeypatch.setattr(vision.torch.library, "Library", Library)
    assert vision.load_torchvision() is whole
    assert declared == ["nms", "qnms"] and "torchvision.half" not in sys.modules


def test_another_fault_of_the_import_is_told_as_it_is(monkeypatch):
    first_import_fails(monkeypatch, "libcudart.so.12 is missing")
    with pytest.raises(RuntimeError, match="libcudart"):
        vision.load_torchvision()


def test_a_build_that_fits_is_imported_as_it_is():
    import torchvision

    assert vision.load_torchvision() is torchvision
