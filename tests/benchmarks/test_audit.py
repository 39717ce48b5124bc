"""What the audit finds can be measured on any folder with a manifest of persons."""

from benchmarks.audit import main
from progan_style.phantoms.folder import make_phantoms


def test_it_prints_what_is_found(tmp_path, capsys):
    folder = make_phantoms(tmp_path / "p", persons=8, slices=3, size=64, workers=1, progress=False)
    assert main([str(folder), "--chosen", "4", "--persons", "4", "--copies", "4"]) == 0
    printed = capsys.readouterr().out
    assert "chosen on: 4 persons, 12 slices" in printed and "reported on: 4 persons, 12 slices" in printed
    assert printed.count("4 copies: 100.0% found") == 10 and "1 slices apart" in printed
