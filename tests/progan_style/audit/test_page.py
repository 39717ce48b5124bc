"""The audit's page: one file, nothing fetched, names escaped, the pairs pictured."""

import re

import numpy as np
from PIL import Image

from progan_style.audit import page as pages
from progan_style.audit.findings import Audit, Confound, Near


def test_a_pair_is_pictured_with_its_difference_and_its_names_are_text(tmp_path):
    folder = tmp_path / "<b>lab"
    names = ("train/CN/a&b.png", "test/CN/b.png")
    for k, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((16, 16), 100 + k, np.uint8)).save(folder / name)
    pair = Near(*names, 0.98, "copy")
    counts = {"train": {"CN": 1}, "test": {"CN": 1}}
    text = pages.page(Audit("x", counts, {}, "unknown", pairs=[pair] * 30, pairs_found={"copy": 30}), folder)
    plain = re.sub(r"<[^>]*>", "", text)
    assert "A person or a copy crosses a split." in plain and f"The {pages.PICTURED} most alike of 30 pairs" in plain
    assert text.count("<figure ") == pages.PICTURED == text.count("<img")
    assert "a&amp;b.png" in text and "&lt;b&gt;lab" in text and "<b>lab" not in text
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]*)"', text))
    assert "http:" not in text and "https:" not in text and "<script" not in text
    assert 'class="grade bad"' in text


def test_a_table_has_a_column_for_each_class_and_0_where_there_is_none():
    made = pages.table({"train": {"CN": 2, "AD": 1}, "test": {"AD": 4}}, "slices")
    assert made.columns == ("split", "CN", "AD")
    assert [(row.name, *row.cells) for row in made.rows] == [("train", "2", "1"), ("test", "0", "4")]


def test_a_confound_is_marked_and_a_clean_folder_is_good(tmp_path):
    found = [
        Confound("age", ("CN", "AD"), (70.0, 75.0), 0.8, 0.001, True),
        Confound("brightness", ("CN", "AD"), (99.0, 98.0), 0.1, None, False),
    ]
    counts = {"train": {"CN": 1, "AD": 1}}
    result = Audit("x", counts, counts, "persons stated", persons_stated=True, confounds=found)
    assert [row.marks for row in pages.confounds(result)] == [("a confound",), ()]
    text = pages.page(result, tmp_path)
    assert 'class="grade good"' in text and "a confound" in text
