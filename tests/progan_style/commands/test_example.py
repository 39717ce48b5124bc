"""The shipped run in a folder of the user's own."""

from shell_tools import refused

from progan_style import EXAMPLE, finished_stages
from progan_style.commands import example


def test_the_shipped_run_is_copied_and_slices_come_from_it(call_shell, tmp_path, capsys):
    assert example.main(["--to", str(tmp_path / "phantom-64")]) == 0
    assert finished_stages(tmp_path / "phantom-64") == finished_stages(EXAMPLE) == [64]
    assert "progan-style generate --run" in capsys.readouterr().out
    done = call_shell("generate.py", "--run", tmp_path / "phantom-64", "--count", 1, "--to", tmp_path / "made")
    assert done.returncode == 0 and len(list((tmp_path / "made").rglob("*.png"))) == 2


def test_a_folder_in_use_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine.txt").touch()
    code = example.main(["--to", str(tmp_path)])
    refused(type("Done", (), {"returncode": code, "stdout": "", "stderr": capsys.readouterr().err})(), "not empty")
