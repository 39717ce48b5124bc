"""The folder of a run: its stages, its configuration, its data."""

import shutil

import pytest
import torch
from PIL import Image

from progan_style import generate, load_config, load_data
from progan_style.run import (
    EXAMPLE,
    finished_stage,
    finished_stages,
    generator_file,
    images_seen,
    load_generator,
    run_config,
    stage_dir,
    with_unlabelled,
)


def finish(run_dir, resolution, name="generator.safetensors"):
    folder = stage_dir(run_dir, resolution)
    folder.mkdir(parents=True)
    (folder / name).touch()


def test_a_stage_counts_with_its_generator_and_they_are_told_in_order(tmp_path):
    for resolution in (128, 8, 16):
        finish(tmp_path, resolution)
    finish(tmp_path, 256, "discriminator.safetensors")
    (tmp_path / "stage-old").mkdir()
    (tmp_path / "stage-old" / "generator.safetensors").touch()
    assert [path.name for path in sorted(tmp_path.glob("stage-0*"))] == ["stage-008", "stage-016"]
    assert finished_stages(tmp_path) == [8, 16, 128]


def test_a_size_is_that_which_was_asked_for_or_the_last(tmp_path):
    with pytest.raises(ValueError, match=r"no stage is finished yet; run python train.py --run .* first"):
        finished_stage(tmp_path, None)
    for resolution in (8, 16):
        finish(tmp_path, resolution)
    assert finished_stage(tmp_path, None) == 16 and finished_stage(tmp_path, 8) == 8
    with pytest.raises(ValueError, match="size 64 is not trained yet; finished: 8, 16"):
        finished_stage(tmp_path, 64)


def test_a_generator_is_loaded_from_a_run_or_from_its_file(tiny_run):
    of_run, of_stage = load_generator(tiny_run.run_dir), load_generator(str(tiny_run.run_dir), size=8)
    of_file = load_generator(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors")
    assert (of_run.resolution, of_stage.resolution, of_file.resolution) == (16, 8, 16)
    assert torch.equal(generate(of_run, 0, range(2)), generate(of_file, 0, range(2)))


def test_a_generator_that_is_not_there_is_told(tiny_run, tmp_path):
    for arguments, told in (
        ((tiny_run.run_dir, 64), "size 64 is not trained yet; finished: 8, 16"),
        ((tiny_run.run_dir, 16, "best"), "--weights best: .* kept none at size 16"),
        ((tiny_run.run_dir, 16, "newest"), "weights: expected last or best, got 'newest'"),
        ((tmp_path,), "no stage is finished yet"),
        ((stage_dir(tiny_run.run_dir, 16) / "generator.safetensors", 16), "size and weights choose from the folder"),
    ):
        with pytest.raises(ValueError, match=told):
            load_generator(*arguments)
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such file"):
        load_generator(tmp_path / "nowhere")


def test_the_shipped_run_is_whole_and_small():
    """Its weights are in half precision; they are used in single."""
    G = load_generator(EXAMPLE)
    assert next(G.parameters()).dtype == torch.float32 and run_config(EXAMPLE).data.root is None
    assert tuple(run_config(EXAMPLE).data.classes) == G.class_names
    assert sum(path.stat().st_size for path in EXAMPLE.rglob("*")) < 3e6


def test_a_run_says_how_many_images_it_has_seen(tiny_run, tmp_path):
    assert images_seen(tmp_path) is None
    assert images_seen(tiny_run.run_dir) == run_images(run_config(tiny_run.run_dir))


def run_images(config):
    schedule = config.schedule
    first, *others = schedule.resolutions
    kimg = schedule.hold_kimg[first] + sum(schedule.fade_kimg[r] + schedule.hold_kimg[r] for r in others)
    return round(1000 * kimg)


def test_a_folder_without_a_run_says_how_one_is_made(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run here \(no config.yaml\); python train.py --run"):
        run_config(tmp_path)


def test_a_folder_without_diagnoses_has_one_class(tmp_path):
    def classes(root):
        return with_unlabelled(load_config(overrides=[f"data.root={root}"])).data.classes

    for name in ("alone/unlabelled", "mixed/unlabelled", "mixed/AD"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / name / "p1_0.png")
    shipped = load_config().data.classes
    assert classes(tmp_path / "alone") == ("unlabelled",)
    assert classes(tmp_path / "mixed") == classes(tmp_path / "nowhere") == classes("null") == shipped


def test_null_is_the_phantoms_in_the_cache_by_their_settings(tmp_path, tiny_overlay):
    phantoms = ["data.phantom.persons=20", "data.phantom.slices=1", f"data.cache={tmp_path / 'cache'}", "threads=1"]
    sets = []
    for seed in (1, 1, 2):
        config = load_config(overlay=tiny_overlay, overrides=[*phantoms, f"data.phantom.seed={seed}"])
        sets.append(load_data(config, 8, progress=False))
        # Folders alone: beside each lies what was packed of it.
        made = sorted(path.name for path in (tmp_path / "cache").glob("phantoms-20x1-*") if path.is_dir())
        assert len(made) == seed, made
    assert len(sets[0].train) + len(sets[0].validate) + len(sets[0].test) == 20
    assert sets[0].train.digest() == sets[1].train.digest() != sets[2].train.digest()


def test_the_best_weights_are_those_that_were_kept(tmp_path):
    for resolution in (8, 16):
        finish(tmp_path, resolution)
    assert generator_file(tmp_path, 16) == tmp_path / "stage-016" / "generator.safetensors"
    with pytest.raises(ValueError, match=r"--weights best: .* kept none at size 16, no size has one; .*eval_kimg"):
        generator_file(tmp_path, 16, "best")
    (tmp_path / "stage-008" / "generator-best.safetensors").touch()
    assert generator_file(tmp_path, 8, "best").name == "generator-best.safetensors"
    with pytest.raises(ValueError, match="kept none at size 16, these sizes have one: 8; "):
        generator_file(tmp_path, 16, "best")


def test_phantoms_of_the_cache_that_are_damaged_are_drawn_anew_with_a_line(tmp_path, toy_root, monkeypatch, capsys):
    """A folder that the cache did not make is left alone."""

    def make(folder, **settings):
        if folder.is_dir():
            if (folder / "phantoms.json").read_text() != "{}":
                return folder
            raise ValueError(f"{folder}: holds something else than these phantoms")
        shutil.copytree(toy_root, folder)
        (folder / "phantoms.json").write_text("whole")
        (folder / "NOTICE.txt").touch()
        return folder

    monkeypatch.setattr("progan_style.run.make_phantoms", make)
    config = load_config(overrides=[f"data.cache={tmp_path}", "threads=1"])
    load_data(config, 8, progress=False)
    (folder,) = tmp_path.glob("phantoms-*")
    assert "phantoms in" not in capsys.readouterr().out
    (folder / "phantoms.json").write_text("{}")
    load_data(config, 8, progress=False)
    assert f"note: the phantoms in {folder} are damaged; they are drawn anew\n" in capsys.readouterr().out
    (folder / "NOTICE.txt").unlink()
    (folder / "phantoms.json").write_text("{}")
    with pytest.raises(ValueError, match="holds something else"):
        load_data(config, 8, progress=False)
    assert (folder / "train").is_dir()
