"""What manifest.csv says, and how its faults are told."""

import json

import pytest
from data_tools import all_rows, manifest, one_line, write

from progan_style.data.manifest import write_manifest


def test_the_manifest_gives_persons_and_columns(root, load):
    write(root, persons=2)
    rows = [(*row, i) for i, row in enumerate(all_rows(root))]
    manifest(root, rows, ("path", "label", "subject", "split", "severity"))
    data = load()
    assert data.subjects_are == "persons" and sorted(set(data.train.subjects)) == ["tAD00", "tAD01", "tCN00", "tCN01"]
    assert data.train.columns["severity"].tolist() == [str(i) for i in range(8)]
    assert "4 persons: column subject of manifest.csv" in data.summary()
    assert load(subject_column="severity").train.subjects.tolist() == [str(i) for i in range(8)]
    assert "subject" in load(subject_column="severity").train.columns
    manifest(
        root, [(*row, i + 1) for i, row in enumerate(all_rows(root))], ("path", "label", "subject", "split", "severity")
    )
    assert load().train.columns["severity"][0] == "1"  # a changed manifest is noticed too


def test_a_manifest_may_split_and_label_flat_folders(root, load):
    write(root, ("pictures",), persons=6)
    paths = sorted(p.relative_to(root).as_posix() for p in root.glob("*/*.png"))
    rows = [
        (p.replace("/", "\\"), ("nc", "AD", "MCI")[i % 3], i, ("Training", "validation")[i // 6])
        for i, p in enumerate(paths)
    ]
    manifest(root, rows[:-1], ("path", "label", "subject", "split"))
    data = load()
    assert len(data.train) == 4 and len(data.validate) == 4 and data.unseen == ("validate", data.validate)
    assert data.train.labels.tolist() == [0, 1, 0, 1]
    assert "3 images with label 'MCI' in manifest.csv" in data.unused and "1 images in" not in data.summary()


def test_an_empty_subject_means_unknown(root, load):
    write(root, ("AD", "CN"))
    manifest(root, all_rows(root, subject=lambda p: ""))
    data = load()
    assert data.subjects_are == "unknown" and "PERSONS UNKNOWN" in data.summary() and len(data.train) == 40


def test_a_manifest_without_subjects_leaves_the_file_names(root, load):
    write(root)
    manifest(root, [row[:2] for row in all_rows(root)], ("path", "label"))
    assert load().subjects_are == "persons guessed from file names"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[1].__setitem__(1, "CN"), r"manifest\.csv line 3: label CN, but train/AD/\S+ lies in AD"),
        (lambda rows: rows[1].__setitem__(1, "MCI"), r"manifest\.csv line 3: label MCI, but train/AD/\S+ lies in AD"),
        (lambda rows: rows[0].__setitem__(3, "test"), r"manifest\.csv line 2: split test, but \S+ lies in train"),
        (
            lambda rows: rows[0].__setitem__(3, "tst"),
            r"manifest\.csv line 2: split 'tst'; expected train, validate, test",
        ),
        (lambda rows: rows[0].__setitem__(0, "AD/no.png"), r"manifest\.csv line 2: AD/no\.png is not in"),
        (lambda rows: rows[0].__setitem__(0, "../x.png"), r"manifest\.csv line 2: path '\.\./x\.png'; expected a path"),
        (lambda rows: rows.append(rows[0]), r"manifest\.csv line 42: \S+ stands on line 2 already"),
        (lambda rows: rows.pop(), r"manifest\.csv does not list 1 of 40 images \(train/CN/tCN09x_1\.png\)"),
        (lambda rows: rows[0].append("x"), r"manifest\.csv line 2: more cells than the header"),
    ],
)
def test_faults_of_a_manifest_name_the_line(root, load, change, message):
    write(root)
    rows = [list(row) for row in all_rows(root)]
    change(rows)
    manifest(root, rows)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        load()
    one_line(error)


def test_faults_of_a_manifest_header(root, load):
    write(root)
    with pytest.raises(ValueError, match=r"data\.subject_column: rid is not in manifest\.csv; .* has no manifest"):
        load(subject_column="rid")
    manifest(root, all_rows(root))
    with pytest.raises(ValueError, match=r"rid is not in manifest\.csv; its columns are path, label, subject, split"):
        load(subject_column="rid")
    (root / "manifest.csv").write_text("path;label\na;b\n")
    with pytest.raises(ValueError, match=r"expected different columns path.*found path;label"):
        load()
    (root / "manifest.csv").write_bytes(b"path,label\n\xff\xfe,\x00\n")
    with pytest.raises(ValueError, match="not a CSV file in UTF-8") as error:
        load()
    one_line(error)


def test_a_manifest_is_written_for_imagefolder_too_and_read_alone(root, load):
    """metadata.jsonl beside each split's classes, with file_name."""
    write(root, names=("train/CN", "train/AD", "validation/CN", "validation/AD"), persons=1, slices=1)
    paths = [path.relative_to(root) for path in root.rglob("*.png")]
    rows = [dict(path=path.as_posix(), label=path.parent.name, subject="s1") for path in paths]
    write_manifest(root, rows)
    for split in ("train", "validation"):
        lines = [json.loads(line) for line in (root / split / "metadata.jsonl").read_text().splitlines()]
        there = {f"{path.parent.name}/{path.name}" for path in (root / split).rglob("*.png")}
        assert {line["file_name"] for line in lines} == there and {line["subject"] for line in lines} == {"s1"}
    data = load()
    assert (len(data.train), len(data.validate)) == (2, 2) and not data.unused


def test_slices_without_splits_have_their_metadata_at_the_top(root):
    write_manifest(root, [dict(path="CN/a.png", label="CN", subject="01"), dict(path="AD/b.png", seed=3)])
    assert [json.loads(line) for line in (root / "metadata.jsonl").read_text().splitlines()] == [
        {"file_name": "CN/a.png", "label": "CN", "subject": "01", "seed": ""},
        {"file_name": "AD/b.png", "label": "", "subject": "", "seed": "3"},
    ]


def test_imagefolder_reads_all_parts_with_labels_and_persons(root, tmp_path, monkeypatch):
    """With the library itself, where it is installed: it guesses the types of metadata.csv, 01 would be a number."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    datasets = pytest.importorskip("datasets", reason="datasets is not installed: pip install datasets")
    write(root, names=[f"{split}/{c}" for split in ("train", "validation", "test") for c in ("CN", "AD")], persons=2)
    paths = [path.relative_to(root) for path in sorted(root.rglob("*.png"))]
    rows = [
        {"path": path.as_posix(), "label": path.parent.name, "subject": f"0{i % 7}", "slice_mm": i / 2 if i > 9 else i}
        for i, path in enumerate(paths)
    ]
    write_manifest(root, rows)
    read = datasets.load_dataset("imagefolder", data_dir=str(root), cache_dir=str(tmp_path / "cache"))
    assert {name: len(part) for name, part in read.items()} == {"train": 8, "validation": 8, "test": 8}
    for part in read.values():
        assert set(part["label"]) == {"CN", "AD"} and all(name.startswith("0") for name in part["subject"])


def test_a_column_that_is_called_file_name_does_not_name_the_pictures(root):
    write_manifest(root, [dict(path="CN/a.png", label="CN", file_name="orig_17.dcm")])
    (line,) = [json.loads(line) for line in (root / "metadata.jsonl").read_text().splitlines()]
    assert line == {"file_name": "CN/a.png", "label": "CN", "named_file_name": "orig_17.dcm"}
