"""python -m progan_style.commands.share."""

import pytest

from progan_style.commands.share import main


def test_the_program_reads_a_run_and_says_what_it_wrote(tiny_run, tmp_path, capsys):
    assert main(["--run", str(tiny_run.run_dir), "--share", "0.25", "--to", str(tmp_path / "quarter")]) == 0
    assert "12 training slices of 6" in capsys.readouterr().out
    assert main(["--run", str(tiny_run.run_dir), "--to", str(tmp_path / "quarter")]) == 2
    assert "not empty; name a new folder with --to" in capsys.readouterr().err


@pytest.mark.parametrize("share", ("0", "2", "nan"))
def test_a_share_that_is_none_is_refused_before_any_slice_is_read(tiny_run, tmp_path, capsys, monkeypatch, share):
    monkeypatch.setattr("progan_style.run.load_data", None)
    assert main(["--run", str(tiny_run.run_dir), "--share", share, "--to", str(tmp_path / "quarter")]) == 2
    assert "expected more than 0 and at most 1" in capsys.readouterr().err
