"""python -m progan_style.phantoms."""

from progan_style.phantoms.__main__ import main


def test_the_program_prints_one_line_and_ends_with_2(tmp_path, capsys):
    assert main(["--to", str(tmp_path / "x"), "--size", "100"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
