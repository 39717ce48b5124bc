"""generate.py --stack: whole synthetic persons, as slices, volumes and a table."""

import csv
import json

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from shell_tools import manifest_rows, refused

from progan_style import generate, generate_stack, load_generator
from progan_style.commands.stacks import in_bids, in_tsv, split_heights
from progan_style.described import Conditions, Position

CONDITIONS = "data.conditions={slice_mm: position, age: number, sex: category}"


@pytest.fixture(scope="module")
def people_run(call_shell, tiny_overlay, tmp_path_factory):
    """A run on phantoms that have heights, ages and sexes."""
    run = tmp_path_factory.mktemp("people") / "run"
    asked = ("--set", CONDITIONS, "--set", "data.phantom.people=true", "--set", "data.phantom.slices=2", "--until", 8)
    done = call_shell("train.py", "--config", tiny_overlay, *asked, "--run", run)
    assert done.returncode == 0, done.stderr
    return run


def test_heights_of_many_digits_stay_within_the_range_of_the_training_slices():
    """Ten digits of 33.333333333333336 lie below it."""
    third = Position(column="slice_mm", quantiles=[100 / 3, 50.0, 200 / 3 - 1e-12])
    heights, others = split_heights(Conditions(position=third), ["age=70"], 3, None)
    assert heights == [third.checked(height) for height in heights] == [100 / 3, 50.0, 200 / 3 - 1e-12]
    assert others == ["age=70"]


def stacked(call_shell, run, to, *arguments):
    done = call_shell("generate.py", "--run", run, "--stack", "--to", to, *arguments)
    assert done.returncode == 0, done.stderr
    return done


def test_a_person_is_slices_a_volume_and_a_line(call_shell, people_run, tmp_path):
    to = tmp_path / "made"
    done = stacked(call_shell, people_run, to, "--count", 2, "--slices", 5)
    assert "20 images" in done.stdout and "note: " not in done.stdout
    rows = manifest_rows(to)
    people = {row["subject"] for row in rows}
    assert people == {"CN000000", "CN000001", "AD000000", "AD000001"}
    heights = [float(row["slice_mm"]) for row in rows if row["subject"] == "AD000001"]
    assert heights == pytest.approx(np.linspace(6, 28, 5))
    for name in people:
        mine = [row for row in rows if row["subject"] == name]
        assert len({(row["age"], row["sex"]) for row in mine}) == 1  # one person has one age
        volume = nib.load(to / f"sub-{name}" / "anat" / f"sub-{name}_stack.nii.gz")
        assert volume.shape == (8, 8, 5) and nib.aff2axcodes(volume.affine) == ("R", "A", "S")
        assert volume.header.get_zooms() == pytest.approx((225.28 / 8, 225.28 / 8, 5.5))
        assert volume.header.get_xyzt_units()[0] == "mm"
        voxels = np.asarray(volume.dataobj)
        for k, row in enumerate(mine):  # the picture's rows run downwards, the volume's to the front
            assert np.array_equal(voxels[:, ::-1, k].T, np.asarray(Image.open(to / row["path"])))
            assert (volume.affine @ [0, 0, k, 1])[2] == pytest.approx(float(row["slice_mm"]))
    with open(to / "participants.tsv", newline="") as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    assert {line["participant_id"] for line in table} == {f"sub-{name}" for name in people}
    of = {row["subject"]: row for row in rows}
    for line in table:
        row = of[line["participant_id"].removeprefix("sub-")]
        assert (line["class"], line["seed"], line["sex"]) == (row["label"], row["seed"], row["sex"])
        assert float(line["age"]) == pytest.approx(float(row["age"]), rel=1e-4)
    meaning = json.loads((to / "participants.json").read_text())
    assert (
        set(meaning) == set(table[0])
        and meaning["age"]["Units"] == "years"
        and set(meaning["sex"]["Levels"])
        == {
            "F",
            "M",
        }
    )
    assert json.loads((to / "dataset_description.json").read_text())["DatasetType"] == "derivative"


def test_a_series_of_ages_is_a_person_each(call_shell, people_run, tmp_path):
    to = tmp_path / "made"
    given = ("--given", "age=70:75:5", "--given", "slice_mm=10:14:2", "--label", "AD", "--count", 1)
    stacked(call_shell, people_run, to, *given)
    rows = manifest_rows(to)
    assert [(r["subject"], r["age"], r["slice_mm"]) for r in rows] == [
        (f"AD000000age{age}", age, height) for age in ("70", "75") for height in ("10", "12", "14")
    ]


def test_the_same_person_whatever_the_count_and_the_heights(call_shell, people_run, tmp_path):
    one = ("--label", "CN", "--given", "slice_mm=10:14:2")
    stacked(call_shell, people_run, tmp_path / "a", *one, "--count", 3)
    stacked(call_shell, people_run, tmp_path / "b", *one, "--count", 1, "--seed", 2)
    for path in (tmp_path / "b" / "CN").glob("*.png"):
        assert path.read_bytes() == (tmp_path / "a" / "CN" / path.name).read_bytes()


def test_where_nobody_knows_the_millimetres_there_are_slices_alone(call_shell, tiny_overlay, tmp_path, toy_root):
    root = tmp_path / "slices"
    root.mkdir()
    lines = ["path,level"]
    for path in sorted(toy_root.rglob("*.png")):
        copy = root / path.relative_to(toy_root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
        lines.append(f"{copy.relative_to(root).as_posix()},{path.stem[-1]}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    asked = ("--config", tiny_overlay, "--data", root, "--set", "data.conditions={level: position}", "--until", 8)
    assert call_shell("train.py", *asked, "--run", tmp_path / "run").returncode == 0
    done = stacked(call_shell, tmp_path / "run", tmp_path / "made", "--count", 1, "--slices", 3)
    assert "note: slices alone are written, no volumes: heights are of level" in done.stdout
    assert not list((tmp_path / "made").glob("sub-*")) and (tmp_path / "made" / "participants.tsv").exists()


REFUSED = {
    "range": (["--given", "slice_mm=0:20:5"], "slice_mm=0: expected 6 to 28 mm, the range of the training slices"),
    "one": (["--given", "slice_mm=10"], "expected slice_mm=LOW:HIGH:STEP, the heights of a stack"),
    "twice": (["--given", "slice_mm=10:12:1", "--given", "slice_mm=10:12:1"], "expected slice_mm=LOW:HIGH:STEP"),
    "slices": (["--slices", "1"], "--slices: expected 2 or more, got 1"),
    "position": (["--position", "10"], "--position: a stack has several heights"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_stack_is_refused(call_shell, case, people_run, tmp_path):
    arguments, message = REFUSED[case]
    done = call_shell("generate.py", "--run", people_run, "--stack", "--to", tmp_path / "made", *arguments)
    refused(done, message)
    assert not (tmp_path / "made").exists()


def test_a_run_without_heights_says_what_to_set(call_shell, tiny_run, tmp_path):
    done = call_shell("generate.py", "--run", tiny_run.run_dir, "--stack", "--to", tmp_path / "made")
    refused(done, "--stack: this generator was trained without heights; set data.conditions: {slice_mm: position}")


def test_a_cell_that_a_spreadsheet_would_run_is_a_text():
    assert [in_tsv(cell) for cell in ("=1+1", "F", 72.5, None, -3.0, 4)] == ["'=1+1", "F", "72.5", "n/a", "-3", "4"]


def test_a_bids_label_is_letters_and_digits():
    assert in_bids("Early MCI_é000012_age60.5_x-3") == "EarlyMCI000012age60p5xm3"


def test_a_stack_s_slices_are_those_of_generate(people_run):
    """Made in other blocks, so up to the rounding of sums."""
    G = load_generator(people_run, 8)
    heights = [6.0, 10.0, *np.linspace(12, 28, 16).tolist()]
    for psi in (1.0, 0.5):
        together = generate_stack(G, "AD", 5, heights, psi, given={"age": 70}).short()
        one = generate(G, "AD", [5] * 18, psi, given={"age": 70, "slice_mm": heights}).short()
        assert together.shape == (18, 1, 8, 8) and int((together - one).abs().max()) <= 1
        assert int((together[0] - together[-1]).abs().max()) > 1
    with pytest.raises(ValueError, match="expected them as heights"):
        generate_stack(G, "AD", 5, heights, given={"slice_mm": 6})
    with pytest.raises(ValueError, match="slice_mm=40: expected 6 to 28 mm"):
        generate_stack(G, "AD", 5, [6, 40])
    with pytest.raises(ValueError, match="a stack is of one class and one seed, got 2"):
        generate_stack(G, ["AD", "CN"], 5, heights)


def test_a_cell_of_a_table_ends_neither_its_column_nor_its_line():
    cells = ("F\tx\ny", None, 12345678901, 71.5, 1500001.0, "=1+1", "")
    assert [in_tsv(cell) for cell in cells] == ["F x y", "n/a", "12345678901", "71.5", "1500001", "'=1+1", "n/a"]
