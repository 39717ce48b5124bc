"""The audit finds persons and copies across splits, from the manifest and from the pixels, and little else."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from benchmarks.audit import alter
from progan_style.audit import likeness
from progan_style.audit.audit import audit_folder, is_blank, is_cropped
from progan_style.phantoms.folder import make_phantoms

OASIS = Path(__file__).parents[4] / "shared" / "data" / "oasis-mri"


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    return make_phantoms(tmp_path_factory.mktemp("p") / "d", persons=30, slices=2, size=128, workers=1, progress=False)


def copy_of(folder, to, manifest=True):
    """The same slices; without a manifest the file names tell nothing."""
    rows = list(csv.DictReader((folder / "manifest.csv").read_text().splitlines()))
    for number, row in enumerate(rows):
        row["file"] = row["path"] if manifest else f"{row['split']}/{row['label']}/img_{number:04d}.png"
        target = to / row["file"]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((folder / row["path"]).read_bytes())
    if manifest:
        (to / "manifest.csv").write_bytes((folder / "manifest.csv").read_bytes())
    return rows


def test_an_honest_folder_passes(phantoms, tmp_path):
    found = audit_folder(phantoms, tmp_path / "out", workers=1)
    assert not found.crosses and not found.pairs and found.strangers > 500 and found.strangers_above == 0
    report = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert report["crosses"] is False and report["threshold"] == likeness.PERSON
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "Nothing was found that crosses a split" in page and "http" not in page and "<script" not in page
    again = audit_folder(phantoms, tmp_path / "out", workers=1)  # its own files may be written anew
    assert again.lines() == found.lines()


@pytest.mark.parametrize("how", ("exact", "shift", "turn", "contrast", "jpeg", "all"))
def test_planted_copies_are_found_and_nothing_else(how, phantoms, tmp_path):
    rows = copy_of(phantoms, tmp_path, manifest=False)
    sources = [row for row in rows if row["split"] == "train"][::12]
    for number, row in enumerate(sources):
        image = np.asarray(Image.open(tmp_path / row["file"]))
        Image.fromarray(alter(image, how, np.random.default_rng(number))).save(
            tmp_path / "test" / row["label"] / f"img_9{number:03d}.png"
        )
    found = audit_folder(tmp_path, workers=1)
    assert found.crosses and found.persons_are.startswith("unknown")
    kind = "identical" if how == "exact" else "copy"
    copies = {(pair.first, pair.second) for pair in found.pairs if pair.kind == kind}
    expected = {(f"test/{row['label']}/img_9{k:03d}.png", row["file"]) for k, row in enumerate(sources)}
    assert copies >= expected
    of_person = {row["file"]: row["subject"] for row in rows}
    of_person |= {copy: of_person[source] for copy, source in expected}
    assert all(of_person[pair.first] == of_person[pair.second] for pair in found.pairs)


def test_likeness_falls_little_between_the_angles(phantoms):
    small = likeness.read_small(next((phantoms / "train" / "AD").glob("*.png")))
    for degrees in np.linspace(-2, 2, 9):
        turned = ndimage.rotate(small, degrees, reshape=False, order=1)
        assert next(likeness.alike(turned[None], small[None], 1))[1][0, 0] > 0.95


def test_the_same_slice_of_the_same_person_is_1_and_blank_is_0(phantoms):
    small = likeness.read_small(next((phantoms / "train" / "AD").glob("*.png")))
    assert next(likeness.alike(small[None], small[None], 1))[1][0, 0] == pytest.approx(1.0, abs=1e-5)
    assert next(likeness.alike(small[None] * 0, small[None], 1))[1][0, 0] == 0.0


def test_known_strangers_raise_the_threshold():
    """Pictures that are all alike, said to be of different persons: the threshold leaves 1 in 1000 of them."""
    rng = np.random.default_rng(0)
    base = ndimage.gaussian_filter(rng.normal(size=(64, 64)), 3) * 500
    smalls = (base + rng.normal(0, 3, (60, 64, 64))).clip(0).astype(np.float32)
    persons = (np.array([f"a{i}" for i in range(30)]), np.array([f"b{i}" for i in range(30)]))
    found = likeness.find_pairs(smalls[:30], smalls[30:], persons, 1)
    unknown = likeness.find_pairs(smalls[:30], smalls[30:], None, 1)
    assert len(unknown.pairs) == 900 and unknown.threshold == likeness.PERSON
    assert found.strangers == 900 and found.threshold > likeness.PERSON and len(found.pairs) <= 1


def test_a_person_on_both_sides_is_named(phantoms, tmp_path):
    copy_of(phantoms, tmp_path)
    rows = list(csv.reader((tmp_path / "manifest.csv").read_text().splitlines()))
    taken = next(row for row in rows[1:] if row[3] == "train")
    kept = [row for row in rows if row[2] == taken[2]]
    moved = kept[0][0].replace("train/", "test/")
    (tmp_path / kept[0][0]).rename(tmp_path / moved)
    kept[0][0], kept[0][3] = moved, "test"
    with open(tmp_path / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    found = audit_folder(tmp_path, workers=1)
    assert found.crosses and found.persons_crossing == {"train/test": [taken[2]]}
    assert any(line.startswith("CROSSING  1 persons stand in both of train/test") for line in found.lines())


def test_confounds_between_the_classes(tmp_path):
    """AD 10 years older, brighter, and all women: each is flagged; three times as many CN: imbalance 3."""
    rng = np.random.default_rng(1)
    rows = ["path,label,subject,split,age,sex"]
    for name, persons, age, gain in (("CN", 36, 70, 1.0), ("AD", 12, 80, 1.5)):
        for p in range(persons):
            picture = ndimage.gaussian_filter(rng.normal(size=(64, 64)), 2)
            picture = np.where(np.hypot(*np.mgrid[-32:32, -32:32]) < 24, 90 + picture * 150, 0) * gain
            path = f"train/{name}/{name}{p:02d}_0.png"
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / path)
            sex = "F" if name == "AD" else "MF"[p % 2]
            rows.append(f"{path},{name},{name}{p:02d},train,{age + rng.normal(0, 4):.1f},{sex}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    found = audit_folder(tmp_path, workers=1)
    flagged = {c.what for c in found.confounds if c.flagged}
    assert flagged == {"mean intensity", "age", "share of sex F"} and found.imbalance == 3.0 and not found.crosses
    age = next(c for c in found.confounds if c.what == "age")
    assert age.values[1] - age.values[0] == pytest.approx(10, abs=4) and age.effect < -1.5 and age.chance < 1e-4


def test_blank_cropped_and_unreadable_slices_are_listed(phantoms, tmp_path):
    rows = copy_of(phantoms, tmp_path, manifest=False)
    image = np.asarray(Image.open(tmp_path / rows[0]["file"]))
    cut = image.copy()
    cut[:, :50] = 0
    Image.fromarray(np.zeros_like(image)).save(tmp_path / "train" / "AD" / "img_8000.png")
    Image.fromarray(cut).save(tmp_path / "train" / "AD" / "img_8001.png")
    (tmp_path / "train" / "AD" / "img_8002.png").write_bytes(b"no picture")
    found = audit_folder(tmp_path, workers=1)
    assert found.blank == ["train/AD/img_8000.png"] and "train/AD/img_8001.png" in found.cropped
    assert list(found.unreadable) == ["train/AD/img_8002.png"]
    assert len(found.cropped) <= 3 and not is_blank(likeness.read_small(tmp_path / rows[1]["file"]))
    assert is_cropped(likeness.read_small(tmp_path / "train" / "AD" / "img_8001.png"))


def test_an_audit_never_overwrites_something_else(phantoms, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds something else than an audit"):
        audit_folder(phantoms, tmp_path / "out", workers=1)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        audit_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no slices"):
        audit_folder(tmp_path / "out")


@pytest.mark.skipif(not OASIS.is_dir(), reason="needs the OASIS slices beside the repository")
def test_real_neighbours_are_found_and_real_strangers_are_not():
    """40 persons of the validate and train parts: every second slice held out by slice, against all others."""
    rows = list(csv.DictReader((OASIS / "manifest.csv").read_text().splitlines()))
    chosen = sorted({row["subject"] for row in rows})[::7]
    mine = [row for row in rows if row["subject"] in chosen]
    smalls = likeness.read_all([OASIS / row["path"] for row in mine], 1)
    persons = np.array([row["subject"] for row in mine])
    ranks = np.array([int(row["slice_rank"]) for row in mine])
    held_out = np.random.default_rng(0).random(len(mine)) < 0.15
    some, others = np.flatnonzero(held_out), np.flatnonzero(~held_out)
    found = likeness.find_pairs(smalls[some], smalls[others], None, 1)
    same = [persons[some[i]] == persons[others[j]] for i, j, _ in found.pairs]
    strangers = int((persons[some][:, None] != persons[others][None]).sum())
    assert same.count(False) <= strangers / 1000
    hits = {(some[i], others[j]) for i, j, _ in found.pairs}
    neighbours = {(i, j) for i in some for j in others if persons[i] == persons[j] and abs(ranks[i] - ranks[j]) == 1}
    assert len(hits & neighbours) >= 0.9 * len(neighbours)
