"""What the comparison of two checkouts sees and what it passes over, on made-up files and on made-up checkouts."""

import json
import shutil

import pytest
import torch
import yaml
from safetensors.torch import save_file

from benchmarks import equal_runs

# A checkout of one screen: its training writes a number, its phantoms a table.
TRAIN = """
import json, pathlib, sys
words = dict(zip(sys.argv[1:], sys.argv[2:]))
run = pathlib.Path(words["--run"])
run.mkdir(parents=True)
(run / "log.jsonl").write_text(json.dumps({"nimg": 8, "loss_d": 0.5, "images_per_second": NOW}) + chr(10))
"""
PHANTOM = """
import pathlib, sys
to = pathlib.Path(sys.argv[sys.argv.index("--to") + 1])
to.mkdir(parents=True)
(to / "manifest.csv").write_text(f"path,{to}")
"""
PREPARE = "raise SystemExit(0)"


def make_tree(folder, train=TRAIN, module="progan_style/data/phantom.py"):
    (folder / module).parent.mkdir(parents=True)
    for name, text in {"train.py": train, "prepare.py": PREPARE, module: PHANTOM}.items():
        (folder / name).write_text(text.replace("NOW", str(len(str(folder)))))
    return folder


@pytest.fixture
def folders(tmp_path):
    """The same run's files, twice: case/ of two work folders."""
    for side in ("before", "after"):
        case = tmp_path / side / "case"
        (case / "stage-008").mkdir(parents=True)
        state = {"config": {"a": side}, "nimg": 8, "G": {"w": torch.tensor([1.0, 2.0])}, "one": torch.zeros(())}
        torch.save(state | {"kinds": [torch.tensor([1, 2], dtype=torch.bfloat16), float("nan"), {}]}, case / "state.pt")
        save_file({"w": torch.ones(2)}, case / "stage-008" / "generator.safetensors", {"progan_style": '{"nimg": 8}'})
        lines = [{"nimg": n, "loss_d": 0.5, "images_per_second": len(side)} for n in (8, 16)]
        (case / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (case / "config.yaml").write_text(side)
        report = case / "analysis-008"
        report.mkdir()
        (report / "report.html").write_text(side)
        numbers = {"kid.CN": 0.1, "seconds.grid": len(side), "notes": [side], "root": str(case)}
        (report / "metrics.json").write_text(json.dumps(numbers))
        (case / "picture.png").write_bytes(b"\x89PNG" + bytes(8))
    return tmp_path / "before", tmp_path / "after"


def test_times_words_and_the_place_of_the_work_are_no_difference(folders):
    counts, fault = equal_runs.compare(*folders, "case")
    assert fault is None
    assert counts == {"files": 5, "tensors": 4, "values": 6, "lines": 2}


def change_state(case, value):
    state = torch.load(case / "state.pt")
    state["G"]["w"][1] = value
    torch.save(state, case / "state.pt")


def change_header(case):
    path = case / "stage-008" / "generator.safetensors"
    save_file({"w": torch.ones(2)}, path, {"progan_style": '{"nimg": 9}'})


def write(name, text):
    return lambda case: (case / name).write_text(text)


NEXT = float(torch.nextafter(torch.tensor(2.0), torch.tensor(3.0)))
FAULTS = {
    "a weight": (lambda case: change_state(case, NEXT), "state.pt: G.w: element 1: 2.0 against 2.00000023"),
    "a header": (change_header, "stage-008/generator.safetensors: header.progan_style.nimg: 8 against 9"),
    "a line": (write("log.jsonl", '{"nimg": 8, "loss_d": 0.5}\n'), "log.jsonl: line 2.nimg: only before"),
    "a number": (write("analysis-008/metrics.json", '{"kid.CN": 0.2}'), "metrics.json: kid.CN: 0.1 against 0.2"),
    "a picture": (
        lambda case: (case / "picture.png").write_bytes(b"\x89PNG" + bytes(7)),
        "picture.png: bytes: from byte",
    ),
    "a file": (write("more.csv", ""), "more.csv: only after"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_bit_of_anything_else_is_found_and_named(folders, fault):
    plant, message = FAULTS[fault]
    plant(folders[1] / "case")
    assert message in equal_runs.compare(*folders, "case")[1]


@pytest.mark.parametrize("a, b", ((0.0, -0.0), (1, 1.0), (1, True), (torch.zeros(1), torch.zeros(1, 1))))
def test_what_python_calls_equal_may_differ(a, b):
    assert a == b and not equal_runs.same(a, b)
    assert equal_runs.same(a, a) and equal_runs.same(float("nan"), float("nan"))
    assert not equal_runs.same(torch.tensor([0.0]), torch.tensor([-0.0]))


def test_a_renamed_key_is_the_same_key(folders, monkeypatch):
    path = folders[1] / "case" / "state.pt"
    state = torch.load(path)
    state["generator"] = state.pop("G")
    torch.save(state, path)
    assert "G.w: only before" in equal_runs.compare(*folders, "case")[1]
    monkeypatch.setattr(equal_runs, "RENAMED", {r"^G\.": "generator."})
    assert equal_runs.compare(*folders, "case")[1] is None


def test_each_tree_is_called_in_its_own_spelling(tmp_path):
    old = make_tree(tmp_path / "old")
    new = make_tree(tmp_path / "new", module="progan_style/phantoms/__main__.py")
    modules = [equal_runs.spelled(tree, ["phantoms", "--to", "x"])[:2] for tree in (old, new)]
    assert modules == [["-m", "progan_style.data.phantom"], ["-m", "progan_style.phantoms"]]


PLANTED = {
    "equal": (TRAIN, 0, "2 of 2 cases equal"),
    "another number": (TRAIN.replace("0.5", "0.25"), 1, "DIFFERENT run/log.jsonl: line 1.loss_d: 0.5 against 0.25"),
    "a failure": ("raise SystemExit('no')", 1, "DIFFERENT after: exit 1 of train.py --config ...: no"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_two_checkouts_are_called_and_compared(tmp_path, monkeypatch, capsys, planted):
    train, code, message = PLANTED[planted]
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    trees = [make_tree(tmp_path / "one"), make_tree(tmp_path / "another", train)]
    work = ["--work", "kept"]  # relative to here, not to the checkouts
    assert equal_runs.main(["--before", str(trees[0]), "--after", str(trees[1]), "--only", "bf16", *work]) == code
    printed = capsys.readouterr().out
    assert message in printed, printed
    assert (tmp_path / "kept" / "before" / "phantoms" / "slices").is_dir()
    assert "1 files, 1 lines" in printed and not list(trees[0].rglob("__pycache__"))


def test_a_case_that_writes_nothing_is_not_equal(tmp_path):
    assert equal_runs.compare(tmp_path, tmp_path, "case")[1] == "nothing was written"


def test_every_option_of_the_cases_is_one_of_this_tree(tmp_path):
    """Each training's options make a configuration: nothing is lost before the first step."""
    from progan_style import load_config

    overlay = tmp_path / "tiny.yaml"
    overlay.write_text(yaml.safe_dump(equal_runs.TINY))
    seen = set()
    for case in equal_runs.CASES.values():
        for command in case.commands:
            options = [b for a, b in zip(command.words, command.words[1:], strict=False) if a == "--set"]
            seen.add(load_config(overlay=overlay, overrides=options).loss.name)
    assert seen == {"relativistic", "logistic", "wgan-gp", "hinge"}


def test_stopping_waits_for_the_file(tmp_path):
    tree = make_tree(tmp_path / "tree")
    (tree / "wait.py").write_text("import pathlib, sys, time\npathlib.Path(sys.argv[1]).touch()\ntime.sleep(60)\n")
    with open(tmp_path / "told", "w+") as told:
        code, _ = equal_runs.run(tree, ["wait.py", str(tmp_path / "there")], told, tmp_path / "there")
    assert code == -15 and (tmp_path / "there").exists()
    shutil.rmtree(tree)
