"""An exported generator makes the images of generate(), for any number of them, without the generator."""

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from network_tools import build, people

import progan_style
from progan_style import condition_for, generate, latents, to_uint8
from progan_style.export.program import Sampler, export_generator


@pytest.fixture
def G():
    network, _ = build("stylegan2", 8, channels=8)
    network.class_names = ("CN", "MCI", "AD")
    return network


def test_an_exported_generator_makes_the_images_of_generate(G, tmp_path):
    error = export_generator(G, tmp_path / "G.pt2")
    about = {"class_names.txt": ""}
    program = torch.export.load(tmp_path / "G.pt2", extra_files=about).module()
    for count, psi in ((1, 1.0), (7, 0.5)):
        seeds = torch.arange(count)
        z, noise = latents(G, seeds)
        images = to_uint8(program(z, torch.full([count], 2), noise, torch.tensor(psi)))
        apart = images.int() - generate(G, "AD", seeds, psi).int()
        assert apart.abs().max() <= 1  # one where a value lies between two gray levels: matrix products of other sizes
        assert (apart != 0).float().mean() < 0.02
    assert error <= 1e-5 and json.loads(about["class_names.txt"]) == ["CN", "MCI", "AD"]
    assert about["resolution.txt"] == "8"


def test_a_program_names_no_place_on_the_machine(G, tmp_path):
    export_generator(G, tmp_path / "G.pt2")
    with zipfile.ZipFile(tmp_path / "G.pt2") as archive:
        found = b"".join(archive.read(name) for name in archive.namelist())
    places = (str(Path(progan_style.__file__).parent), str(Path(torch.__file__).parent), str(Path.cwd()))
    assert not [place for place in places if place.encode() in found]


def test_a_program_takes_the_conditions_of_its_generator(tmp_path):
    G, about = people(), {"conditions.txt": ""}
    error = export_generator(G, tmp_path / "G.pt2")
    program = torch.export.load(tmp_path / "G.pt2", extra_files=about).module()
    seeds = torch.arange(3)
    asked = condition_for(G, "AD", {"age": [60, 80, None], "sex": ["F", "", "M"], "slice_mm": [-30, 0, 20]})
    z, noise = latents(G, seeds)
    images = to_uint8(program(z, torch.ones(3).long(), noise, asked.position, asked.values))
    assert (images.int() - generate(G, asked, seeds).int()).abs().max() <= 1
    age, sex, height = json.loads(about["conditions.txt"])
    assert error <= 1e-5 and (age["mean"], age["sd"], sex["names"], height["kind"]) == (
        70.0,
        5.0,
        ["F", "M"],
        "position",
    )


def test_a_generator_that_decides_by_values_is_refused_in_one_line(G, tmp_path):
    class Deciding(type(G)):
        def synthesis(self, ws, noise=None):
            return super().synthesis(ws if ws.sum() > 0 else -ws, noise)

    G.__class__ = Deciding
    with pytest.raises(ValueError, match="this generator cannot be exported: ") as error:
        export_generator(G, tmp_path / "G.pt2")
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_a_program_whose_images_differ_is_not_written(G, tmp_path, monkeypatch):
    from progan_style.export import program

    monkeypatch.setattr(torch.export, "export", lambda *a, **k: SimpleNamespace(graph_module=torch.nn.Module()))
    monkeypatch.setattr(torch.export, "save", lambda module, buffer, **k: None)
    monkeypatch.setattr(torch.export, "load", lambda buffer: type("P", (), {"module": lambda self: wrong})())
    sampler = Sampler(G)
    for off in (0.01, float("nan")):

        def wrong(*given):
            return sampler(*given) + off  # noqa: B023

        with pytest.raises(ValueError, match="its program's images differ by"):
            program.export_generator(G, tmp_path / "G.pt2")
    assert not list(tmp_path.iterdir())
