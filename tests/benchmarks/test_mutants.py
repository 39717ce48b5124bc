"""The faults of benchmarks/mutants.py still stand where they say; running them all takes many minutes."""

import ast

import pytest

from benchmarks import mutants
from benchmarks.mutants import MUTANTS, REPO


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_fault_has_its_place_once_and_makes_another_program(mutant):
    source = (REPO / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1
    planted = ast.parse(mutant.planted(source))  # a fault that does not parse would prove nothing
    assert ast.dump(planted) != ast.dump(ast.parse(source))


def test_every_fault_has_a_name_of_its_own():
    assert len({m.name for m in MUTANTS}) == len(MUTANTS) >= 30


def test_a_fault_is_noticed_or_lives(monkeypatch, tmp_path, capsys):
    """On a tree of one function and two tests, of which neither looks at its second line."""
    (tmp_path / "here").mkdir()
    (tmp_path / "product.py").write_text("def double(x):\n    assert x < 9\n    return 2 * x\n")
    test = "from product import double\n\n\ndef test_zero():\n    assert double(0) == 0\n\n\n"
    (tmp_path / "test_it.py").write_text(test + "def test_one():\n    assert double(1) == 2\n")
    faults = [
        mutants.Mutant("seen", "product.py", "2 * x", "3 * x"),
        mutants.Mutant("lives", "product.py", "x < 9", "x < 8"),
    ]
    for name, value in {"REPO": tmp_path, "FOLDERS": ("here",), "MUTANTS": faults}.items():
        monkeypatch.setattr(mutants, name, value)
    assert mutants.main(["--tests", "test_it.py", "not_there.py"]) == 1
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert "without a fault all pass" in lines[0] and "1 of 2 faults are noticed" in lines[-1]
    assert lines[1].endswith("test_it.py::test_one") and lines[2].endswith("LIVES")
    assert "not_there.py: not there, left out" in err
    assert mutants.main(["--tests", "test_it.py", "--only", "seen"]) == 0
