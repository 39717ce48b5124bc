"""train.py as a user calls it: what it prints, what it writes, what it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shell_tools import refused

from progan_style import images_seen, load_config
from progan_style.checkpoint import images_of

REPO = Path(__file__).parents[1]


@pytest.fixture
def call(call_shell):
    return call_shell


def test_the_command_line_refuses_with_exit_2(tmp_path):
    command = [sys.executable, "train.py", "--run", tmp_path / "run", "--stage", "48"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=120)
    refused(done, "train.py: stage 48 is not in schedule.resolutions (8, 16, 32, 64, 128, 256)")


def test_stage_by_stage(call, tiny_overlay, toy_root, tmp_path):
    run = tmp_path / "run"
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run]
    words = f"run python train.py --config {tiny_overlay} --data {toy_root} --run {run} --stage 8 first"
    refused(call(*start, "--stage", 16), f"stage 16 grows from the finished stage 8; {words}")
    assert not run.exists()
    first = call(*start, "--stage", 8)
    assert first.returncode == 0, first.stderr
    assert "CN = 0" in first.stdout and "AD = 1" in first.stdout and "stage 8 is finished" in first.stdout
    for title in ("Loss_D", "Loss_G", "Alpha", "Real Class Acc is the share of real slices"):
        assert title in first.stdout
    assert max(map(len, first.stdout.split("Real Class Acc")[1].splitlines()[1:-1])) <= 100
    # The run goes on with its own configuration; its folder of slices may be written otherwise.
    second = call("train.py", "--run", run, "--data", f"{toy_root}/", "--stage")
    assert second.returncode == 0 and "stage 16 is finished" in second.stdout, second.stderr
    for name in ("generator.safetensors", "discriminator.safetensors", "losses.png", "samples.png"):
        assert (run / "stage-016" / name).stat().st_size > 0
    for name in ("config.yaml", "log.jsonl", "checkpoint.pt", "checkpoint-previous.pt"):
        assert (run / name).stat().st_size > 0
    assert list((run / "tensorboard").iterdir()) and list((run / "samples").glob("*.png"))
    again = call("train.py", "--run", run)
    assert again.returncode == 0 and "are finished" in again.stdout
    (run / "stage-008" / "generator.safetensors").unlink()
    refused(call(*start, "--stage=16"), f"run python train.py --run {run} --stage 8 first")


def test_a_run_keeps_its_configuration(call, tiny_run, tmp_path):
    before = (tiny_run.run_dir / "checkpoint.pt").read_bytes()
    done = call("train.py", "--run", tiny_run.run_dir, "--config", tiny_run.overlay, "--set", "seed=5")
    refused(done, "holds a checkpoint of another configuration (different: seed)")
    assert (tiny_run.run_dir / "checkpoint.pt").read_bytes() == before


def test_set_alone_changes_the_runs_own_configuration(call, tiny_run):
    done = call("train.py", "--run", tiny_run.run_dir, "--set", "threads=1", "--set", "training.log_kimg=3")
    assert done.returncode == 0 and "are finished" in done.stdout, done.stderr
    refused(call("train.py", "--run", tiny_run.run_dir, "--set", "network.w_dim=4"), "(different: network.w_dim)")


def test_a_finished_run_is_made_longer(call, tiny_overlay, toy_root, tmp_path):
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--set", "schedule.resolutions=[8]"]
    longer = ("--set", "schedule.hold_kimg.8=0.096")
    assert call(*start, "--run", tmp_path / "whole", *longer).returncode == 0
    run = tmp_path / "run"
    assert call(*start, "--run", run).returncode == 0
    done = call("train.py", "--run", run, *longer)
    assert done.returncode == 0 and "stage 8 is finished at 96 images" in done.stdout, done.stderr
    weights = [(folder / "stage-008" / "generator.safetensors").read_bytes() for folder in (run, tmp_path / "whole")]
    assert weights[0] == weights[1]
    assert "are finished" in call("train.py", "--run", run).stdout


def test_a_lengthened_run_killed_before_its_generator_gets_it_from_the_same_command(
    call, tiny_overlay, toy_root, tmp_path, monkeypatch
):
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--set", "schedule.resolutions=[8]"]
    longer = ("--set", "schedule.hold_kimg.8=0.096")
    run = tmp_path / "run"
    generator = run / "stage-008" / "generator.safetensors"
    assert call(*start, "--run", run).returncode == 0

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("progan_style.training.runlog.save_loss_plot", killed)
        assert call("train.py", "--run", run, *longer).returncode == 130
    assert (images_of(generator), images_seen(run)) == (48, 96)
    done = call("train.py", "--run", run, *longer)
    assert done.returncode == 0 and "stage 8 is finished at 96 images" in done.stdout, done.stderr
    assert images_of(generator) == 96
    assert "are finished" in call("train.py", "--run", run).stdout


def test_with_no_data_the_phantoms_are_used_and_it_says_so(call, tiny_overlay, tmp_path):
    done = call("train.py", "--config", tiny_overlay, "--run", tmp_path / "run", "--stage", 8)
    assert done.returncode == 0, done.stderr
    assert "no data configured (data.root, --data): training on the built-in phantoms" in done.stdout


def test_one_class_is_unconditional(call, tiny_overlay, toy_root, tmp_path):
    run = tmp_path / "run"
    done = call(
        "train.py",
        "--config",
        tiny_overlay,
        "--data",
        toy_root,
        "--run",
        run,
        "--until",
        8,
        "--set",
        "data.classes=[AD]",
    )
    assert done.returncode == 0, done.stderr
    made = call("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "made")
    assert made.returncode == 0 and len(list((tmp_path / "made" / "AD").glob("*.png"))) == 2


BAD = {
    "no such folder": (["--data", "nowhere"], "nowhere: no such folder"),
    "unknown key": (
        ["--set", "schedule.fade_kmg=1"],
        "schedule.fade_kmg is not known; did you mean schedule.fade_kimg?",
    ),
    "not a power of two": (["--set", "schedule.resolutions=[8,24]"], "expected powers of two from 8 to 1024, got 24"),
    "batch of 0": (["--set", "schedule.batch_size.8=0"], "schedule.batch_size.8: expected 4 or more, got 0"),
    "negative rate": (["--set", "schedule.lr_g.8=-1"], "schedule.lr_g.8: expected more than 0, got -1.0"),
    "stage not in the schedule": (["--stage", "64"], "stage 64 is not in schedule.resolutions (8, 16)"),
    "no such file": (["--config", "nowhere.yaml"], "nowhere.yaml: no such configuration file"),
    "stage 0": (["--until", "0"], "stage 0 is not in schedule.resolutions (8, 16)"),
    "no name": (["--data", ""], "--data: expected a folder, got an empty name"),
    "no run": (["--run", ""], "--run: expected a folder, got an empty name"),
    "no configuration": (["--config", ""], "--config: expected a file, got an empty name"),
    "no checkpoint": (["--init", ""], "--init: expected a file, got an empty name"),
    "no GPU": (["--device", "cuda"], "--device cuda: torch sees no CUDA device"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_in_one_line(call, case, tiny_overlay, tmp_path):
    arguments, message = BAD[case]
    if case == "no GPU":
        import torch

        if torch.cuda.is_available():
            pytest.skip("there is a GPU")
    run = tmp_path / "run"
    refused(call("train.py", "--config", tiny_overlay, "--run", run, *arguments), message)
    assert not run.exists()


def folder(root: Path, sizes: dict[str, int]) -> Path:
    for name, side in sizes.items():
        (root / name).mkdir(parents=True)
        if side:
            for i in range(5):
                Image.fromarray(np.full((side, side), 40 * i, np.uint8)).save(root / name / f"p{i}_0.png")
    return root


def test_faulty_data_folders_are_refused(call, tiny_overlay, tmp_path):
    run = ["train.py", "--config", tiny_overlay, "--run", tmp_path / "run"]
    (tmp_path / "empty").mkdir()
    refused(call(*run, "--data", tmp_path / "empty"), "empty")
    refused(call(*run, "--data", folder(tmp_path / "one", {"CN": 32})), "AD")
    refused(call(*run, "--data", folder(tmp_path / "hollow", {"CN": 32, "AD": 0})), "AD")
    refused(call(*run, "--data", folder(tmp_path / "small", {"CN": 8, "AD": 8})), "train --until 8")
    broken = folder(tmp_path / "broken", {"CN": 32, "AD": 32})
    (broken / "CN" / "p1_0.png").write_bytes(b"no picture")
    refused(call(*run, "--data", broken), "p1_0.png")
    skipping = call(*run, "--data", broken, "--set", "data.skip_unreadable=true", "--until", 8)
    assert skipping.returncode == 0 and "1" in skipping.stdout, skipping.stderr
    assert (tmp_path / "run" / "stage-008").is_dir()


@pytest.mark.parametrize(
    ("kept", "options", "told"),
    (
        (3, (), "class AD: expected 4 training slices or more, got 3: add"),
        (4, ("--set", "data.conditions={agee: number}"), "data.conditions: manifest.csv has no column 'agee'; did you"),
    ),
)
def test_what_the_list_of_slices_tells_is_told_before_they_are_packed(
    call, kept, options, told, tiny_overlay, tmp_path, monkeypatch
):
    root = folder(tmp_path / "slices", {"CN": 32, "AD": 32})
    for path in sorted((root / "AD").iterdir())[kept:]:
        path.unlink()
    rows = [f"{path.relative_to(root).as_posix()},70" for path in root.rglob("*.png")]
    (root / "manifest.csv").write_text("\n".join(["path,age", *rows]) + "\n")
    monkeypatch.setattr("progan_style.data.loading.pack", lambda *_: pytest.fail("packed"))
    refused(call("train.py", "--config", tiny_overlay, "--run", tmp_path / "run", "--data", root, *options), told)


def test_a_foreign_checkpoint_is_refused(call, tiny_overlay, toy_root, tmp_path):
    run = tmp_path / "run"
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run]
    assert call(*start, "--stage", 8).returncode == 0
    whole = (run / "checkpoint.pt").read_bytes()
    for name in ("checkpoint.pt", "checkpoint-previous.pt"):
        (run / name).write_bytes(b"not a checkpoint")
    refused(call(*start), "checkpoint-previous.pt: not a checkpoint of a run")
    assert (run / "checkpoint.pt").read_bytes() == b"not a checkpoint"
    (run / "checkpoint.pt").write_bytes(whole)
    (run / "config.yaml").unlink()
    refused(call(*start), "holds a checkpoint but no config.yaml")


def test_init_from_a_file_that_is_not_there_is_told_before_anything_is_made(call_shell, tmp_path):
    done = call_shell("train.py", "--run", tmp_path / "run", "--init", "nowhere.pt")
    assert done.returncode == 2 and not (tmp_path / "run").exists()
    assert done.stderr == "train.py: nowhere.pt: no such file; expected the checkpoint.pt of a run: see --init\n"


def test_a_configuration_is_printed_and_nothing_is_written(call_shell, tiny_overlay, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call_shell("train.py", "--config", tiny_overlay, "--set", "seed=5", "--print-config")
    assert done.returncode == 0 and not list(tmp_path.iterdir())
    expected = load_config(overlay=tiny_overlay, overrides=["seed=5"])
    (tmp_path / "printed.yaml").write_text(done.stdout)
    assert load_config(tmp_path / "printed.yaml") == expected
    refused(call_shell("train.py", "--print-config", "--set", "sed=5"), "sed is not known; did you mean seed?")
