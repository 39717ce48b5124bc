"""python -m progan_style.commands.share."""

from progan_style.commands.share import main


def test_the_program_reads_a_run_and_says_what_it_wrote(tiny_run, tmp_path, capsys):
    assert main(["--run", str(tiny_run.run_dir), "--share", "0.25", "--to", str(tmp_path / "quarter")]) == 0
    assert "12 training slices of 6" in capsys.readouterr().out
    assert main(["--run", str(tiny_run.run_dir), "--to", str(tmp_path / "quarter")]) == 2
    assert "not empty; name a new folder with --to" in capsys.readouterr().err
