"""What an audit says of what it found."""

import numpy as np
from PIL import Image

from progan_style.audit.findings import Audit, Confound


def write_slices(root, splits=("Training Set", "Validate Set"), persons=12):
    rng = np.random.default_rng(0)
    for name in ("AD", "NC"):
        for p in range(persons):
            folder = root / splits[p % len(splits)] / name if splits else root / name
            folder.mkdir(parents=True, exist_ok=True)
            for k in range(3):
                Image.fromarray(rng.integers(0, 255, (24, 32), np.uint8)).save(
                    folder / f"{name.lower()}{p:03d}_{k}.png"
                )
    return root


def test_an_audit_that_finds_something_exits_1(call_shell, tmp_path):
    source = write_slices(tmp_path / "in")
    (source / "Validate Set" / "AD" / "ad900_0.png").write_bytes(
        (source / "Training Set" / "AD" / "ad000_0.png").read_bytes()
    )
    done = call_shell("prepare.py", "--audit", source)
    assert done.returncode == 1 and "are identical" in done.stdout, done.stdout + done.stderr
    assert (source / "audit" / "audit.html").is_file()
    again = call_shell("prepare.py", "--audit", source)  # what it wrote is no part of the data
    assert again.stdout == done.stdout


def make(**found):
    counts = {"train": {"CN": 9, "AD": 3}}
    return Audit("folder", counts, counts, "persons", **found)


def test_a_person_or_a_copy_on_both_sides_crosses_and_a_likeness_is_told():
    assert not make().crosses and make().lines()[-1] == "result    nothing crosses a split"
    for found in ({"persons_crossing": {"train/test": ["p1"]}}, {"pairs_found": {"copy": 2}}):
        assert make(**found).crosses and make(**found).lines()[-1].endswith("a person or a copy crosses a split")


def test_uneven_classes_and_flagged_confounds_stand_in_the_lines():
    age = Confound("age", ("CN", "AD"), (70.0, 80.0), -1.5, 0.001, True)
    lines = make(imbalance=3.0, confounds=[age]).lines()
    assert any("3.0 times the other's" in line for line in lines)
    assert "CONFOUND  age: CN 70.00, AD 80.00; effect -1.50, p = 0.001" in lines
    even = make(imbalance=1.1, confounds=[Confound("age", ("CN", "AD"), (70.0, 70.1), 0.0, None, False)]).lines()
    assert not any("times the other's" in line for line in even)
    assert "balance   age: CN 70.00, AD 70.10; effect +0.00" in even
