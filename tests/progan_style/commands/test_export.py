"""progan-style export: what it prints and what it refuses."""

import pytest

import progan_style_cli
from progan_style import EXAMPLE
from progan_style.export import program


def test_it_prints_the_error_and_refuses_what_is_there(tmp_path, capsys, monkeypatch):
    def export_generator(G, path):
        path.write_bytes(bytes(3000))
        return 2e-7

    monkeypatch.setattr(program, "export_generator", export_generator)
    words = ["export", "--run", str(EXAMPLE), "--to"]
    assert progan_style_cli.console([*words, str(tmp_path / "G.pt2")]) == 0
    told = "G.pt2: 3 kB, 64x64, classes CN, AD; read back, its images differ from the generator's by 2e-07 at most"
    assert told in capsys.readouterr().out
    for to, told in (("G.pt2", "is there already; name a new file"), ("G.onnx", "expected a file NAME.pt2")):
        assert progan_style_cli.console([*words, str(tmp_path / to)]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1 and told in lines[0]


@pytest.mark.parametrize("run", (".",))
def test_a_folder_without_a_stage_is_told(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert progan_style_cli.console(["export", "--run", run, "--to", "G.pt2"]) == 2
    assert f"{run}: no stage is finished yet" in capsys.readouterr().err
