"""The tables of docs/analysis.md are what the declarations say."""

import pytest

from analysis import documentation
from analysis.numbers import Number


def test_the_document_is_up_to_date():
    """python -m analysis.documentation writes it."""
    text = documentation.DOCUMENT.read_text(encoding="utf-8")
    assert documentation.written_into(text) == text
    assert documentation.main(["--check"]) == 0


def test_a_table_has_every_key_and_why_some_are_missing():
    number = Number("kid.<CLASS>", meaning="a distance", also={".low": "with few people", ".baseline": ""})
    table = documentation.number_table([number, Number("x", meaning="y", unless="with one class")])
    assert table.splitlines()[2:] == [
        "| `kid.<CLASS>` `kid.<CLASS>.low` `kid.<CLASS>.baseline` | a distance. Left out with few people: `.low`. |",
        "| `x` | y. Left out with one class. |",
    ]
    both = Number("x", meaning="y", also={".low": "with few people"}, unless="with one class")
    assert documentation.number_table([both]).endswith(
        "| `x` `x.low` | y. Left out with one class: `x`. Left out with few people: `.low`. |"
    )


def test_a_section_without_markers_comes_at_the_end_and_wrong_markers_are_named():
    text = documentation.DOCUMENT.read_text(encoding="utf-8")
    written = documentation.written_into(text.replace("<!-- numbers of styles -->", ""))
    assert "\n## styles\n\nWhich styles make what" in written and "`film.frames`" in written.split("## styles")[-1]
    for wrong in ("mood", "styles"):
        with pytest.raises(ValueError, match=f"each once, got {wrong}"):
            documentation.written_into(text + f"<!-- numbers of {wrong} -->\n<!-- end -->\n")
