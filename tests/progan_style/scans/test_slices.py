"""A folder of slices, split by person."""

import numpy as np
import pytest
from data_tools import write_noise, write_repeats
from PIL import Image
from shell_tools import manifest_rows, refused

from progan_style.scans.settings import PrepareSettings
from progan_style.scans.slices import open_slices, prepare_slices


def test_a_folder_of_slices_is_grouped_and_split_anew(call_shell, tiny_overlay, tmp_path):
    source = write_noise(tmp_path / "in")
    done = call_shell("prepare.py", source, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "24 persons guessed from file names" in done.stdout
    rows = manifest_rows(tmp_path / "out")
    assert len(rows) == 72 and {row["label"] for row in rows} == {"AD", "CN"}
    splits = {
        person: {r["split"] for r in rows if r["guessed_subject"] == person}
        for person in {r["guessed_subject"] for r in rows}
    }
    assert len(splits) == 24 and all(len(of) == 1 for of in splits.values())
    originals = {path.read_bytes() for path in source.rglob("*.png")}
    assert {(tmp_path / "out" / row["path"]).read_bytes() for row in rows} == originals
    run = ("--run", tmp_path / "run", "--until", 8)
    assert call_shell("train.py", "--config", tiny_overlay, "--data", tmp_path / "out", *run).returncode == 0


def test_slices_of_unknown_persons_are_not_split(call_shell, tmp_path):
    source = write_noise(tmp_path / "in", splits=(), persons=4)
    refused(call_shell("prepare.py", source, "--to", tmp_path / "out"), "persons unknown")
    assert not (tmp_path / "out").exists()
    lines = [f"{path.relative_to(source)},{path.name[:5]}" for path in sorted(source.rglob("*.png"))]
    (tmp_path / "labels.csv").write_text("\n".join(["path,subject", *lines]))
    done = call_shell("prepare.py", source, "--labels", tmp_path / "labels.csv", "--to", tmp_path / "out")
    assert done.returncode == 0 and len({row["subject"] for row in manifest_rows(tmp_path / "out")}) == 8, done.stderr
    refused(
        call_shell("prepare.py", source, "--to", tmp_path / "cut", "--size", 64),
        "--size: for scans; ",
    )


def test_an_unreadable_slice_is_listed(call_shell, tmp_path):
    source = write_noise(tmp_path / "in")
    victim = next(source.rglob("ad003_1.png"))
    victim.write_bytes(b"no picture")
    done = call_shell("prepare.py", source, "--to", tmp_path / "out")
    assert done.returncode == 1 and len(manifest_rows(tmp_path / "out")) == 71
    assert "FAILED" in done.stderr and "ad003_1.png" in done.stderr
    refused(
        call_shell("prepare.py", source, "--to", tmp_path / "strict", "--strict"), "(--strict: nothing was written)"
    )


PUBLISHED = {  # names of slices of 24 persons, each scanned more than once
    "OASIS-1": lambda p: [f"OAS1_{p + 1:04d}_MR1_mpr-{repeat}_{{k}}.jpg" for repeat in (1, 2, 3)],
    "OASIS-2": lambda p: [f"OAS2_{p + 1:04d}_MR{visit}_{{k}}.png" for visit in (1, 2)],
    "BIDS": lambda p: [f"sub-{p:02d}_ses-{visit}_T1w_{{k}}.png" for visit in ("M00", "M12")],
    "ADNI": lambda p: [f"ADNI_002_S_{p:04d}_MR_MPRAGE_S1_I{4000 + 10 * p + k}_{{k}}.png" for k in (1, 2)],
}


@pytest.mark.parametrize("names", PUBLISHED)
def test_slices_of_public_data_are_split_by_person_and_the_guess_keeps_its_name(names, call_shell, tmp_path):
    source = write_repeats(tmp_path / "in", PUBLISHED[names])
    done = call_shell("prepare.py", source, "--to", tmp_path / "out", "--split", "60/20/20")
    assert done.returncode == 0 and "persons   24 persons guessed from file names: the ids that" in done.stdout
    rows = manifest_rows(tmp_path / "out")
    assert "subject" not in rows[0] and len({(r["guessed_subject"], r["split"]) for r in rows}) == 24
    card = (tmp_path / "out" / "DATASET.md").read_text()
    assert "No person stands in two splits." not in card and "nobody states them" in card
    assert "| split | class | persons guessed from file names |" in card
    audit = call_shell("prepare.py", "--audit", tmp_path / "out")
    assert audit.returncode == 0 and "24 persons guessed from file names" in audit.stdout, audit.stdout
    assert "is not excluded" in audit.stdout


def test_a_wrong_guess_is_found_by_its_pixels(call_shell, tmp_path):
    """Every scan goes by another name, as the persons of image numbers do: two in three share a person."""
    source = write_repeats(tmp_path / "in", lambda p: [f"{1000 + 10 * p + k}_{{k}}.png" for k in (1, 2, 3)])
    made = call_shell("prepare.py", source, "--to", tmp_path / "out", "--split", "60/20/20")
    assert "72 persons guessed from file names: what stands before" in made.stdout
    done = call_shell("prepare.py", "--audit", tmp_path / "out")
    assert done.returncode == 1 and "pixels    threshold 0.820" in done.stdout and "are of one person" in done.stdout


def four_classes(root, number=4):
    """As on Kaggle: file names that number the slices of a class."""
    words = {"Mild": "mildDem", "Moderate": "moderateDem", "Non": "nonDem", "VeryMild": "verymildDem"}
    return write_repeats(
        root, lambda p: [f"{list(words)[p % 4]}Demented/{list(words.values())[p % 4]}{p}{{k}}.jpg"], number
    )


def test_the_four_classes_of_kaggle_name_no_persons_and_nothing_is_certified(call_shell, tmp_path):
    for split, persons in (("train", 12), ("test", 4)):
        four_classes(tmp_path / split, persons)
        for path in sorted((tmp_path / split).rglob("*.jpg")):
            target = tmp_path / "in" / split / path.parent.name / f"{split}{path.name}"
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
    clean = call_shell("prepare.py", "--audit", tmp_path / "in" / "train", "--to", tmp_path / "first")
    assert clean.returncode == 0 and "slices (train 24)" in clean.stdout and "is not excluded" in clean.stdout
    refused(call_shell("prepare.py", tmp_path / "in", "--to", tmp_path / "out"), "persons unknown")
    done = call_shell("prepare.py", "--audit", tmp_path / "in", "--to", tmp_path / "second")
    assert done.returncode == 1 and "slices of CN" not in done.stdout and "CROSSING  8 pairs" in done.stdout, (
        done.stdout
    )


def test_augmented_copies_on_the_other_side_are_found(call_shell, tmp_path):
    """AugmentedAlzheimerDataset: altered copies under other names. Beside the original, both folders are named."""
    four_classes(tmp_path / "k" / "OriginalDataset", 12)
    originals = sorted((tmp_path / "k").rglob("*.jpg"))
    for number, path in enumerate(originals):
        for folder in (tmp_path / "k" / "AugmentedAlzheimerDataset", tmp_path / "both" / "test"):
            target = folder / path.parent.name / f"{number:032x}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.open(path).rotate(1).save(target)
        target = tmp_path / "both" / "train" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    refused(call_shell("prepare.py", "--audit", tmp_path / "k"), "AugmentedAlzheimerDataset or ")
    done = call_shell("prepare.py", "--audit", tmp_path / "both", "--to", tmp_path / "audit")
    assert done.returncode == 1 and f"CROSSING  {len(originals)} pairs" in done.stdout, done.stdout


def test_a_pattern_states_whose_slices_they_are(call_shell, tmp_path):
    source = write_noise(tmp_path / "in", splits=(), persons=4)
    done = call_shell("prepare.py", source, "--to", tmp_path / "out", "--names", "{subject}_*")
    assert done.returncode == 0 and "persons   8 persons: --names '{subject}_*'" in done.stdout
    assert len({row["subject"] for row in manifest_rows(tmp_path / "out")}) == 8
    assert "No person stands in two splits." in (tmp_path / "out" / "DATASET.md").read_text()
    refused(call_shell("prepare.py", source, "--to", tmp_path / "no", "--names", "{subject}-*"), "is not of this form")


def flat(root, persons=6, slices=2):
    rng = np.random.default_rng(0)
    root.mkdir(parents=True)
    for p in range(persons):
        for k in range(slices):
            Image.fromarray(rng.integers(0, 255, (24, 32), np.uint8)).save(root / f"p{p}_{k}.png")
    return root


def test_slices_without_a_row_and_groups_that_are_not_wanted_are_left_out(call_shell, tmp_path):
    source = flat(tmp_path / "in")
    sheet = tmp_path / "labels.csv"
    sheet.write_text("subject,group\np0,AD\np1,AD\np2,CN\np3,CN\np4,FTD\n")
    prepare = ("prepare.py", source, "--labels", sheet, "--alias", "FTD=-", "--to")
    done = call_shell(*prepare, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = manifest_rows(tmp_path / "out")
    assert {row["label"] for row in rows} == {"AD", "CN"} and {row["subject"] for row in rows} == {
        "p0",
        "p1",
        "p2",
        "p3",
    }
    assert "NO ROW    2 slices have no row in" in done.stdout and "left out: p5_0.png, p5_1.png" in done.stdout
    assert "LEFT OUT  2 slices whose row has no group in use: p4_0.png, p4_1.png" in done.stdout
    classes = write_noise(tmp_path / "classes", splits=())
    done = call_shell("prepare.py", classes, "--alias", "AD=-", "--to", tmp_path / "other")
    assert done.returncode == 0 and {row["label"] for row in manifest_rows(tmp_path / "other")} == {"CN"}, done.stderr
    sheet.write_text("subject,group\nq,AD\nr,CN\n")
    refused(call_shell(*prepare, tmp_path / "none"), "none of the 12 slices has a row with a group in the sheet")


def test_a_manifest_of_pictures_without_classes_is_read(call_shell, tmp_path):
    source = flat(tmp_path / "in")
    lines = [f"{p.name},x{p.name[1]},{'test' if p.name[1] == '5' else ''}" for p in sorted(source.glob("*.png"))]
    (source / "manifest.csv").write_text("\n".join(["path,subject,split", *lines]))
    found = open_slices(source)
    assert found.stated and set(found.subjects) == {f"x{k}" for k in range(6)}
    assert {item.path for item in found.slices if item.split == "test"} == {"p5_0.png", "p5_1.png"}
    done = call_shell("prepare.py", source, "--to", tmp_path / "out")
    assert done.returncode == 0 and {row["subject"] for row in manifest_rows(tmp_path / "out")} == set(found.subjects)
    (source / "manifest.csv").write_text("\n".join(["path,subject,split", *lines[1:]]))
    refused(call_shell("prepare.py", "--audit", source), "manifest.csv does not list 1 of 12 images (p0_0.png)")


def test_a_person_has_one_name_at_visits_with_and_without_a_row(tmp_path):
    source = tmp_path / "in"
    for visit in ("M000", "M006"):
        for name in ("002S0295", "002S0413"):
            write = source / f"sub-ADNI{name}_ses-{visit}_T1w_080.png"
            write.parent.mkdir(exist_ok=True)
            Image.fromarray(np.random.default_rng(len(name)).integers(0, 255, (24, 32), np.uint8)).save(write)
    sheet = tmp_path / "labels.csv"
    sheet.write_text("PTID,VISCODE,age\n002_S_0295,bl,70\n002_S_0413,bl,71\n")
    _, rows, _ = prepare_slices(source, tmp_path / "out", PrepareSettings(labels=sheet))
    people = {row.get("subject") or row.get("guessed_subject") for row in rows}
    assert len(rows) == 4 and people == {"002_S_0295", "002_S_0413"}


def pictures(root, *names):
    root.mkdir(parents=True)
    for number, name in enumerate(names):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (24, 32), np.uint8)).save(root / name)
    return root


def people(root, text, manifest="", **given):
    """Who each slice of root is of, and how: by the manifest that prepare_slices writes."""
    (root.parent / "labels.csv").write_text(text)
    if manifest:
        (root / "manifest.csv").write_text(manifest)
    settings = PrepareSettings(labels=root.parent / "labels.csv", **given)
    to = root.parent / f"out{len(list(root.parent.iterdir()))}"
    _, rows, _ = prepare_slices(root, to, settings)
    return [(row.get("subject", ""), row.get("guessed_subject", "")) for row in rows]


VISITS = [f"sub-ADNI002S0413_ses-{visit}_T1w_080.png" for visit in ("M000", "M006")]


@pytest.mark.parametrize("row", ("PTID,VISCODE,age\n002_S_0413,bl,71\n", f"path,PTID,age\n{VISITS[0]},002_S_0413,71\n"))
def test_a_stated_person_has_one_name_too_whoever_states_it(row, tmp_path):
    source = pictures(tmp_path / "in", *VISITS)
    assert people(source, row, names="{subject}_ses-{session}_*") == [("002_S_0413", "")] * 2
    lines = [f"{name},ADNI002S0413" for name in VISITS]
    assert people(source, row, "\n".join(["path,subject", *lines])) == [("002_S_0413", "")] * 2


def test_what_a_manifest_states_is_not_overwritten_by_a_guess(tmp_path):
    source = pictures(tmp_path / "in", "sub-01_0.png", "sub-02_0.png", "sub-03_0.png")
    manifest = "path,subject,guessed_subject\nsub-01_0.png,X7,\nsub-02_0.png,X7,\nsub-03_0.png,,X9\n"
    assert people(source, "subject,age\nzz,70\n", manifest) == [("X7", ""), ("X7", ""), ("", "X9")]
    assert people(source, "path,age\nsub-01_0.png,70\n", manifest)[:2] == [("X7", "")] * 2  # no subject but in the path
    assert people(source, "subject,age\n01,70\n03,70\n", manifest) == [("01", ""), ("01", ""), ("03", "")]
    with pytest.raises(
        ValueError, match=r"sub-01_0.png is of 01 and sub-02_0.png of 02, but both are stated to be of X7"
    ):
        people(source, "subject,age\n01,70\n02,71\n", manifest)


def test_a_manifest_that_leaves_one_person_out_is_refused_unless_the_sheet_tells(tmp_path):
    source = pictures(tmp_path / "in", "sub-01_0.png", "sub-02_0.png", "sub-03_0.png")
    manifest = "path,subject\nsub-01_0.png,X7\nsub-02_0.png,X7\nsub-03_0.png,\n"
    with pytest.raises(
        ValueError, match=r"persons unknown \(column subject of manifest.csv is empty for 1 of 3 images\)"
    ):
        people(source, "subject,age\nzz,70\n", manifest)
    assert people(source, "subject,age\n03,70\n", manifest) == [("X7", ""), ("X7", ""), ("03", "")]


def test_a_row_of_the_person_whom_a_manifest_states_comes_before_that_of_a_guess(tmp_path):
    source = pictures(tmp_path / "in", "sub-01_0.png", "scan.png")
    manifest = "path,subject\nsub-01_0.png,X7\nscan.png,X8\n"
    assert people(source, "subject,age\nx7,70\n01,71\nX8,72\n", manifest) == [("X8", ""), ("x7", "")]
    ages = {row["subject"]: row["age"] for row in manifest_rows(next(tmp_path.glob("out*")))}
    assert ages == {"x7": "70", "X8": "72"}


def test_an_empty_cell_of_the_sheet_leaves_what_the_manifest_says(tmp_path):
    source = pictures(tmp_path / "in", "p1_0.png", "p2_0.png", "p3_0.png", "p4_0.png")
    ages = {"p1": "61", "p2": "62", "p3": "unknown", "p4": ""}
    manifest = "path,subject,age\n" + "".join(f"{name}_0.png,{name},{age}\n" for name, age in ages.items())
    assert len(people(source, "subject,age,site\np1,71,x\np2,,y\n", manifest)) == 4
    out = next(tmp_path.glob("out*"))
    found = {row["subject"]: (row["age"], row["site"]) for row in manifest_rows(out)}
    assert found == {"p1": ("71", "x"), "p2": ("62", "y"), "p3": ("unknown", ""), "p4": ("", "")}
    card = (out / "DATASET.md").read_text()
    assert "- age is known of 2 of 4 scans, 62 to 71 years; of 2 unknown" in card
