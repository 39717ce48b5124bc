"""A data folder is written whole or not at all, and no name leads out of it."""

import shutil

from PIL import Image

from progan_style.scans.writing import Picture, count_table, place, split_of_persons, write_card, write_sheets


def pictures(tmp_path, *who):
    made = []
    for i, (subject, session, label) in enumerate(who):
        path = tmp_path / f"{i}.PNG"
        path.write_text(str(i))
        made.append(Picture(path, label, subject, session, {"age": "70"}))
    return made


def test_slices_are_numbered_within_person_and_session(tmp_path):
    given = pictures(tmp_path, ("a", "", "CN"), ("a", "", "CN"), ("b", "M12", "AD"))
    rows = place(given, {"a": "train", "b": "test"}, tmp_path / "to", move=False)
    assert [row["path"] for row in rows] == ["train/CN/a_00.png", "train/CN/a_01.png", "test/AD/b_M12_00.png"]
    assert [(tmp_path / "to" / row["path"]).read_text() for row in rows] == ["0", "1", "2"]
    columns = {"label": "AD", "subject": "b", "split": "test", "session": "M12", "age": "70"}
    assert rows[2] == {"path": rows[2]["path"], **columns}
    assert all(picture.source.exists() for picture in given)
    place(given, {"a": "train", "b": "test"}, tmp_path / "moved", move=True)
    assert not any(picture.source.exists() for picture in given)


def test_names_that_lead_elsewhere_stay_inside(tmp_path):
    rows = place(pictures(tmp_path, ("../../x", "/etc", "CN")), {"../../x": "train"}, tmp_path / "to", move=False)
    assert (tmp_path / "to" / rows[0]["path"]).resolve().is_relative_to((tmp_path / "to" / "train" / "CN").resolve())
    assert rows[0]["path"].count("/") == 2


def test_a_person_of_two_groups_stands_in_one_split_with_the_rarer(tmp_path):
    who = [(f"p{i}", "", "CN") for i in range(30)] + [(f"q{i}", "", "AD") for i in range(9)] + [("p0", "M12", "AD")]
    split_of = split_of_persons(pictures(tmp_path, *who), {"train": 80, "validate": 10, "test": 10}, 0)
    assert len(split_of) == 39 and set(split_of.values()) == {"train", "validate", "test"}
    patients = [split_of[name] for name in ("p0", *(f"q{i}" for i in range(9)))]
    assert [patients.count(name) for name in ("train", "validate", "test")] == [8, 1, 1]  # p0 counts as AD


def test_the_card_counts_persons_scans_and_slices(tmp_path):
    rows = [
        {"label": "CN", "subject": s, "session": v, "scan": s + v, "split": "train"}
        for s, v in (("a", "1"), ("a", "1"), ("a", "2"), ("b", "1"))
    ]
    assert count_table(rows) == [("train", "CN", 2, 3, 4)]
    write_card(tmp_path, "made", "scans", rows, {"plane": "axial"}, [], "")
    text = (tmp_path / "DATASET.md").read_text()
    assert "| train | CN | 2 | 3 | 4 |" in text and "| plane | axial |" in text and "ask the owner" in text


def test_a_contact_sheet_shows_each_scan_apart(tmp_path, monkeypatch):
    shown = {}

    def sheet(title, scans, left, unit):
        shown.update({f"{title} {unit}": {name: list(slices) for name, slices in scans.items()}})
        return Image.new("L", (8, 8))

    monkeypatch.setattr("progan_style.scans.writing.contact_sheet", sheet)
    same = {"label": "AD", "subject": "p1", "session": "MR1", "split": "train"}
    write_sheets(tmp_path, [same | {"path": f"{k}.png", "scan": f"p1_MR1{'_2' * k}"} for k in (0, 1)], "")
    assert shown == {"AD: 2 scans, 2 slices ": {"p1_MR1 train": [0], "p1_MR1_2 train": [0]}}
    shown.clear()
    shutil.rmtree(tmp_path / "sheets")
    levels = [same | {"path": f"{k}.png", "scan": "p1", "slice_mm": f"{2 * k}"} for k in (0, 1)]
    write_sheets(tmp_path, levels, "")
    assert shown == {"AD: 1 scans, 2 slices mm": {"p1 train": [0, 2]}}
