"""The folder of phantoms: equal bytes whatever the workers, and faults that are named."""

import csv
import functools
import hashlib

import numpy as np
import pytest
from PIL import Image

from progan_style.data.folder import FOLDER_OF
from progan_style.phantoms import folder
from progan_style.phantoms.folder import COLUMNS, OF_PEOPLE, make_phantoms
from progan_style.phantoms.persons import PATTERNS


@pytest.fixture
def quick(template, monkeypatch):
    monkeypatch.setattr("progan_style.phantoms.folder.prepare_template", lambda: template)


def rows_of(folder):
    with open(folder / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_bytes_depend_on_the_seed_and_not_on_the_workers(tmp_path, quick):
    settings = dict(persons=4, slices=2, size=32, progress=False)
    alone = bytes_of(make_phantoms(tmp_path / "alone", workers=1, **settings))
    together = bytes_of(make_phantoms(tmp_path / "together", workers=2, **settings))
    other = bytes_of(make_phantoms(tmp_path / "other", workers=1, seed=1, **settings))
    assert alone == together
    assert all(alone[name] != other[name] for name in alone if name.endswith(".png") and name in other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone", "other", "together"]  # no scratch is left


def test_folder_and_manifest_agree(tmp_path, quick):
    folder = make_phantoms(tmp_path / "deep" / "phantoms", persons=6, slices=3, size=64, workers=1)
    rows = rows_of(folder)
    assert tuple(rows[0]) == COLUMNS
    assert {row["path"] for row in rows} == {str(path.relative_to(folder)) for path in folder.rglob("*.png")}
    assert len(rows) == 18
    for row in rows:
        assert row["path"].startswith(f"{FOLDER_OF[row['split']]}/{row['label']}/{row['subject']}_")
        with Image.open(folder / row["path"]) as picture:
            assert (picture.size, picture.mode) == ((64, 64), "L")
    assert sorted({float(row["slice_mm"]) for row in rows}) == [6.0, 17.0, 28.0]
    assert "Louis Collins, McConnell Brain Imaging Centre" in (folder / "NOTICE.txt").read_text()


def test_the_same_phantoms_are_not_made_twice_and_other_files_not_touched(tmp_path, quick, monkeypatch):
    folder = make_phantoms(tmp_path / "a", persons=2, slices=1, size=8, workers=1)
    monkeypatch.setattr("progan_style.phantoms.folder.draw_slices", None)
    assert make_phantoms(folder, persons=2, slices=1, size=8) == folder
    with pytest.raises(ValueError, match="holds something else"):
        make_phantoms(folder, persons=2, slices=1, size=8, seed=3)
    next(folder.glob("*/*/*.png")).unlink()
    with pytest.raises(ValueError, match="holds something else"):  # a picture is missing
        make_phantoms(folder, persons=2, slices=1, size=8)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        make_phantoms(tmp_path / "file")


def test_of_two_runs_that_make_the_same_phantoms_at_once_the_first_stay(tmp_path, quick, monkeypatch):
    make = functools.partial(make_phantoms, tmp_path / "a", persons=2, slices=1, size=8, workers=1)
    prepare = folder.prepare_template

    def meanwhile():
        monkeypatch.setattr("progan_style.phantoms.folder.prepare_template", prepare)
        make()  # the other run is done while this one still draws
        return prepare()

    monkeypatch.setattr("progan_style.phantoms.folder.prepare_template", meanwhile)
    assert make() == tmp_path / "a"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(persons=0), "persons is 0; expected 1 or more"),
        (dict(slices=0), "slices is 0; expected 1 or more"),
        (dict(size=100), "size is 100; expected a power of two"),
        (dict(seed=-1), "seed is -1; expected 0 or more"),
        (dict(workers=-1), "workers is -1; expected 1 or more"),
        (dict(overlap="none"), "overlap is 'none'; expected one of apart, clear, real"),
    ],
)
def test_impossible_arguments_are_named(tmp_path, wrong, message):
    with pytest.raises(ValueError, match=message):
        make_phantoms(tmp_path / "x", **wrong)
    assert not (tmp_path / "x").exists()


def test_the_pattern_is_part_of_a_folders_settings(tmp_path, quick):
    settings = dict(persons=2, slices=1, size=32, workers=1, progress=False)
    folders = [make_phantoms(tmp_path / name, pattern=name, **settings) for name in PATTERNS]
    truths = [[(row["path"], row["severity"]) for row in rows_of(folder)] for folder in folders]
    assert truths[0] == truths[1] and bytes_of(folders[0]) != bytes_of(folders[1])
    with pytest.raises(ValueError, match="holds something else"):
        make_phantoms(folders[0], pattern="frontal", **settings)
    with pytest.raises(ValueError, match="pattern is 'temporal'; expected one of ventricular, frontal"):
        make_phantoms(tmp_path / "x", pattern="temporal", **settings)


# Of all pixels and all other files, as they were before there were ages
BEFORE = {
    "ventricular": "bde0e5b6dfc31cdc82df2bbe34a281db0738dc47153d4f0bd445a74ebd471dcb",
    "frontal": "1b67f7f66411a4a303d6af1b41885fabaa50012291cd8ac059cb684c2da7654c",
}


@pytest.mark.parametrize("pattern", BEFORE)
def test_without_people_the_same_seeds_draw_what_they_always_drew(tmp_path, quick, pattern):
    folder = make_phantoms(
        tmp_path / "a", persons=4, slices=2, size=32, pattern=pattern, people=False, workers=1, progress=False
    )
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = np.asarray(Image.open(path)).tobytes() if path.suffix == ".png" else path.read_bytes()
        digest.update(path.relative_to(folder).as_posix().encode() + content)
    assert digest.hexdigest() == BEFORE[pattern]


def test_with_people_the_manifest_tells_age_sex_and_what_each_has_opened(tmp_path, quick):
    settings = dict(persons=4, slices=2, size=16, workers=1, progress=False)
    folder = make_phantoms(tmp_path / "a", people=True, **settings)
    rows = rows_of(folder)
    assert tuple(rows[0]) == COLUMNS + OF_PEOPLE
    for row in rows:
        assert 50 <= float(row["age"]) <= 98 and row["sex"] in ("F", "M")
        assert float(row["ventricle_ratio_at_79"]) > float(row["ventricle_ratio_at_69"]) > 0
        assert float(row["disease_mm"]) > 0 and -1.5 < float(row["age_mm"]) < 5
    assert len({row["age"] for row in rows}) == 4  # one for each person
    assert make_phantoms(folder, people=True, years_older=8, **settings) == folder
    for other in (dict(people=False), dict(people=True, years_older=5)):
        with pytest.raises(ValueError, match="holds something else"):
            make_phantoms(folder, **other, **settings)
