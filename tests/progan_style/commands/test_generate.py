"""generate.py as a user calls it: what it writes and what it refuses."""

import csv
import shutil

import numpy as np
import pytest
from network_tools import people
from PIL import Image
from shell_tools import refused

from progan_style import generate, load_generator, stage_dir
from progan_style.checkpoint import save_network


def test_generate_writes_a_data_folder_that_train_reads(call_shell, tiny_run, tmp_path):
    to = tmp_path / "made"
    done = call_shell(
        "generate.py", "--run", tiny_run.run_dir, "--size", 16, "--label", "all", "--count", 20, "--to", to
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((to / "manifest.csv").read_text().splitlines()))
    assert len(rows) == 40 and set(rows[0]) == {"path", "label", "split", "subject", "seed", "psi"}
    assert {(r["label"], r["split"], r["subject"], r["psi"]) for r in rows} == {
        ("CN", "train", "", "1.0"),
        ("AD", "train", "", "1.0"),
    }
    assert all(Image.open(to / r["path"]).size == (16, 16) for r in rows)
    run = call_shell("train.py", "--config", tiny_run.overlay, "--data", to, "--until", 8, "--run", tmp_path / "run")
    assert run.returncode == 0 and "PERSONS UNKNOWN" in run.stdout, run.stdout + run.stderr


def test_same_seed_same_bytes_whatever_the_count(call_shell, tiny_run, tmp_path):
    for name, seed, count in (("a", 0, 40), ("b", 17, 3)):
        call_shell(
            *("generate.py", "--run", tiny_run.run_dir, "--label", "ad", "--psi", "0.5"),
            *("--seed", seed, "--count", count, "--to", tmp_path / name),
        )
    few = sorted((tmp_path / "b" / "AD").glob("*.png"))
    assert [p.name for p in few] == ["AD_psi0.5_000017.png", "AD_psi0.5_000018.png", "AD_psi0.5_000019.png"]
    assert all(p.read_bytes() == (tmp_path / "a" / "AD" / p.name).read_bytes() for p in few)


def test_the_best_weights_are_taken_where_they_are_asked_for(call_shell, tiny_run, tmp_path):
    """Told by the image count of the file's header."""
    G = load_generator(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors")
    run = tmp_path / "run"
    shutil.copytree(tiny_run.run_dir, run)
    save_network(stage_dir(run, 16) / "generator-best.safetensors", G, G.header | {"nimg": 17})
    for weights, nimg in (("best", 17), ("last", G.nimg)):
        given = ("--weights", weights, "--count", 1, "--to", tmp_path / weights)
        done = call_shell("generate.py", "--run", run, *given)
        assert f"weights: {weights}, after {nimg} images" in done.stdout, done.stdout + done.stderr


REFUSED = {
    "weights": (["--weights", "best", "--size", "8"], "kept none at size 8, no size has one"),
    "class": (["--label", "MCI"], "class 'MCI' is not in this checkpoint; it was trained on CN, AD"),
    "size": (["--size", "64"], "size 64 is not trained yet; finished: 8, 16"),
    "count": (["--count", "0"], "--count: expected 1 or more, got 0"),
    "psi": (["--psi", "2"], "--psi: expected 0 to 1, got 2.0"),
    "seed": (["--seed", "-1"], "--seed: expected 0 or more, got -1"),
    "run": (["--run", "nowhere"], "nowhere: no stage is finished yet"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_generate_refuses(call_shell, case, tiny_run, tmp_path):
    arguments, message = REFUSED[case]
    refused(call_shell("generate.py", "--run", tiny_run.run_dir, "--to", tmp_path / "made", *arguments), message)
    assert not (tmp_path / "made").exists()


def test_generate_never_mixes_two_data_sets(call_shell, tiny_run, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    done = call_shell("generate.py", "--run", tiny_run.run_dir, "--to", tmp_path / "full")
    refused(done, "not empty; name a new folder with --to")


def test_a_position_is_asked_for_in_the_columns_unit(call_shell, tiny_overlay, tmp_path):
    phantoms = ["--config", tiny_overlay, "--set", "data.conditions={slice_mm: position}", "--until", 8]
    assert call_shell("train.py", *phantoms, "--run", tmp_path / "run").returncode == 0
    ask = ["generate.py", "--run", tmp_path / "run", "--count", 2, "--label", "AD"]
    assert call_shell(*ask, "--position", 17, "--to", tmp_path / "a").returncode == 0
    refused(call_shell(*ask, "--position", "99", "--to", tmp_path / "b"), "slice_mm=99: expected")
    assert not (tmp_path / "b").exists()


def test_a_run_without_positions_is_asked_for_none(call_shell, tiny_run, tmp_path):
    asked = call_shell("generate.py", "--run", tiny_run.run_dir, "--position", 10, "--to", tmp_path / "a")
    refused(asked, "--position: this generator was trained without positions; see data.conditions")
    asked = call_shell("generate.py", "--run", tiny_run.run_dir, "--given", "age=70", "--to", tmp_path / "a")
    refused(asked, "age: this generator was trained without conditions; see data.conditions")


def test_a_stage_alone_is_enough(call_shell, tiny_run, tmp_path):
    """As somebody passes it on: the network without the run's configuration and checkpoint."""
    stage = stage_dir(tmp_path / "given", 16)
    stage.mkdir(parents=True)
    shutil.copy(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors", stage)
    done = call_shell("generate.py", "--run", tmp_path / "given", "--count", 1, "--to", tmp_path / "made")
    assert done.returncode == 0, done.stderr


def test_a_series_of_ages_is_the_same_seeds_and_its_folder_says_what_was_asked_and_drawn(call_shell, tmp_path):
    stage = stage_dir(tmp_path / "run", 8)
    stage.mkdir(parents=True)
    G = people()
    header = {"kind": "generator", "architecture": "stylegan2", "class_names": ["CN", "AD"], "resolution": 8, "nimg": 1}
    sizes = {"num_classes": 2, "max_resolution": 8, "channel_base": 64, "channel_max": 8, "z_dim": 12, "w_dim": 10}
    sizes |= {"mapping_depth": 2, "mapping_lr_mul": 1.0, "positions": True, "conditions": G.described.sizes}
    save_network(stage / "generator.safetensors", G, header | {"seed": 0, "arguments": sizes} | G.described.header())
    ask = ["generate.py", "--run", tmp_path / "run", "--label", "AD", "--count", 2, "--to", tmp_path / "made"]
    done = call_shell(*ask, "--given", "age=60:80:10", "--given", "sex=", "--position", "-3")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "made" / "manifest.csv").read_text().splitlines()))
    assert [row["path"] for row in rows] == [f"AD/AD_age{a}_00000{seed}.png" for a in (60, 70, 80) for seed in (0, 1)]
    assert [row["age"] for row in rows] == ["60", "60", "70", "70", "80", "80"]
    assert {(row["sex"], row["slice_mm"]) for row in rows} == {("", "-3")}
    image = Image.open(tmp_path / "made" / rows[3]["path"])
    expected = generate(G, "AD", 1, given={"age": 70, "sex": None, "slice_mm": -3.0})[0, 0].numpy()
    assert (np.asarray(image) == expected).all()
    refused(call_shell(*ask[:-1], tmp_path / "b", "--given", "age=91"), "age=91: expected 50 to 90 years, the range of")
    assert not (tmp_path / "b").exists()
