"""The public names of the package, as a user meets them: by Tab, by help(), by a type checker, in examples."""

import ast
import doctest
import importlib
import pydoc
from importlib.metadata import version
from pathlib import Path

import pytest

import analysis
import progan_style
from progan_style import Dataset

PACKAGES = (progan_style, analysis)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_exists_and_is_listed(package):
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError):
        package.nothing_of_this_name  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_see_the_names_and_where_they_come_from(package):
    """The block for type checkers says the same as the table by which names are imported."""
    path = Path(package.__file__)
    seen = {}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(package.__name__):
            for alias in node.names:
                assert alias.asname == alias.name, f"{alias.name}: without `as {alias.name}` it is no public name"
                seen[alias.name] = node.module.removeprefix(package.__name__).removeprefix(".")
    seen.pop("distributed", None)  # a module, imported as such
    assert seen == package._HOME and (path.parent / "py.typed").is_file()


def test_the_version_is_one():
    """That of the source; an installation of another source may lie beside it."""
    assert progan_style.__version__.count(".") == 2
    assert "progan_style.__version__" in (Path(__file__).parents[2] / "pyproject.toml").read_text()
    assert version("progan-style")


def test_help_tells_the_names_and_shows_an_example():
    text = pydoc.render_doc(progan_style, renderer=pydoc.plaintext)
    assert 'generate(G, "AD", seeds=range(8), psi=0.7)' in text
    for name in ("load_generator(path", "generate(G", "from_arrays(", "class Trainer", "VERSION"):
        assert name in text
    told = {word.partition(".")[0] for word in progan_style.__doc__.replace(",", " ").split() if "_" in word}
    assert {"load_generator", "load_folder", "register_loss"} <= told


def examples():
    """Public functions and classes whose docstring has an example, and the package's own."""
    parts = [Dataset.from_arrays, *(getattr(progan_style, name) for name in progan_style.__all__)]
    with_one = [part for part in parts if callable(part) and ">>>" in (part.__doc__ or "")]
    return [progan_style, *with_one]


@pytest.mark.parametrize("part", examples(), ids=lambda part: part.__name__)
def test_an_example_of_a_docstring_runs(part):
    names = vars(importlib.import_module(getattr(part, "__module__", "progan_style")))
    test = doctest.DocTestParser().get_doctest(part.__doc__, dict(names), part.__name__, None, None)
    told = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=told.append)
    assert test.examples and not told, "".join(told)
