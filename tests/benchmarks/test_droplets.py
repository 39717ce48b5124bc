"""Droplets: told where they are planted, and where they are."""

import json

import pytest
import torch

from benchmarks import droplets


def test_one_strong_pixel_at_one_place_is_told_from_peaks_that_wander():
    torch.manual_seed(0)
    strength = torch.rand(32, 64, 64) + 0.5
    plain = droplets.spikes(strength)
    assert plain["largest over median"] == pytest.approx(1.5, rel=0.01) and plain["share at one place"] < 0.3
    strength[:, 60, 3] = 6.0
    planted = droplets.spikes(strength)
    assert planted["largest over median"] == pytest.approx(6.0, rel=0.02)
    assert planted["share at one place"] == 1.0 and planted["place"] == "row 7, column 0 of 8"


def test_of_a_run_it_tells_each_size_of_maps(tiny_run, tmp_path, capsys):
    assert droplets.main(["--run", str(tiny_run.run_dir), "--count", "4", "--json", str(tmp_path / "d.json")]) == 0
    assert capsys.readouterr().out.count("largest over median") == 2  # of 8 and 16 px
    assert json.loads((tmp_path / "d.json").read_text()).keys() == {"8", "16"}
