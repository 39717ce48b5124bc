"""The audit finds persons and copies across splits, from the manifest and from the pixels, and little else."""

import csv
import json
import re

import numpy as np
import pytest
from data_tools import manifest, write_repeats
from PIL import Image

from benchmarks.audit import alter
from progan_style.audit import likeness
from progan_style.audit.audit import audit_folder, bright, is_blank, is_cropped


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
    assert "Nothing crosses a split." in re.sub(r"<[^>]*>", "", page)
    assert "http:" not in page and "https:" not in page and "<script" not in page
    assert report["folder"] == phantoms.name and str(phantoms.parent) not in page
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
    next(row for row in rows[1:] if row[2] != taken[2])[2] = ""  # one empty cell hides nobody
    with open(tmp_path / "manifest.csv", "w", newline="") as file:
        csv.writer(file).writerows(rows)
    found = audit_folder(tmp_path, workers=1)
    assert found.crosses and found.persons_crossing == {"train/test": [taken[2]]} and not found.persons
    assert any(
        line.startswith("CROSSING  1 persons, as named or guessed (others are unknown), stand in")
        for line in found.lines()
    )


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


def test_a_calibration_on_wrong_persons_is_an_alarm(tmp_path):
    """Three scans of each person under three names, stated to be three persons: most strangers are none."""
    write_repeats(tmp_path, lambda p: [f"{p}{repeat}_{{k}}.png" for repeat in "abc"])
    paths = sorted(path.relative_to(tmp_path) for path in tmp_path.glob("*/*.png"))
    split = {"a": "train", "b": "validate", "c": "test"}
    rows = [(path, path.stem.split("_")[0], split[path.stem.split("_")[0][-1]]) for path in paths]
    manifest(tmp_path, rows, ("path", "subject", "split"))
    found = audit_folder(tmp_path, workers=1)
    assert found.alarm and found.crosses and found.threshold == likeness.PERSON
    text = "\n".join(found.lines())
    assert "ALARM     more than 1 in 1,000 pairs" in text and "the pixels contradict what is said of persons" in text
    guessed = [(path, path.stem.split("_")[0], split[path.stem.split("_")[0][-1]]) for path in paths]
    manifest(tmp_path, guessed, ("path", "guessed_subject", "split"))
    found = audit_folder(tmp_path, workers=1)
    assert not found.alarm and not found.strangers and found.crosses and not found.persons_stated
    assert audit_folder(tmp_path, names="{subject}_*", workers=1).alarm  # who says so is believed to say so


def test_slices_without_a_class_may_lie_in_train_alone(phantoms, tmp_path):
    """As data.unlabelled reads them: the audit counts them as a class of train."""
    copy_of(phantoms, tmp_path, manifest=False)
    unlabelled = tmp_path / "train" / "unlabelled"
    unlabelled.mkdir()
    for path in sorted((tmp_path / "train" / "AD").iterdir())[:4]:
        path.rename(unlabelled / path.name)
    found = audit_folder(tmp_path, workers=1)
    assert found.slices["train"]["unlabelled"] == 4 and "unlabelled" not in found.slices["validate"]
    unlabelled.rename(tmp_path / "train" / "MCI")  # a class that a split lacks is counted too, and ends no audit
    found = audit_folder(tmp_path, workers=1)
    assert found.slices["train"]["MCI"] == 4 and "MCI" not in found.slices["validate"]


def test_a_few_specks_do_not_decide_where_the_head_is():
    """1.5 % of the pixels are far brighter than the head, which is still above a tenth of the bright end."""
    small = np.zeros((32, 32))
    small[8:24, 8:24] = 50.0
    small[0, :15] = 1000.0
    assert np.array_equal(bright(small), small > 0)
