import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from progan_style import (
    load_discriminator,
    load_generator,
    stage_dir,
)
from progan_style.checkpoint import load_state, save_state
from progan_style.vision import load_torchvision

REPO = Path(__file__).parents[2]


def test_a_network_comes_back_with_its_classes_and_size(tiny_run):
    G = load_generator(stage_dir(tiny_run.run_dir, 16) / "generator.safetensors")
    D = load_discriminator(stage_dir(tiny_run.run_dir, 16) / "discriminator.safetensors")
    assert G.class_names == D.class_names == ("CN", "AD") and G.resolution == D.resolution == 16
    assert G.nimg == 128 and not G.training and not any(p.requires_grad for p in G.parameters())


def test_the_wrong_file_is_named(tiny_run, tmp_path):
    with pytest.raises(ValueError, match=r"discriminator.safetensors: expected a generator, got a discriminator"):
        load_generator(stage_dir(tiny_run.run_dir, 16) / "discriminator.safetensors")
    (tmp_path / "x.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"x.safetensors: not a network of this program"):
        load_generator(tmp_path / "x.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no such file; python train\.py writes it"):
        load_generator(tmp_path / "y.safetensors")


def test_the_one_before_is_kept(tmp_path):
    for n in range(3):
        save_state(tmp_path / "checkpoint.pt", {"n": n})
    assert load_state(tmp_path / "checkpoint.pt")["n"] == 2
    assert load_state(tmp_path / "checkpoint-previous.pt")["n"] == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["checkpoint-previous.pt", "checkpoint.pt"]


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    class Harm:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "harmed"),)

    (tmp_path / "checkpoint.pt").write_bytes(pickle.dumps(Harm()))
    torch.save({"format": 1, "harm": Harm()}, tmp_path / "zipped.pt")
    for name in ("checkpoint.pt", "zipped.pt"):
        with pytest.raises(ValueError, match="not a checkpoint of a run"):
            load_state(tmp_path / name)
    assert not (tmp_path / "harmed").exists()


def test_torchvision_loads_beside_this_torch():
    grid = load_torchvision().utils.make_grid(torch.zeros(4, 1, 8, 8), nrow=2, padding=0)
    assert grid.shape == (3, 16, 16)


def test_kill_during_the_writing_of_a_checkpoint_leaves_the_old_one(tmp_path):
    """A process that is killed again and again while it writes: what is read is always whole."""
    path = tmp_path / "checkpoint.pt"
    script = (
        "import torch, sys; from pathlib import Path; from progan_style.checkpoint import save_state\n"
        "n = 0\n"
        "while True:\n"
        "    n += 1; save_state(Path(sys.argv[1]), {'n': n, 'big': torch.full([500_000], float(n))})\n"
        "    print(n, flush=True)"
    )
    for wait in (0.0, 0.003, 0.011):
        process = subprocess.Popen([sys.executable, "-c", script, path], stdout=subprocess.PIPE, cwd=REPO, text=True)
        assert process.stdout is not None
        while int(process.stdout.readline()) < 3:
            pass
        time.sleep(wait)
        process.kill()
        process.wait()
        state = load_state(path)
        assert (state["big"] == state["n"]).all()
        assert (load_state(tmp_path / "checkpoint-previous.pt")["big"]).numel() == 500_000
