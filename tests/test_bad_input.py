"""Bad input, as a user meets it: one line that says what was expected, exit 2, and nothing on disk has changed."""

import csv
import hashlib
import io
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pydicom
import pytest
import torch
from fork_tools import Forked
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from shell_tools import refused

from analysis.context import PLACE
from analysis.judge import train_judge
from analysis.slices import slice_positions
from progan_style import files, load_folder
from progan_style.commands import generate as generating
from progan_style.data.manifest import read_manifest
from progan_style.scans.cutting import Cut
from progan_style.scans.study import prepare_study
from progan_style.training.lock import Lock
from progan_style_cli import Signals

REPO = Path(__file__).parents[1]


def disk(folder):
    """Every file and folder below, with what it holds."""
    paths = sorted(Path(folder).rglob("*"))
    return {p.relative_to(folder): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else "" for p in paths}


@pytest.fixture
def run(tiny_run, tmp_path):
    """A copy of a finished run in a folder of its own, so that what is written beside it would be seen."""
    shutil.copytree(tiny_run.run_dir, tmp_path / "place" / "run")
    return tmp_path / "place" / "run"


# ---------------------------------------------------------------- names that would be paths


NAMES = ["../../../ESCAPED", "a/b", "a\\b", "..", "line\nbreak", "nul\0", " ", "x" * 200, "C:", "end. ", "\udc80"]


@pytest.mark.parametrize("name", [name for name in NAMES if name.strip()], ids=ascii)
def test_a_label_of_a_manifest_that_is_no_name_of_a_folder(name, call_shell, tmp_path):
    root = tmp_path / "place" / "slices"
    (root / "pictures").mkdir(parents=True)
    lines = ["path,label,subject"]
    for k in range(4):
        Image.new("L", (16, 16), 50 * k).save(root / "pictures" / f"{k}.png")
        cell = name.replace('"', '""')
        lines.append(f'pictures/{k}.png,"{cell}",p{k}')
    (root / "manifest.csv").write_bytes("\n".join(lines).encode(errors="surrogateescape"))
    before = disk(tmp_path)
    done = call_shell("prepare.py", root, "--to", tmp_path / "place" / "out", "--split", "50/25/25")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done
    assert disk(tmp_path) == before


@pytest.mark.parametrize("name", NAMES[:-1], ids=ascii)
def test_a_class_of_a_configuration_that_is_no_name_of_a_folder(name, call_shell, toy_root, tiny_overlay, tmp_path):
    classes = f"data.classes={json.dumps(['CN', name])}"
    done = call_shell(
        "train.py", "--config", tiny_overlay, "--data", toy_root, "--run", tmp_path / "run", "--set", classes
    )
    refused(done, "data.classes: class ")
    assert not disk(tmp_path)


def with_header(path, change):
    """The file's header, changed; its tensors and their sum are left."""
    with safe_open(path, framework="pt") as file:
        about, tensors = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    header = json.loads(about["progan_style"])
    change(header, tensors)
    save_file(tensors, path, metadata=about | {"progan_style": json.dumps(header)})


@pytest.mark.parametrize("name", NAMES[:-1], ids=ascii)
def test_a_class_of_a_network_that_is_no_name_of_a_folder(name, run, call_shell, tmp_path):
    with_header(run / "stage-016" / "generator.safetensors", lambda header, _: header.update(class_names=["CN", name]))
    before = disk(tmp_path)
    done = call_shell("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "place" / "made")
    refused(done, "generator.safetensors: the header of this network is wrong: ")
    assert disk(tmp_path) == before


HEADERS = {
    "numbers for names": ({"class_names": [1, 2]}, "class_names.0: expected a valid string, got 1"),
    "3 names for 2 classes": ({"class_names": ["CN", "AD", "MCI"]}, "class_names: expected 2 different names"),
    "1 name for 2 classes": ({"class_names": ["CN"]}, "class_names: expected 2 different names"),
    "a class twice": ({"class_names": ["CN", "cn"]}, "class_names: expected 2 different names"),
    "no names": ({"class_names": []}, "class_names: expected at least 1 item, got []"),
    "positions as a text": ({"positions": "high"}, "positions: expected a valid dictionary, got 'high'"),
    "no positions": ({"positions": None, "-": "positions"}, "positions is missing"),
    "positions that its networks lack": (
        {"positions": {"column": "z", "quantiles": [0.0, 1.0]}},
        "conditions: expected those that its networks are built with, got others",
    ),
    "conditions as a text": ({"conditions": "age"}, "conditions: expected a valid dictionary, got 'age'"),
    "an age without a mean": (
        {"conditions": {"others": [{"kind": "number", "column": "age"}]}},
        "conditions: others.0.number.mean is missing",
    ),
    "no arguments": ({"-": "arguments"}, "arguments is missing"),
    "another architecture": (
        {"architecture": "stylegan9"},
        "architecture: expected stylegan1, stylegan2, got stylegan9",
    ),
    "a size between": ({"resolution": 24}, "resolution: expected a power of two from 8 to 16, got 24"),
    "a size too large": ({"resolution": 32}, "resolution: expected a power of two from 8 to 16, got 32"),
    "fewer images than none": ({"nimg": -1}, "nimg: expected greater than or equal to 0, got -1"),
    "another kind": ({"kind": "judge"}, "kind: expected 'generator' or 'discriminator', got 'judge'"),
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_header_that_is_wrong(what, run, call_shell, tmp_path):
    change, told = HEADERS[what]

    def changed(header, _):
        header.update({key: value for key, value in change.items() if key != "-"})
        header.pop(change.get("-", ""), None)

    with_header(run / "stage-016" / "generator.safetensors", changed)
    before = disk(tmp_path)
    done = call_shell("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "place" / "made")
    refused(done, f"the header of this network is wrong: {told}")
    assert disk(tmp_path) == before


FORMULAS = ["=1+1", "+A1", "@SUM(A1)", "-cmd|' /C calc'!A0", "=HYPERLINK(x)"]


def test_a_formula_of_a_foreign_table_is_a_text_in_ours(call_shell, tmp_path):
    """In cells and in names of columns; what we read of our own table is what stood in theirs. Numbers stay."""
    root = tmp_path / "slices"
    root.mkdir()
    rows = []
    for k, formula in enumerate(FORMULAS):
        Image.new("L", (16, 16), 40 * k).save(root / f"{k}.png")
        rows.append({"path": f"{k}.png", "label": "CN", "subject": f"p{k}", "note": formula, "@here": "-1.5e3"})
    with open(root / "manifest.csv", "w", newline="") as file:
        csv.DictWriter(file, rows[0]).writerows([{name: name for name in rows[0]}, *rows])
    done = call_shell("prepare.py", root, "--to", tmp_path / "out", "--split", "60/20/20")
    assert done.returncode == 0, done
    written = list(csv.reader((tmp_path / "out" / "manifest.csv").read_text().splitlines()))
    cells = [cell for line in written for cell in line]
    assert [cell for cell in cells if cell[:1] in tuple("=+@-")] == ["-1.5e3"] * len(rows)
    read = read_manifest(str(tmp_path / "out"))[1]
    assert sorted(line["note"] for _, line in read) == sorted(FORMULAS) and read[0][1]["@here"] == "-1.5e3"


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("share", (0.3, 0.5, 0.7, 0.99))
def test_a_bit_that_flipped_in_a_generator(share, run, call_shell, tmp_path):
    flip(run / "stage-016" / "generator.safetensors", share)
    before = disk(tmp_path)
    done = call_shell("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "place" / "made")
    refused(done, "generator.safetensors: ")
    assert disk(tmp_path) == before


def flip(path, share):
    """A bit in each of 128 bytes: more than the filling between the parts of a checkpoint, which nobody misses."""
    content = bytearray(path.read_bytes())
    start = min(int(share * len(content)), len(content) - 128)
    content[start : start + 128] = bytes(byte ^ 16 for byte in content[start : start + 128])
    path.write_bytes(content)


def test_weights_that_are_no_numbers(run, call_shell, tmp_path):
    path = run / "stage-016" / "generator.safetensors"

    def spoil(header, tensors):
        tensors["const"][0, 0, 0, 0] = float("nan")

    with_header(path, spoil)
    refused(call_shell("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "made"), "damaged: its tensors")
    with_header(path, lambda header, _: header.pop("sha256"))
    done = call_shell("generate.py", "--run", run, "--count", 2, "--to", tmp_path / "made")
    refused(done, "1 of ")
    assert "tensors are not finite (const)" in done.stderr and not (tmp_path / "made").exists()


@pytest.mark.parametrize("share", (0.3, 0.5, 0.7, 0.9))
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(share, run, call_shell, tmp_path):
    whole = torch.load(run / "checkpoint.pt", weights_only=True)["G_ema"]
    flip(run / "checkpoint.pt", share)
    shutil.rmtree(run / "stage-016")
    done = call_shell("train.py", "--run", run)
    assert done.returncode == 0, done.stderr
    told = "checkpoint.pt is damaged (now checkpoint-damaged.pt); going on from checkpoint-previous.pt at 120 images: "
    assert told + "8 images of the log are made again" in done.stdout
    again = torch.load(run / "checkpoint.pt", weights_only=True)["G_ema"]
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert (run / "stage-016" / "generator.safetensors").is_file() and (run / "checkpoint-damaged.pt").is_file()


def test_a_checkpoint_whose_table_of_contents_would_lie_before_its_start(run, call_shell):
    """The system refuses to look there; that is a damaged file and no fault of the disk."""
    content = bytearray((run / "checkpoint.pt").read_bytes())
    struct.pack_into("<Q", content, content.rindex(b"PK\6\6") + 40, 2**40)
    (run / "checkpoint.pt").write_bytes(content)
    (run / "checkpoint-previous.pt").unlink()
    shutil.rmtree(run / "stage-016")
    refused(call_shell("train.py", "--run", run), "not a checkpoint of a run, or a damaged one")


def test_both_checkpoints_are_damaged(run, call_shell, tmp_path):
    shutil.rmtree(run / "stage-016")
    for name in ("checkpoint.pt", "checkpoint-previous.pt"):
        flip(run / name, 0.5)
    before = disk(tmp_path)
    refused(call_shell("train.py", "--run", run), "checkpoint-previous.pt: not a checkpoint of a run, or a damaged one")
    assert disk(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "told"),
    (
        (lambda s: [s.pop(k) for k in list(s) if k != "format"], "not the state of a run: config is missing"),
        (lambda s: s.pop("opt_G"), "opt_G is missing"),
        (lambda s: s.pop("watchdog"), "watchdog is missing"),
        (lambda s: s.update(nimg="many"), "nimg: expected a valid integer, got 'many'"),
        (lambda s: s.update(nimg=-8), "nimg: expected greater than or equal to 0, got -8"),
        (lambda s: s.update(nimg=10**12), "of 1000000000000 images, where the whole run has 128"),
        (lambda s: s.update(G={"const": torch.zeros(2)}), "does not fit this run"),
        (lambda s: s["G"].update(const=torch.zeros(2)), "does not fit this run"),
        (lambda s: s.update(G=[1]), "G: expected a valid dictionary, got [1]"),
        (lambda s: s.update(opt_D={}), "does not fit this run (opt_D is empty, after 128 images)"),
        (
            lambda s: s.update(opt_G={"state": {}, "param_groups": []}),
            "opt_G.param_groups: expected a valid dictionary",
        ),
        (lambda s: s["opt_G"].update(ghost=s["opt_G"]["const"]), "moments of ghost, which the network does not have"),
        (
            lambda s: s["opt_G"].update(const=s["opt_D"]["logit.bias"]),
            "does not fit this run (moments of const: expected",
        ),
        (lambda s: s["opt_G"]["const"].pop("exp_avg"), "moments of const: expected step, exp_avg, exp_avg_sq"),
        (lambda s: s.update(watchdog={}), "watchdog.gradients is missing"),
        (lambda s: s["watchdog"].update(gradients={"grad_d": ["x"]}), "watchdog.gradients.grad_d.0: expected"),
        (lambda s: s["watchdog"].update(gradients={}), "does not fit this run ('grad_d')"),
        (lambda s: s.update(format=torch.zeros(2)), "expected a checkpoint of format 3"),
        (lambda s: s.update(format=1), "expected a checkpoint of format 3"),
    ),
)
def test_a_checkpoint_with_foreign_entries(change, told, run, call_shell, tmp_path):
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    change(state)
    torch.save(state, run / "checkpoint.pt")
    (run / "checkpoint-previous.pt").unlink()
    shutil.rmtree(run / "stage-016")
    before = disk(tmp_path)
    refused(call_shell("train.py", "--run", run), told)
    assert disk(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "told"),
    (
        (lambda s: s.pop("G"), "not the state of a run: G is missing"),
        (lambda s: s.update(config={}), "not the state of a run: config.network is missing"),
        (lambda s: s["config"]["schedule"].update(resolutions=[]), "config.schedule.resolutions: expected"),
        (lambda s: s.update(class_names=[1]), "class_names.0: expected a valid string, got 1"),
        (
            lambda s: s.update(G={k: torch.zeros(1) for k in s["G"]}),
            "tensors do not fit, though its configuration does",
        ),
    ),
)
def test_weights_to_begin_with_that_are_none(change, told, run, call_shell, toy_root, tiny_overlay, tmp_path):
    state = torch.load(run / "checkpoint.pt", weights_only=True)
    change(state)
    torch.save(state, tmp_path / "theirs.pt")
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--run", tmp_path / "new"]
    done = call_shell(*start, "--init", tmp_path / "theirs.pt")
    refused(done, told)
    assert not (tmp_path / "new" / "checkpoint.pt").exists()
    assert "forecast" not in done.stdout or "do not fit" in told  # a wrong file is told before anything is packed


def test_a_checkpoint_does_not_say_where_its_first_weights_lay(run, call_shell, toy_root, tiny_overlay, tmp_path):
    """It may be passed on. The run's own config.yaml says it, and holds the run to it."""
    theirs, new = tmp_path / "My Place" / "theirs.pt", tmp_path / "new"
    theirs.parent.mkdir()
    shutil.copy(run / "checkpoint.pt", theirs)
    begin = ["train.py", "--run", new, "--until", 8]
    done = call_shell(*begin, "--config", tiny_overlay, "--data", toy_root, "--init", theirs)
    assert done.returncode == 0 and b"My Place" not in (new / "checkpoint.pt").read_bytes(), done
    theirs.rename(tmp_path / "other.pt")
    refused(call_shell(*begin, "--init", tmp_path / "other.pt"), "another configuration (different: init)")
    shutil.rmtree(new / "stage-008")
    assert call_shell(*begin).returncode == 0 and (new / "stage-008" / "generator.safetensors").is_file()


@pytest.mark.parametrize("arguments", ((), ("--stage",), ("--until", 8)))
def test_a_run_whose_checkpoint_is_gone_is_no_new_run(arguments, run, call_shell, tmp_path):
    (run / "checkpoint.pt").unlink()
    shutil.rmtree(run / "stage-016")
    before = disk(tmp_path)
    told = "holds checkpoint-previous.pt, stage-008 and no checkpoint.pt; rename checkpoint-previous.pt to go on"
    done = call_shell("train.py", "--run", run, *arguments)
    refused(done, told)
    assert disk(tmp_path) == before


def test_a_stage_whose_folder_is_gone_is_made_again_where_the_run_ends_with_it(run, call_shell):
    before = (run / "stage-016" / "generator.safetensors").read_bytes()
    shutil.rmtree(run / "stage-016")
    done = call_shell("train.py", "--run", run, "--until", 16)
    assert done.returncode == 0 and (run / "stage-016" / "generator.safetensors").read_bytes() == before


def test_a_stage_whose_folder_is_gone_is_told_where_the_run_is_past_it(run, call_shell):
    shutil.rmtree(run / "stage-008")
    refused(call_shell("train.py", "--run", run, "--until", 8), "past stage 8, whose files are gone")


# ---------------------------------------------------------------- lines of the log


@pytest.mark.parametrize("line", ("{broken", "[]", "null", '{"loss_d": 1}', "\xff", "[" * 100_000))
def test_a_line_of_the_log_that_cannot_be_read_ends_no_other(line, run, call_shell):
    log = run / "log.jsonl"
    lines = log.read_text().splitlines()
    log.write_bytes("\n".join([*lines[:2], line, *lines[2:], ""]).encode("latin-1"))
    shutil.rmtree(run / "stage-016")
    done = call_shell("train.py", "--run", run)
    assert done.returncode == 0, done.stderr
    *kept, call = log.read_text().splitlines()
    assert kept == lines and "command" in json.loads(call)


# ---------------------------------------------------------------- what was left in the environment


def test_a_rank_without_others_to_join_is_ignored_with_a_line(run, call_shell, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    shutil.rmtree(run / "stage-016")
    done = call_shell("train.py", "--run", run)
    assert done.returncode == 0 and "note: RANK=1 in the environment is ignored" in done.stdout, done
    assert (run / "stage-016" / "generator.safetensors").is_file()


@pytest.mark.parametrize(("name", "others"), (("WORLD_SIZE", {}), ("RANK", {"WORLD_SIZE": "2"})))
def test_a_rank_that_is_no_number(name, others, run, call_shell, monkeypatch, tmp_path):
    for key, value in {**others, name: "x"}.items():
        monkeypatch.setenv(key, value)
    before = disk(tmp_path)
    refused(call_shell("train.py", "--run", run), f"{name}=x in the environment: expected a number")
    assert disk(tmp_path) == before


# ---------------------------------------------------------------- signals


@pytest.mark.parametrize("name", ("SIGINT", "SIGTERM", "SIGHUP", "SIGXCPU", "SIGUSR1"))
def test_a_signal_is_gathered_where_the_loop_can_stop_and_an_interrupt_before(name):
    number = getattr(signal, name)
    before = signal.signal(number, signal.default_int_handler)  # under nohup SIGHUP is ignored, and stays so
    try:
        with Signals() as signals:
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
            signals.polite = True
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
    assert signals.asked == [number]


SECOND = """
import os, signal
from progan_style_cli import Signals
with Signals() as signals:
    signals.polite = True
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    print("not reached")
"""


def test_a_second_interrupt_ends_at_once_and_says_what_is_kept():
    done = subprocess.run([sys.executable, "-c", SECOND], cwd=REPO, capture_output=True, text=True)
    assert done.returncode == -signal.SIGINT and not done.stdout
    assert done.stderr.startswith("ended at once: what was made since the last checkpoint is lost")
    assert done.stderr.count("\n") == 1


def test_a_signal_that_the_system_repeats_is_heard_once():
    """Linux sends SIGXCPU each second from the soft limit on, also while the checkpoint is being written."""
    with Signals() as signals:
        signals.polite = True
        for number in (signal.SIGXCPU, signal.SIGUSR1) * 3:
            os.kill(os.getpid(), number)
    assert signals.asked == [signal.SIGXCPU, signal.SIGUSR1]


def test_another_signal_after_the_first_is_still_polite():
    """A batch system sends SIGTERM a while after SIGUSR1: the checkpoint is being written by then."""
    with Signals() as signals:
        signals.polite = True
        for number in (signal.SIGUSR1, signal.SIGTERM):
            os.kill(os.getpid(), number)
    assert signals.asked == [signal.SIGUSR1, signal.SIGTERM]


def test_a_process_under_nohup_does_not_hear_the_connection_break():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Signals() as signals:
            signals.polite = True
            os.kill(os.getpid(), signal.SIGHUP)
        assert not signals.asked and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_two_trainings_in_one_folder(run, call_shell, tmp_path):
    lock = Lock(run)
    lock.take()
    shutil.rmtree(run / "stage-016")
    before = disk(tmp_path)
    done = call_shell("train.py", "--run", run)
    refused(done, "run: another training writes here (process ")
    assert "data  " not in done.stdout  # told before anything is packed
    assert disk(tmp_path) == before
    lock.release()


# ---------------------------------------------------------------- files of something else

FOREIGN = {
    "config.yaml": ("model: resnet\n", "holds a config.yaml that is not of a run (config.yaml: "),
    "log.jsonl": ('{"epoch": 1}\n', "holds a log.jsonl that is not of a run; name another folder with --run"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_something_else_where_a_run_would_be(name, call_shell, tiny_overlay, toy_root, tmp_path):
    text, told = FOREIGN[name]
    run = tmp_path / "run"
    run.mkdir()
    (run / name).write_text(text)
    done = call_shell("train.py", "--config", tiny_overlay, "--data", toy_root, "--run", run)
    refused(done, told)
    assert [file.name for file in run.iterdir()] == [name] and (run / name).read_text() == text


def test_a_run_that_ended_before_its_first_checkpoint_begins_anew(call_shell, tiny_overlay, toy_root, tmp_path, run):
    began = tmp_path / "began"
    began.mkdir()
    shutil.copy(run / "config.yaml", began)
    (began / "log.jsonl").write_text((run / "log.jsonl").read_text() + '{"nimg": ')
    done = call_shell("train.py", "--config", tiny_overlay, "--data", toy_root, "--until", 8, "--run", began)
    assert done.returncode == 0 and (began / "stage-008" / "generator.safetensors").is_file(), done


def test_a_report_is_written_over_no_other_file(call_shell, toy_root, tmp_path):
    to = tmp_path / "out"
    to.mkdir()
    (to / "metrics.json").write_text("{}")
    compared = ["--real", toy_root, "--fake", toy_root, "--to", to, "--parts", "grid"]
    refused(
        call_shell("analysis/__main__.py", *compared), "out: holds something else than a report; name another folder"
    )
    assert [file.name for file in to.iterdir()] == ["metrics.json"] and (to / "metrics.json").read_text() == "{}"
    (to / "metrics.json").unlink()
    for _ in range(2):  # a report is gone on with
        done = call_shell("analysis/__main__.py", *compared)
        assert done.returncode == 0, done


@pytest.mark.parametrize("below", ("", "run"))
def test_a_run_in_the_place_of_a_file(below, call_shell, tiny_overlay, toy_root, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    before = disk(tmp_path)
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root]
    done = call_shell(*start, "--run", tmp_path / "mine.txt" / below)
    refused(done, "mine.txt is a file, no folder; name a folder")
    assert "data  " not in done.stdout and disk(tmp_path) == before


# ---------------------------------------------------------------- data that moved, or are others


@pytest.fixture
def moved(run, toy_root, tmp_path):
    """The run's data in another folder, and its last stage still to be made."""
    return Path(shutil.copytree(toy_root, tmp_path / "elsewhere"))


def invert(folder):
    for file in folder.rglob("*.png"):
        Image.eval(Image.open(file), lambda value: 255 - value).save(file)


@pytest.mark.parametrize("command", ("train.py", "predict.py"))
def test_slices_that_changed_between_two_calls(command, run, moved, call_shell, tmp_path):
    invert(moved)
    if command == "train.py":
        shutil.rmtree(run / "stage-016")
    before = disk(tmp_path)
    told = "the training slices are others than those of this run (pixels differ, now "
    refused(call_shell(command, "--run", run, "--data", moved), told)
    assert disk(tmp_path) == before


def test_data_that_moved_are_followed(run, moved, call_shell):
    shutil.rmtree(run / "stage-016")
    done = call_shell("train.py", "--run", run, "--data", moved)
    assert done.returncode == 0 and "differ" not in done.stdout, done
    assert str(moved) in (run / "config.yaml").read_text()
    done = call_shell("predict.py", "--run", run, "--data", moved, "--parts", "grid")
    assert done.returncode == 0, done


def test_a_folder_whose_name_is_no_text_is_read_as_any_other(toy_root, tmp_path):
    """In a process of its own, where a terminal takes UTF-8 alone."""
    root = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9")
    shutil.copytree(toy_root, root)
    words = [sys.executable, "prepare.py", "--audit", root]
    environment = os.environ | {"PYTHONUTF8": "1"}
    done = subprocess.run(words, cwd=REPO, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not done.stderr and "caf\\udce9/audit/audit.html" in done.stdout, done
    assert "Audit of caf\\udce9" in (Path(root) / "audit" / "audit.html").read_text(encoding="utf-8")


def test_data_that_are_gone(run, call_shell, tmp_path):
    config = run / "config.yaml"
    config.write_text(re.sub(r"root: .*", "root: nowhere", config.read_text()))
    before = disk(tmp_path)
    refused(call_shell("predict.py", "--run", run, "--parts", "grid"), "nowhere: no such folder; ")
    assert disk(tmp_path) == before


# ---------------------------------------------------------------- more than fits


def test_more_images_than_the_disk_holds(run, call_shell, tmp_path):
    before = disk(tmp_path)
    done = call_shell("generate.py", "--run", run, "--count", 10**12, "--to", tmp_path / "made")
    refused(done, "--count: 2000000000000 images of 16x16 take ")
    assert disk(tmp_path) == before


def test_many_images_are_told_with_size_and_time_before_they_are_made(run, call_shell, monkeypatch, tmp_path):
    monkeypatch.setattr(generating, "CHUNK", 16)
    done = call_shell("generate.py", "--run", run, "--count", 17, "--to", tmp_path / "made")
    assert done.returncode == 0 and "forecast  18 more images take about " in done.stdout, done
    for free, told in ((40_000, "18 more images take about "), (10_000, "34 images of 16x16 take 17 kB or more")):
        monkeypatch.setattr(generating.shutil, "disk_usage", lambda place, free=free: SimpleNamespace(free=free))
        done = call_shell("generate.py", "--run", run, "--count", 17, "--to", tmp_path / "more")
        refused(done, f"--count: {told}")
        assert f"{free // 1000} kB are free in " in done.stderr and not (tmp_path / "more").exists()


def test_more_images_than_the_memory_holds_lines_for(run, call_shell, monkeypatch, tmp_path):
    monkeypatch.setattr("progan_style.memory.free_bytes", lambda: 10_000)
    done = call_shell("generate.py", "--run", run, "--count", 20, "--to", tmp_path / "made")
    refused(done, "take 20 kB or more, and 10 kB of memory are free for their lines of manifest.csv; ask for fewer")


def test_a_batch_that_the_memory_cannot_hold(call_shell, toy_root, tiny_overlay, monkeypatch, tmp_path):
    monkeypatch.setattr("progan_style.memory.free_bytes", lambda: 16 * 10**9)
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root, "--run", tmp_path / "run"]
    done = call_shell(*start, "--set", "schedule.batch_size.8=1000000", "--set", "schedule.hold_kimg.8=8000")
    refused(done, "a step at 8 px with 1000000 images takes about 71.7 GB, and 16.0 GB are free; lower ")
    assert "lower schedule.batch_size.8 to 223212 or network.channel_base" in done.stderr
    assert not (tmp_path / "run").exists()


def test_more_slices_than_the_memory_holds(run, call_shell, tmp_path):
    before = disk(tmp_path)
    done = call_shell("predict.py", "--run", run, "--samples-per-label", 10**12)
    refused(done, "--samples-per-label: 1000000000000 slices of 16x16 per class take ")
    assert disk(tmp_path) == before


def test_a_picture_of_more_pixels_than_a_slice_has(toy_root, tiny_overlay, call_shell, tmp_path):
    """Every command has the same limit."""
    root = tmp_path / "slices"
    shutil.copytree(toy_root, root)
    Image.new("L", (4097, 4097)).save(root / "train" / "CN" / "large_1.png")
    told = "large_1.png: more than 16,777,216 pixels, which is no slice: take it out of the folder"
    refused(call_shell("train.py", "--config", tiny_overlay, "--data", root, "--run", tmp_path / "run"), told)
    done = call_shell("prepare.py", root, "--to", tmp_path / "out", "--split", "50/25/25")  # the others go on
    assert done.returncode == 1 and told in done.stderr, done
    done = call_shell("prepare.py", "--audit", root)
    assert done.returncode == 1 and "unreadable 1 slices: train/CN/large_1.png" in done.stdout, done


# ---------------------------------------------------------------- pictures that cannot be read


def broken_picture(path, how):
    whole = io.BytesIO()
    Image.new("L", (64, 64), 90).save(whole, "PNG")
    content = {"empty": b"", "truncated": whole.getvalue()[:50], "a text": b"no picture"}.get(how)
    if how == "a bomb":
        content = whole.getvalue().replace(b"\0\0\0\x40\0\0\0\x40", b"\0\0\x75\x30\0\0\x75\x30")
    path.write_bytes(content)


@pytest.mark.parametrize("how", ("empty", "truncated", "a text", "a bomb"))
def test_a_picture_that_cannot_be_read_is_part_of_the_audits_answer(how, call_shell, toy_root, tmp_path):
    shutil.copytree(toy_root, tmp_path / "slices")
    broken_picture(tmp_path / "slices" / "test" / "CN" / "broken_1.png", how)
    done = call_shell("prepare.py", "--audit", tmp_path / "slices")
    assert done.returncode == 1 and "unreadable 1 slices: test/CN/broken_1.png" in done.stdout, done
    assert "1 files could not be read, and were not looked at" in done.stdout


def test_pipes_end_no_audit_and_are_part_of_its_answer(call_shell, toy_root, tmp_path):
    """In a class folder, behind a link, and listed by a manifest: to open one is to wait for ever."""
    root = tmp_path / "My Place" / "slices"
    shutil.copytree(toy_root, root)
    os.mkfifo(root / "train" / "CN" / "pipe_0.png")
    os.mkfifo(tmp_path / "outside")
    (root / "train" / "CN" / "link_0.png").symlink_to(tmp_path / "outside")
    done = call_shell("prepare.py", "--audit", root)
    assert done.returncode == 1 and "not used  train/CN/pipe_0.png (no regular file)" in done.stdout, done
    assert "unreadable 1 slices: train/CN/link_0.png" in done.stdout
    found = json.loads((root / "audit" / "audit.json").read_text())
    assert "My Place" not in json.dumps(found)  # it may be passed on
    assert found["unreadable"] == {"train/CN/link_0.png": "no regular file; take it out of the folder"}


@pytest.mark.parametrize("inside", ([], ["train/CN", "train/AD"], ["CN"]))
def test_the_audit_of_a_folder_without_pictures(inside, call_shell, tmp_path):
    for name in inside:
        (tmp_path / "slices" / name).mkdir(parents=True)
    (tmp_path / "slices").mkdir(exist_ok=True)
    before = disk(tmp_path)
    refused(call_shell("prepare.py", "--audit", tmp_path / "slices"), "no slices; expected SPLIT/CLASS/")
    assert disk(tmp_path) == before


# ---------------------------------------------------------------- what may leave the lab


def test_no_file_of_a_report_names_a_place_on_the_machine(call_shell, tiny_overlay, toy_root, tmp_path):
    """Data without a validate part: the section that needs one says which data, and not where they lie."""
    root, run = tmp_path / "My Study" / "slices", tmp_path / "place" / "run"
    shutil.copytree(toy_root, root)
    shutil.rmtree(root / "validate")
    assert call_shell("train.py", "--config", tiny_overlay, "--data", root, "--run", run, "--until", 8).returncode == 0
    done = call_shell("predict.py", "--run", run, "--public", "--samples-per-label", 16, "--parts", "utility")
    assert done.returncode == 2 and "slices has no validate part" in done.stderr
    files = [path for path in (run / "analysis-008").rglob("*") if path.is_file()]
    assert len(files) >= 3 and "slices has no validate part" in (run / "analysis-008" / "metrics.json").read_text()
    told = [path.name for path in files for name in (str(tmp_path), "My Study") if name.encode() in path.read_bytes()]
    assert not told


@pytest.mark.parametrize(
    ("text", "kept"),
    (
        ("/data/adni/x.png: no picture", "x.png: no picture"),
        ("wrong: '/data/adni/x.png' (a link)", "wrong: 'x.png' (a link)"),
        ("/mnt/a/b/: empty", ": empty"),
        ("C:\\scans\\me\\x.nii is cut", "x.nii is cut"),
        ("generated/real, AD/CN and 3/4", "generated/real, AD/CN and 3/4"),
        ("https://arxiv.org/abs/1", "https://arxiv.org/abs/1"),
    ),
)
def test_of_a_path_the_last_part_is_kept(text, kept):
    assert PLACE.sub(r"\1", text) == kept


# ---------------------------------------------------------------- scans that cannot be read


@pytest.fixture
def scans(scan_tools, tmp_path):
    """A folder with a good scan, and a place for a bad one."""
    folder = tmp_path / "scans"
    folder.mkdir()
    scan_tools.write_nifti(folder / "good.nii", *scan_tools.head(8.0))
    return folder


FIELDS = {  # of a NIfTI-1 header: offset and type
    "dim0": (40, "<h"), "dim1": (42, "<h"), "datatype": (70, "<h"), "bitpix": (72, "<h"), "pixdim1": (80, "<f"),
    "vox_offset": (108, "<f"), "slope": (112, "<f"), "inter": (116, "<f"), "magic": (344, "<i"), "size": (0, "<i"),
}  # fmt: skip
NIFTI = [
    *(("dim0", value) for value in (-1, 0, 1, 2, 4, 7, 8, 32767)),
    *(("dim1", value) for value in (-5, 0, 1, 32767)),
    *(("datatype", value) for value in (-1, 0, 1, 128, 999, 1536, 1792, 2304)),
    *(("vox_offset", value) for value in (float("inf"), float("nan"), -5.0, 1e30, 1e6)),
    *(("inter", value) for value in (float("inf"), float("nan"))),
    *(("pixdim1", value) for value in (0.0, float("nan"), 1e30)),
    *(("magic", 0), ("size", 0), ("slope", float("inf"))),
]


@pytest.mark.parametrize(("field", "value"), NIFTI)
def test_a_header_of_a_scan_that_is_wrong_is_listed_and_the_others_go_on(field, value, scans, scan_tools, tmp_path):
    """Some are mended by the reader; whatever it raises is this scan's."""
    path = scan_tools.write_nifti(scans / "bad.nii", *scan_tools.head(8.0, seed=1))
    offset, kind = FIELDS[field]
    content = bytearray(path.read_bytes())
    struct.pack_into(kind, content, offset, value)
    path.write_bytes(content)
    made = prepare_study(scans, tmp_path / "out", cut=Cut(slices=2), workers=1, progress=False)
    assert len(made.rows) in (2, 4) and (len(made.rows) == 4) != ("bad.nii" in made.failed), made
    assert "\n" not in made.failed.get("bad.nii", "") and str(tmp_path) not in made.failed.get("bad.nii", "")


@pytest.mark.parametrize("share", (0.1, 0.4, 0.8, 0.999))
def test_a_bit_that_flipped_in_a_compressed_scan(share, scans, scan_tools, tmp_path):
    path = scan_tools.write_nifti(scans / "bad.nii.gz", *scan_tools.head(8.0, seed=1))
    flip(path, share)
    made = prepare_study(scans, tmp_path / "out", cut=Cut(slices=2), workers=1, progress=False)
    assert list(made.failed) == ["bad.nii.gz"] and len(made.rows) == 2


@pytest.mark.parametrize(
    "how", ("no Rows", "no Columns", "no PixelData", "another syntax", "half of it", "no spacing", "two Rows")
)
def test_a_dicom_file_that_is_wrong(how, scans, scan_tools, tmp_path):
    folder = scan_tools.write_dicom(scans / "series", *scan_tools.head(8.0, seed=1))
    first = sorted(folder.iterdir())[3]
    header = pydicom.dcmread(first)
    for name in ("Rows", "Columns", "PixelData"):
        if how == f"no {name}":
            delattr(header, name)
    if how == "two Rows":
        header["Rows"].value = [8, 8]
    if how == "no spacing":
        del header.PixelSpacing
    if how == "another syntax":
        header.file_meta.TransferSyntaxUID = "1.2.3.4.5"
    header.save_as(first)
    if how == "half of it":
        first.write_bytes(first.read_bytes()[:300])
    made = prepare_study(scans, tmp_path / "out", cut=Cut(slices=2), workers=1, progress=False)
    assert list(made.failed) == ["series"] and len(made.rows) == 2
    if how == "another syntax":
        told = "IM0003.dcm: pixels of an unknown kind (transfer syntax 1.2.3.4.5); export it uncompressed"
        assert made.failed["series"].endswith(told)
    assert "Error:" not in made.failed["series"]  # a reader's own, which says nothing to a user


def test_a_name_that_is_no_text_and_a_pipe(scans, scan_tools, call_shell, tmp_path):
    shutil.copy(scans / "good.nii", os.fsencode(scans) + b"/caf\xe9.nii")
    os.mkfifo(scans / "pipe.nii")
    os.mkfifo(scans / "pipe")
    done = call_shell("prepare.py", scans, "--to", tmp_path / "out", "--slices", 2, "--workers", 1)
    assert done.returncode == 0, done
    assert "caf\\udce9.nii" in (tmp_path / "out" / "scans.csv").read_text(encoding="utf-8")
    assert "pipe" not in (tmp_path / "out" / "scans.csv").read_text(encoding="utf-8")


def test_a_pipe_among_the_pictures(call_shell, toy_root, tiny_overlay, tmp_path):
    root = tmp_path / "slices"
    shutil.copytree(toy_root, root)
    os.mkfifo(root / "train" / "CN" / "pipe_0.png")
    done = call_shell("train.py", "--config", tiny_overlay, "--data", root, "--run", tmp_path / "run", "--until", 8)
    assert done.returncode == 0 and "train/CN/pipe_0.png (no regular file)" in done.stdout, done


# ---------------------------------------------------------------- folders that are data, or become data


def test_a_folder_in_the_making_is_no_data(run, call_shell, monkeypatch, tiny_overlay, tmp_path):
    """As kill -9 leaves it: a hidden folder, which no training reads and which the next call names."""
    made = tmp_path / "made"
    monkeypatch.setattr(files.os, "replace", lambda *given: os._exit(9))
    child = os.fork()
    if child == 0:
        call_shell("generate.py", "--run", run, "--count", 2, "--to", made)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    monkeypatch.undo()
    assert [path.name for path in made.iterdir()] == [".unfinished"]
    start = ["train.py", "--config", tiny_overlay, "--data", made, "--run", tmp_path / "other"]
    refused(call_shell(*start), "no class folders")
    done = call_shell("generate.py", "--run", run, "--count", 2, "--to", made)
    refused(done, "not empty; it was left by a run that was killed: delete it; name a new folder")


@pytest.mark.parametrize("inside", ("", "train/CN/more", "new"))
def test_nothing_is_written_into_a_data_folder(inside, run, toy_root, call_shell, tiny_overlay, tmp_path):
    place, before = toy_root / inside, disk(toy_root)
    refused(call_shell("generate.py", "--run", run, "--count", 2, "--to", place), "--to: ")
    start = ["train.py", "--config", tiny_overlay, "--data", toy_root]
    refused(call_shell(*start, "--run", place), "lies in the data folder")
    refused(call_shell("prepare.py", toy_root, "--to", place, "--split", "50/25/25"), "lies in the data folder")
    refused(call_shell("progan_style/commands/share.py", "--run", run, "--to", place), "lies in the data folder")
    compared = ["--real", toy_root, "--fake", toy_root, "--to", place]
    done = subprocess.run(
        [sys.executable, "-m", "analysis", *map(str, compared)], cwd=REPO, capture_output=True, text=True, check=False
    )
    refused(done, "lies in the data folder")
    assert disk(toy_root) == before


# ---------------------------------------------------------------- configurations


FILES = {
    "3,000 nested brackets": ("a: " + "[" * 3000, "more than 20 deep"),
    "nested mappings": ("{a: " * 3000, "more than 20 deep"),
    "an alias bomb": ("a: &a [1]\nb: &b [*a, *a]\nc: [*b, *b]", "aliases (*NAME) are not read"),
    "a mapping in itself": ("a: &a {b: *a}", "aliases (*NAME) are not read"),
    "a key twice": ("seed: 1\nseed: 2", "seed stands twice"),
    "a key twice, below": ("schedule:\n  lr_g: {8: 1, 16: 1, 8: 2}", "8 stands twice"),
    "a tag that runs code": ("a: !!python/object/apply:os.mkdir [harmed]", "not a YAML file"),
    "a key with a dot": ("data.root: here", "data.root is not known as one word; expected data: and below it"),
    "a list": ("[1, 2]", "expected keys and values, got list"),
    "no text": (b"\xff\xfe\x00", "not a YAML file"),
    "a megabyte and more": ("# " + "x" * 2**21, "expected a configuration of at most 1,048,576"),
    "a date that is none": ("a: 2026-99-99", "not a YAML file"),
}
VALUES = {
    "data.conditions={a: position, b: position}": "data.conditions: expected one position at most, got a and b",
    "seed=true": "seed: expected a number, got true",
    "threads=1000000": "threads: expected less than or equal to 4096, got 1000000",
    "schedule.hold_kimg.8=1e300": "schedule.hold_kimg.8: expected 1,000,000 or less, got 1e+300",
    "schedule.batch_size.8=4000000": "schedule.batch_size.8: expected 1,000,000 or less, got 4e+06",
    "schedule.hold_kimg.8=.nan": "schedule.hold_kimg.8: expected",
    "training.log_kimg=true": "training.log_kimg: expected a number, got true",
    "data.root=''": "data.root: expected the name of a file or folder, or null, got ''",
    "data.root=5": "data.root: expected a valid string, got 5",
    'data.root="a\\0b"': "data.root: expected the name of a file or folder, or null",
    "data.cache=''": "data.cache: expected the name of a file or folder",
    'augment.name="\\ud800\\udc00"': "a name in it is no text (UTF-8); rename that file or folder",
    "conditioning.name=[]": "conditioning.name: expected a valid string, got []",
    "network.name={a: 1}": "network.name: expected a valid string, got a section",
    "init=''": "init: expected the name of a file or folder",
    "training.graphs=maybe": "training.graphs: expected 'auto', 'on' or 'off', got 'maybe'",
    "training.graphs=on": "training.graphs: CUDA graphs need a CUDA device, this is a CPU; expected off or auto",
    "seed=[": "--set seed=[: the value is not YAML",
    "seed=a\n: b": "--set 'seed=a\\n: b': the value is not YAML",
    "seed.a\nb=1": "--set: 'seed.a\\nb' is not known",
    "a\nb": "--set 'a\\nb': expected KEY=VALUE",
}


@pytest.mark.parametrize("what", FILES)
def test_a_configuration_that_is_none(what, call_shell, tmp_path):
    content, told = FILES[what]
    (tmp_path / "mine.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = disk(tmp_path)
    done = call_shell("train.py", "--config", tmp_path / "mine.yaml", "--run", tmp_path / "run")
    refused(done, told)
    assert disk(tmp_path) == before and not Path("harmed").exists()


# Column, what it is conditioned on as, its cells in turn, and what is said
COLUMNS = {
    "no such column": ("hieght", "number", "123", "data.conditions: manifest.csv has no column 'hieght'; did you mean"),
    "words as heights": ("height", "position", ["0", "left"], "column height: expected numbers, got 'left' of train/"),
    "words as ages": ("height", "number", ["60", "old"], "expected numbers, got 'old' of train/"),
    "the same age": ("height", "number", ["70"], "it says the same of all training slices, '70'"),
    "the same sex": ("height", "category", ["F"], "it says the same of all training slices, 'F'"),
    "too many": ("height", "category", list(map(str, range(51))), "expected at most 50 categories, got 51"),
    "no height": ("height", "position", ["1", ""], "no number for "),
}


@pytest.mark.parametrize("what", COLUMNS)
def test_a_column_that_is_no_condition(what, call_shell, toy_root, tiny_overlay, tmp_path):
    name, kind, cells, told = COLUMNS[what]
    root = tmp_path / "slices"
    shutil.copytree(toy_root, root)
    copies = [shutil.copy(p, p.with_name(f"{p.stem}_b.png")) for p in sorted(root.glob("*/*/*.png"))]
    lines = [
        f"{p.relative_to(root)},{p.parent.name},{p.stem.split('_')[0]},{cells[k % len(cells)]}"
        for k, p in enumerate([*sorted(root.glob("*/*/*.png"))])
    ]
    assert copies
    (root / "manifest.csv").write_text("\n".join(["path,label,subject,height", *lines]))
    start = ["train.py", "--config", tiny_overlay, "--data", root, "--run", tmp_path / "run"]
    refused(call_shell(*start, "--set", f"data.conditions={{{name}: {kind}}}"), told)
    assert not (tmp_path / "run").exists()


def test_an_age_that_is_missing_in_more_than_half_of_the_slices_is_said_and_the_run_goes_on(
    call_shell, toy_root, tiny_overlay, tmp_path
):
    root = tmp_path / "slices"
    shutil.copytree(toy_root, root)
    paths = sorted(root.glob("*/*/*.png"))
    lines = [f"{p.relative_to(root)},{p.stem[:-2]},{60 + k % 7 if k % 3 == 0 else ''}" for k, p in enumerate(paths)]
    (root / "manifest.csv").write_text("\n".join(["path,subject,age", *lines]))
    start = ["train.py", "--config", tiny_overlay, "--data", root, "--run", tmp_path / "run", "--until", 8]
    done = call_shell(*start, "--set", "data.conditions={age: number}")
    assert done.returncode == 0, done.stderr
    assert "warning: manifest.csv says no age of 32 of 48 training slices" in done.stdout


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_cannot_be(value, call_shell, tiny_overlay, toy_root, tmp_path):
    start = ["train.py", "--config", tiny_overlay, "--run", tmp_path / "run"]
    start += [] if value.startswith("data.root") else ["--data", toy_root]
    done = call_shell(*start, "--set", value)
    refused(done, VALUES[value])
    assert "data  " not in done.stdout and not disk(tmp_path)  # told before anything is packed


# ---------------------------------------------------------------- caches and kept parts


@pytest.mark.parametrize(
    ("name", "old", "new"),
    (
        ("index.json", b'"range": [0, 255]', b'"range": null'),
        ("index.json", b'"upsampled": 0', b'"upsampled": "x"'),
        ("level-008.npy", b"'descr'", b"'"),
        ("level-008.npy", b"|u1", b"|i1"),
        ("means.npy", b"<f8", b"<i8"),
    ),
)
def test_a_cache_that_a_reader_trips_over_is_made_anew(name, old, new, toy_root, tmp_path, capsys):
    whole = load_folder(toy_root, resolution=8, cache_dir=tmp_path, progress=False)
    slices = whole.train.at(8).copy()  # not the file's own, which is written over
    (cache,) = tmp_path.iterdir()
    content = (cache / name).read_bytes()
    assert content.count(old) == 1
    (cache / name).write_bytes(content.replace(old, new))
    again = load_folder(toy_root, resolution=8, cache_dir=tmp_path, progress=False)
    assert f"note: the cache {cache} is damaged; the slices are packed anew" in capsys.readouterr().out
    assert (again.train.at(8) == slices).all() and again.summary() == whole.summary()


@pytest.mark.parametrize("content", (b"", b"{}", b"[]", b"{", b"\xff", None))
def test_a_damaged_cache_of_slices_is_made_anew_with_a_line(content, toy_root, tmp_path, capsys):
    whole = load_folder(toy_root, resolution=16, cache_dir=tmp_path, progress=False)
    (cache,) = tmp_path.iterdir()
    if content is None:
        (cache / "means.npy").unlink()
    else:
        (cache / "index.json").write_bytes(content)
    again = load_folder(toy_root, resolution=16, cache_dir=tmp_path, progress=False)
    assert f"note: the cache {cache} is damaged; the slices are packed anew" in capsys.readouterr().out
    assert again.key == whole.key and (again.train.at(16) == whole.train.at(16)).all()


@pytest.mark.parametrize("share", (0.0, 0.5))
def test_a_damaged_reference_classifier_is_trained_anew_with_a_line(share, tmp_path, capsys):
    slices = np.random.default_rng(0).integers(0, 256, (8, 1, 8, 8), dtype=np.uint8)
    given = (slices, np.arange(8) % 2, ("CN", "AD"))
    whole = train_judge(*given, images_seen=64, cache=tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert train_judge(*given, images_seen=64, cache=tmp_path).hash == whole.hash
    assert f"note: {file} is damaged; the reference classifier is trained anew" in capsys.readouterr().out


@pytest.mark.parametrize("content", (b"", b"[]", b"{}", b"null", b"{", b"\xff"))
def test_a_damaged_part_of_a_report_is_measured_anew(content, run, call_shell, quick):
    asked = ["predict.py", "--run", run, "--samples-per-label", 16, "--parts", "grid"]
    first = call_shell(*asked)
    assert first.returncode == 0, first
    (part,) = [p for p in (run / "analysis-016").rglob("*.json") if p.name == "grid.json"]
    part.write_bytes(content)
    again = call_shell(*asked)
    assert again.returncode == 0 and json.loads(part.read_text())["numbers"] is not None, again


def test_parts_without_a_name(run, call_shell):
    refused(call_shell("predict.py", "--run", run, "--parts", ","), "got no name")


@pytest.mark.parametrize("cell", ("left", "n/a", "", "nan"))
def test_words_in_a_column_of_heights_are_no_heights(cell):
    class Slices:
        columns: ClassVar = {"position": np.array([cell] * 3)}

        def __len__(self):
            return 3

    heights, name = slice_positions(Slices())
    assert np.isnan(heights).all() and name == ""


# ---------------------------------------------------------------- what others leave behind, or do not read


def test_what_a_killed_packing_left_is_swept_after_a_day(toy_root, tmp_path):
    for name, hours in ((".data-old-1", 25), (".data-new-1", 1), (".other", 100)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "level-008.npy").touch()
        for path in (tmp_path / name / "level-008.npy", tmp_path / name):
            os.utime(path, (time.time() - 3600 * hours,) * 2)
    load_folder(toy_root, resolution=8, cache_dir=tmp_path, progress=False)
    assert sorted(path.name for path in tmp_path.glob(".*")) == [".data-new-1", ".other"]


def test_a_training_that_nobody_reads_goes_on(run, tmp_path):
    shutil.rmtree(run / "stage-016")
    shutil.copy(run / "checkpoint-previous.pt", run / "checkpoint.pt")
    process = Forked("train.py", "--run", run)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0, process.stderr.read()
    assert (run / "stage-016" / "generator.safetensors").is_file()
