"""Files and folders: a folder that is used is refused, a table has its columns in order, a picture fits into a page."""

import base64
import errno
import io

import numpy as np
import pytest
from PIL import Image

from progan_style import files
from progan_style.files import (
    as_text,
    check_part,
    data_uri,
    from_text,
    new_folder,
    png_uri,
    refuse_unwritable,
    refuse_used,
    size_in_words,
    write_table,
    write_whole,
)


def test_a_new_and_an_empty_folder_are_free(tmp_path):
    refuse_used(tmp_path / "new")
    refuse_used(tmp_path)


def test_a_used_folder_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(
        ValueError, match=r"not empty; name a new folder with --to, so that no two data sets are mixed$"
    ):
        refuse_used(tmp_path)
    with pytest.raises(ValueError, match=r"mine: is a file, no folder; name a new folder"):
        refuse_used(tmp_path / "mine")


def test_a_folder_may_hold_what_is_its_owners(tmp_path):
    (tmp_path / "audit.json").write_text("")
    refuse_used(tmp_path, ("audit.json", "audit.html"), "an audit")
    (tmp_path / "other").write_text("")
    with pytest.raises(ValueError, match="holds something else than an audit; go elsewhere"):
        refuse_used(tmp_path, ("audit.json", "audit.html"), "an audit", "go elsewhere")


def test_columns_stand_in_order_of_appearance_after_the_first(tmp_path):
    rows = [{"b": 1.0, "path": "x,y"}, {"c": "é", "path": "z", "b": 2}]
    write_table(tmp_path / "t.csv", rows, first=("path", "not there"))
    assert (tmp_path / "t.csv").read_bytes() == 'path,b,c\n"x,y",1.0,\nz,2,é\n'.encode()
    write_table(tmp_path / "t.csv", rows[:1], line_end="\r\n")
    assert (tmp_path / "t.csv").read_bytes() == b'b,path\r\n1.0,"x,y"\r\n'


def test_a_picture_comes_back_from_its_address():
    gray = np.arange(64, dtype=np.uint8).reshape(8, 8)
    start, _, code = png_uri(Image.fromarray(gray)).partition(",")
    assert start == "data:image/png;base64"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))), gray)
    assert data_uri(b"abc", "video/mp4") == "data:video/mp4;base64,YWJj"


def test_a_fault_leaves_what_was_there_and_a_full_disk_is_named(tmp_path):
    (tmp_path / "there").mkdir()
    for to in (tmp_path / "there", tmp_path / "new" / "deep"):
        with pytest.raises(OSError, match="the disk is full; free space, or name another folder"), new_folder(to) as at:
            (at / "train").mkdir()
            (at / "train" / "half.png").touch()
            raise OSError(errno.ENOSPC, "No space left on device")
    assert not list((tmp_path / "there").iterdir()) and not (tmp_path / "new").exists()
    with new_folder(tmp_path / "new") as at:
        (at / "train").mkdir()
        (at / "whole.png").touch()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["train", "whole.png"] and not at.exists()
    with pytest.raises(ValueError, match="not empty"), new_folder(tmp_path / "new"):
        pass


def test_a_fault_leaves_what_others_have_made_beside_meanwhile(tmp_path):
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "synth" / "AD" / "a"):
        with new_folder(tmp_path / "synth" / "CN") as other:
            (other / "whole.png").touch()
        raise KeyboardInterrupt
    assert [path.name for path in (tmp_path / "synth").rglob("*")] == ["CN", "whole.png"]


def test_a_file_is_not_written_in_the_place_of_a_folder(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(OSError, match=r"there: is a folder; expected the name of a file"):
        write_whole(tmp_path / "there", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_names_of_devices_are_refused_where_no_folder_can_have_them(monkeypatch):
    assert check_part("CON", "class") == "CON"
    monkeypatch.setattr(files, "WINDOWS", True)
    for name in ("CON", "nul", "Com1.x"):
        with pytest.raises(ValueError, match="no file or folder of Windows can be called so"):
            check_part(name, "class")
    assert check_part("CONTROL", "class") == "CONTROL"


def test_sizes_in_words():
    sizes = {0: "0 kB", 12_345: "12 kB", 999_999: "1000 kB", 12_000_000: "12 MB", 3_400_000_000: "3.4 GB"}
    assert {count: size_in_words(count) for count in sizes} == sizes


@pytest.mark.parametrize(
    ("cell", "written"),
    (
        *((cell, f"'{cell}") for cell in ("=1", "+a", "-b", "@c", "'=1", "''@x", "=\n", "--5")),
        *((cell, cell) for cell in ("-1", "+2.5", "-1e-3", "-", "=", "'", "a=1", " =1", "", "'quoted'", "it's")),
    ),
)
def test_a_cell_that_a_spreadsheet_would_run_is_written_as_text_and_read_back(cell, written):
    assert as_text(cell) == written and from_text(written) == cell


def test_a_place_that_cannot_be_written_to(tmp_path, monkeypatch):
    refuse_unwritable(tmp_path / "new" / "deep", "--run")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"--run: .*file is a file, no folder; name a folder"):
        refuse_unwritable(tmp_path / "file" / "deep", "--run")
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(ValueError, match=r"--run: .* cannot be written to \(its rights, or a read-only disk\)"):
        refuse_unwritable(tmp_path / "new" / "deep", "--run")
