"""Several processes on one machine, over gloo: they compute what one does."""

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fork_tools import Forked

from progan_style import distributed, load_config, save_config
from progan_style.checkpoint import load_state

REPO = Path(__file__).parents[2]

# What each process does: 10 steps through the growth at 48 images; rank 0 writes what it saw.
STEPS = """
import sys, torch
from progan_style import Trainer, distributed, load_config, load_data
torch.set_num_threads(1)
distributed.start()
config = load_config(sys.argv[1])
trainer = Trainer(config, load_data(config, 16, progress=False).train)
first = {}
def keep(name, network):
    def hook(*_):
        if name not in first:
            first[name] = [None if p.grad is None else p.grad.clone() for p in network.parameters()]
    return hook
trainer.state.opt_G.register_step_pre_hook(keep("G", trainer.state.G))
trainer.state.opt_D.register_step_pre_hook(keep("D", trainer.state.D))
losses = []
for _ in range(10):
    phase = trainer.schedule.at(trainer.state.nimg)
    batch = trainer.data.batch(config.seed, *trainer.share(phase), phase.resolution)
    terms = trainer.step(*batch)
    distributed.add(terms.values(), divide=True)
    losses.append(terms)
    if FAILING and distributed.rank() == 1:
        raise SystemExit(3)
if distributed.rank() == 0:
    state = trainer.state
    heard = state.D.class_head
    running = [heard.mean, heard.offsets, heard.covariance, state.D.head.minibatch_std.running, state.path_length.mean]
    strength = {} if state.augment is None else {"p": state.augment.p, "gathered": state.augment.gathered}
    torch.save({"losses": losses, "first": first, "running": running, "augment": strength}, sys.argv[2])
distributed.stop(together=True)
"""


OF_STYLEGAN2 = ["network.name=stylegan2", "schedule.resolutions=[16]", "loss.path_length=2.0"]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(ranks: int, *command: object, each: tuple[tuple[str, ...], ...] = (), begin=Forked) -> list:
    """The processes of one machine, as torchrun would start them; `each`: further arguments of every rank."""
    shared = os.environ | {
        "WORLD_SIZE": str(ranks),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(REPO),
    }
    return [
        begin(*command, *(each[rank] if each else ()), env=shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(ranks)
    ]


def interpreter(*command: object, env: dict[str, str]) -> subprocess.Popen:
    words = [sys.executable, *map(str, command)]
    return subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPO)


def finish(processes: list) -> list[tuple[int, str, str]]:
    out = []
    for process in processes:
        text, error = process.communicate(timeout=200)
        out.append((process.returncode, text, error))
    return out


@pytest.fixture
def tiny_config(tiny_overlay, toy_root, tmp_path):
    config = load_config(overlay=tiny_overlay, overrides=[f"data.root={toy_root}"])
    save_config(config, tmp_path / "config.yaml")
    return tmp_path / "config.yaml"


def test_without_torchrun_everything_is_the_identity():
    x = torch.ones(3)
    distributed.add([x])
    distributed.copy_from_first([x])
    assert torch.equal(x, torch.ones(3))
    assert distributed.any_rank(True) and not distributed.any_rank(False)
    assert distributed.all_say("a") == ["a"] and distributed.one_first(lambda: 7) == 7


# wgan-gp, since its r_t needs the mean over all fakes
OF_ADA = ["augment.name=ada", "augment.half_time_kimg=0.1", "augment.target=0.01", "loss.name=wgan-gp"]


@pytest.mark.parametrize("overrides", ([], OF_STYLEGAN2, OF_ADA), ids=("plain", "stylegan2", "ada"))
def test_two_ranks_have_the_losses_and_first_gradients_of_one(tiny_config, tmp_path, overrides):
    save_config(load_config(tiny_config, overrides=overrides), tiny_config)
    seen = []
    for ranks in (1, 2):
        path = tmp_path / f"{ranks}.pt"
        done = finish(start(ranks, "-c", STEPS.replace("FAILING", "False"), tiny_config, path))
        assert [code for code, _, _ in done] == [0] * ranks, done
        seen.append(torch.load(path, weights_only=True))
    one, two = seen
    for name in ("D", "G"):
        for a, b in zip(one["first"][name], two["first"][name], strict=True):
            assert (a is None) == (b is None)
            if a is not None:
                assert torch.allclose(a, b, rtol=1e-3, atol=1e-5 * float(a.abs().max()) + 1e-7)
    for a, b in zip(one["losses"], two["losses"], strict=True):
        assert a.keys() == b.keys()
        assert all(float(a[k]) == pytest.approx(float(b[k]), rel=5e-3, abs=1e-4) for k in a)
    for a, b in zip(one["running"], two["running"], strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)
    assert one["augment"] == {} or (one["augment"]["p"] > 0 and one["augment"]["gathered"][1] == 16)
    same = {key: torch.equal(value, two["augment"][key]) for key, value in one["augment"].items()}
    assert all(same.values()), (one["augment"], two["augment"])


# What each process does: joins, as little as makes an optimiser, leaves: with the others, after an error, or without a
# word. What is registered first runs last.
LEAVES = """
import atexit, sys, weakref, torch
from progan_style import distributed
torch.set_num_threads(1)
atexit.register(lambda: print("held" if group() else "free"))
distributed.start()
group = weakref.ref(torch.distributed.distributed_c10d._get_default_group())
torch.optim.Adam([torch.nn.Parameter(torch.ones(1))])
distributed.add([torch.ones(1)])
if sys.argv[1] == "well":
    distributed.stop(together=True)
elif sys.argv[1] == "broken" and distributed.rank() == 1:
    distributed.stop(together=False)
elif sys.argv[1] == "broken":
    try:
        distributed.all_say("x")
    except ConnectionError as error:
        distributed.stop(together=False)
        assert group() is None, "the error holds the group"
"""


@pytest.mark.parametrize("how", ("well", "broken", "silent"))
def test_who_has_left_has_no_threads_of_the_group(how):
    """They end with the group. One that outlives the interpreter aborts the process, once in some hundred runs."""
    done = finish(start(2, "-c", LEAVES, how, begin=interpreter))
    assert [(code, text) for code, text, _ in done] == [(0, "free\n")] * 2, done


def test_a_rank_that_fails_ends_the_others(tiny_config, tmp_path):
    done = finish(start(2, "-c", STEPS.replace("FAILING", "True"), tiny_config, tmp_path / "x.pt"))
    assert done[1][0] == 3
    assert done[0][0] == 1 and "ConnectionError: rank 0: stopped, since another rank did" in done[0][2]


def test_torchrun_trains_one_process_writes_and_one_process_goes_on(tiny_overlay, toy_root, tmp_path, call_shell):
    """docs/scale.md's torchrun line, tiny; `--` keeps torchrun from reading --run as the beginning of --run-path."""
    run_dir = tmp_path / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "--"]
    command = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run_dir, "--until", 8]
    done = subprocess.run(
        list(map(str, torchrun + command)),
        cwd=REPO,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("stage 8 is finished at 48 images") == 1
    assert len(re.findall(r"^\d\d-\d\d \d\d:\d\d +[\d.]+ +8 ", done.stdout, re.MULTILINE)) == 3  # rows of one process
    assert load_state(run_dir / "checkpoint.pt")["nimg"] == 48
    assert len(list((run_dir / "samples").glob("*.png"))) > 0
    assert call_shell("train.py", "--run", run_dir).returncode == 0
    assert load_state(run_dir / "checkpoint.pt")["nimg"] == 128


def test_ranks_that_diverge_go_back_together(tiny_overlay, toy_root, tmp_path):
    command = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--run", tmp_path / "run", "--until", 8]
    wild = (
        "network.name=stylegan1",
        "training.on_divergence=rollback",
        "schedule.hold_kimg.8=0.2",
        "schedule.lr_g.8=1.5",
        "schedule.lr_d.8=1.5",
    )
    done = finish(start(2, *command, *(argument for change in wild for argument in ("--set", change))))
    assert [code for code, _, _ in done] == [0, 0], done
    state = load_state(tmp_path / "run" / "checkpoint.pt")
    assert state["nimg"] == 200 and 1 <= state["watchdog"]["rollbacks"] <= 2
    assert done[0][1].count("with the learning rates times") == state["watchdog"]["rollbacks"]
    assert "learning rates times" not in done[1][1]


def test_ranks_that_were_given_different_things_are_refused(tiny_overlay, toy_root, tmp_path):
    command = ("train.py", "--config", tiny_overlay, "--data", toy_root, "--run", tmp_path / "run")
    done = finish(start(2, *command, each=(("--set", "seed=1"), ("--set", "seed=2"))))
    assert [code for code, _, _ in done] == [2, 2], done
    assert "the ranks differ in configuration, data or checkpoint" in done[0][2]


def test_a_fault_that_all_ranks_find_is_told_once(tmp_path):
    done = finish(start(2, "train.py", "--data", tmp_path / "nowhere", "--run", tmp_path / "run", "--until", 7))
    assert [code for code, _, _ in done] == [2, 2]
    assert done[0][2].count("\n") == 1 and not done[1][2]


def test_ranks_go_on_together_from_the_checkpoint_before_a_damaged_one(tiny_run, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(tiny_run.run_dir, run)
    shutil.rmtree(run / "stage-016")
    (run / "checkpoint.pt").write_bytes((run / "checkpoint.pt").read_bytes()[:1000])
    done = finish(start(2, "train.py", "--run", run))
    assert [code for code, _, _ in done] == [0, 0], done
    assert done[0][1].count("checkpoint.pt is damaged") == 1 and "damaged" not in done[1][1]
    assert (run / "stage-016" / "generator.safetensors").is_file() and (run / "checkpoint-damaged.pt").is_file()
