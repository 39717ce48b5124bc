"""What differs between the classes besides the disease."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from progan_style.audit import confounds
from progan_style.audit.audit import audit_folder


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
            of_person = f"{age + rng.normal(0, 4):.1f}" if p else "nan"  # one is unknown
            rows.append(f"{path},{name},{name}{p:02d},train,{of_person},{sex}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows) + "\n")
    found = audit_folder(tmp_path, workers=1)
    flagged = {c.what for c in found.confounds if c.flagged}
    assert flagged == {"mean intensity", "age", "share of sex F"} and found.imbalance == 3.0 and not found.crosses
    assert found.persons == found.slices == {"train": {"CN": 36, "AD": 12}}
    age = next(c for c in found.confounds if c.what == "age")
    assert age.values[1] - age.values[0] == pytest.approx(10, abs=4) and age.effect < -1.5 and age.chance < 1e-4


def test_a_difference_that_chance_may_have_made_is_not_flagged_and_without_draws_nothing_is_said_of_chance():
    """Three persons a side, half a standard deviation apart; slices of unknown persons are no independent draws."""
    first, second = np.array([0.0, 2.0, 4.0]), np.array([-1.0, 1.0, 3.0])
    of_persons = confounds._difference("age", ("CN", "AD"), first, second, independent=True)
    of_slices = confounds._difference("age", ("CN", "AD"), first, second, independent=False)
    assert of_persons.effect == of_slices.effect == pytest.approx(0.5) and of_persons.values == (2.0, 1.0)
    assert of_persons.chance > 0.05 and not of_persons.flagged
    assert of_slices.chance is None and of_slices.flagged
    same = confounds._difference("age", ("CN", "AD"), first, first, independent=False)
    assert same.effect == 0.0 and not same.flagged


def test_sexes_likewise():
    few = confounds._shares("share of sex", ("CN", "AD"), ["F", "F", "M"], ["F", "M", "M"], independent=True)
    assert few.what == "share of sex F" and few.values == (2 / 3, 1 / 3) and few.effect == pytest.approx(1 / 3)
    assert few.chance == pytest.approx(1.0) and not few.flagged
    slices = confounds._shares("share of sex", ("CN", "AD"), ["F", "F", "M"], ["F", "M", "M"], independent=False)
    assert slices.chance is None and slices.flagged
    many = confounds._shares("share of sex", ("CN", "AD"), ["F", "F", "M"] * 30, ["F", "M", "M"] * 30, independent=True)
    assert many.chance < 0.001 and many.flagged
    some, none = ["F"] * 3 + ["M"] * 17, ["O"] * 3 + ["M"] * 17  # 0.15 apart, which is the limit
    assert confounds._shares("share of sex", ("CN", "AD"), some, none, independent=False).flagged


def test_classes_that_are_cut_about_different_centres_are_told(tmp_path):
    """AD half about the vertex, CN about the template alone; where all are cut alike, or are of one sex, nothing is
    said."""
    for folder, odd in (("mixed", "vertex"), ("alike", "template")):
        rows = ["path,label,subject,split,middle,sex"]
        rng = np.random.default_rng(2)
        for name in ("CN", "AD"):
            for p in range(12):
                picture = ndimage.gaussian_filter(rng.normal(size=(64, 64)), 2) * 150 + 90
                path = f"train/{name}/{name}{p:02d}_0.png"
                (tmp_path / folder / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(tmp_path / folder / path)
                rows.append(f"{path},{name},{name}{p:02d},train,{odd if name == 'AD' and p % 2 else 'template'},F")
        (tmp_path / folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    found = audit_folder(tmp_path / "mixed", workers=1)
    centres = next(c for c in found.confounds if c.what.startswith("share cut about the"))
    assert centres.values in ((0.0, 0.5), (1.0, 0.5)) and centres.chance < 0.05
    assert any(line.startswith("balance   share cut about the") for line in found.lines())
    alike = audit_folder(tmp_path / "alike", workers=1)
    assert {c.what for c in alike.confounds} == {"mean intensity"}
