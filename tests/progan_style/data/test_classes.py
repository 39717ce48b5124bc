"""Which classes a folder of slices holds, by the names that groups of people go by."""

import numpy as np
import pytest
import yaml
from PIL import Image

from progan_style.data.classes import alias_table, find_classes
from progan_style.data.folder import UNLABELLED
from progan_style.scans.slices import open_slices


def slice_in(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("a_0.png",):
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(folder / name)


def test_folders_are_classes_by_the_table_or_their_own(tmp_path):
    for name in ("train/Demented", "test/NC", "train/FTD", "sheets/CN"):
        slice_in(tmp_path / name)
    assert find_classes(str(tmp_path)) == {"Demented": "AD", "FTD": "FTD", "NC": "CN"}
    assert find_classes(str(tmp_path), ("FTD=AD",))["FTD"] == "AD"


def test_a_folder_without_diagnoses_has_one_class(tmp_path):
    slice_in(tmp_path / "train" / UNLABELLED)
    assert set(find_classes(str(tmp_path)).values()) == {UNLABELLED}


def test_labels_of_the_manifest_are_classes_too(tmp_path):
    slice_in(tmp_path / "CN")
    (tmp_path / "manifest.csv").write_text("path,label\nCN/a_0.png,CN\nelsewhere/b.png,MCI\n")
    assert find_classes(str(tmp_path)) == {"CN": "CN", "MCI": "MCI"}


def listed(root, rows, *columns):
    (root / "manifest.csv").write_text("\n".join([",".join(("path", "label", *columns)), *rows]) + "\n")


def test_a_folder_whose_pictures_the_manifest_gives_to_classes_is_none(root, load):
    """A layout that train.py reads is read by the audit too."""
    slice_in(root / "images", *(f"p{p}_0.png" for p in range(4)))
    splits = ("train", "test")
    rows = [f"images/p{p}_0.png,{('CN', 'AD')[p % 2]},p{p},{splits[p // 2]}" for p in range(4)]
    listed(root, rows, "subject", "split")
    found = open_slices(root)
    assert found.class_names == ("CN", "AD") and [item.label for item in found.slices] == [0, 1, 0, 1]
    assert len(load(resolution=8).train) == 2
    slice_in(root / "images", "p4_0.png")
    listed(root, [*rows, "images/p4_0.png,images,p4,train"], "subject", "split")
    assert find_classes(str(root)) == {"AD": "AD", "CN": "CN", "images": "images"}
    slice_in(root / "CN")
    listed(root, [*rows, "CN/a_0.png,AD,p5,train"], "subject", "split")
    with pytest.raises(ValueError, match=r"line 6: label AD, but CN/a_0.png lies in CN: correct one of them"):
        open_slices(root)  # a name that is a class's by itself stays one


@pytest.mark.parametrize("label", ("n/a", "NaN", ""))
def test_a_label_that_says_nothing_is_no_class(label, root):
    for name in ("CN", "AD", "images"):
        slice_in(root / name)
    listed(root, [f"CN/a_0.png,{label}", "AD/a_0.png,AD", f"images/a_0.png,{label}"])
    assert set(find_classes(str(root))) == {"AD", "CN", "images"}
    listed(root, [f"CN/a_0.png,{label}", "AD/a_0.png,AD"])
    (root / "images" / "a_0.png").unlink()
    found = open_slices(root)
    assert found.class_names == ("CN", "AD") and len(found.slices) == 2


def test_a_class_may_be_absent_from_a_split_of_an_audit(root):
    for name in ("train/CN", "train/AD", "train/MCI", "test/CN", "test/AD"):
        slice_in(root / name)
    assert open_slices(root).class_names == ("CN", "MCI", "AD") and len(open_slices(root).slices) == 5


@pytest.mark.parametrize("text", ("AD", "=AD", "x=", "x=A/D"))
def test_an_alias_that_is_none_is_refused(text):
    with pytest.raises(ValueError, match="--alias: expected NAME=CLASS"):
        alias_table((text,))


def test_an_alias_goes_before_the_table():
    assert alias_table(("dementia=FTD", "cn=-"))["dementia"] == "FTD"
    assert alias_table(("cn=-",))["cn"] == "-"


KAGGLE = ("MildDemented", "ModerateDemented", "NonDemented", "VeryMildDemented")


def test_folders_by_other_names_are_proposed_as_aliases(root, load):
    for name in KAGGLE:
        slice_in(root / "train" / name)
    with pytest.raises(
        FileNotFoundError, match=r"no images of class CN .*; these names of classes are known: "
    ) as told:
        load(resolution=8)
    proposed = str(told.value).rpartition("data.aliases=")[2].strip("'")
    assert proposed == "{MildDemented: AD, ModerateDemented: AD, NonDemented: CN, VeryMildDemented: AD}"
    assert len(load(resolution=8, aliases=yaml.safe_load(proposed)).train) == 4


def test_data_sets_side_by_side_are_named(root, load):
    for name in KAGGLE:
        slice_in(root / "OriginalDataset" / name)
        slice_in(root / "AugmentedAlzheimerDataset" / name)
    with pytest.raises(
        FileNotFoundError, match=r"; did you mean \S+/AugmentedAlzheimerDataset or \S+/OriginalDataset\?"
    ):
        load()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dataset.json", "of StyleGAN's dataset_tool"),
        ("train-0.parquet", "parquet"),
        ("s.tar.gz", r"archives .*\(s.tar"),
    ],
)
def test_data_that_is_not_read_is_said_to_be_such(name, told, root, load):
    slice_in(root / "00000")
    (root / name).write_text("{}")
    with pytest.raises(FileNotFoundError, match=told):
        load()
    with pytest.raises(ValueError, match=f"no folder of slices; .*{told}"):
        open_slices(root)
    slice_in(root / "AD")
    assert "AD" in open_slices(root).class_names  # beside classes it is only a file
