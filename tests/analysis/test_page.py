"""The page: one file with everything inside, and a public one without a real slice."""

import re

from analysis import sections
from analysis.numbers import column_of
from analysis.page import COLUMNS, table
from analysis.sections import similarity


def plain(text):
    return re.sub(r"<[^>]*>", "", text)


def test_the_page_is_one_file_and_the_public_one_shows_no_real_slice(predict, run, quick):
    predict(run, ["grid", "copies"])
    folder = run.run_dir / "analysis-016"
    text = (folder / "report.html").read_text()
    # real beside generated, distances, closest pairs, per person
    assert text.count("data:image/png;base64,") == 4 and 'src="http' not in text and "<script" not in text
    assert predict(run, ["grid", "copies"], public=True)["page"] == "report-public.html"
    public = (folder / "report-public.html").read_text()
    assert public.count("data:image/png;base64,") == 3  # generated, distances, per person
    assert "The closest pairs" not in public and "Beside this page" not in public and "Beside this page" in text
    subjects = set(run.data.train.subjects) | set(run.data.test.subjects)
    assert not [subject for subject in subjects if subject in public]


def test_the_first_screen_has_the_facts_the_verdict_and_the_grid_and_the_settings_stand_once(predict, run, quick):
    numbers = predict(run, ["grid", "copies"])
    text = (run.run_dir / "analysis-016" / "report.html").read_text()
    first = text[: text.index("<nav")]
    assert numbers["date"] in first and "psi" in first and "Real and generated slices" in first
    assert first.count('class="grade') == 5 and 'class="grade open">not measured<' in first
    assert "real_vs_fake" in first and plain(text).count("last EMA, psi 1, 24 generated per label") == 1
    assert "config.yaml" in text and str(run.root.parent) not in text
    for section in ("grid", "copies"):
        loaded = sections.load()[section]
        assert f">{loaded.title} <" in text and loaded.question in plain(text)
        assert loaded.answer(numbers) in plain(text).replace("&#39;", "'")
    assert not re.search(r"\b(judge|floor|ceiling)\b", plain(text.split("</style>")[1]), re.IGNORECASE)


def test_two_classes_get_a_slider_in_the_page(predict, run, quick):
    predict(run, ["same_brain"])
    text = (run.run_dir / "analysis-016" / "report.html").read_text()
    assert 'data-frames="21" data-from="CN" data-to="AD"' in text and text.count("<script>") == 1
    assert "aspect-ratio: 64 / 16" in text  # four latents side by side


def test_a_table_has_the_interval_the_reference_and_the_control_in_their_columns():
    section = sections.load()["similarity"]
    values = {"kid.CN": 0.5, "kid.CN.low": 0.4, "kid.CN.high": 0.6, "kid.CN.untrained": 3.0, "kid.CN.baseline": 0.0}
    values |= {"kid.CN.baseline.low": -0.1, "kid.CN.baseline.high": 0.1, "spectrum.CN.weakest": 0.5}
    made = table(values | {"class_names": ["CN"]}, section)
    assert made.columns == COLUMNS and [row.level for row in made.rows] == [0, 1]
    assert made.rows[0].cells == (
        *("0.500", "0.400 to 0.600", "real-vs-real baseline 0.000; its 95 % -0.100 to 0.100"),
        "untrained generator 3.000",
    )
    assert [row.marks for row in made.rows] == [("above 0.141",), ("",)]


def test_every_text_beside_a_number_has_a_column():
    texts = {text for section in sections.load().values() for number in section.numbers for text in number.beside}
    columns = {name: {text for text in texts if column_of(text) == name} for name in COLUMNS[2:]}
    assert all("shuffled" not in text and "untrained" not in text for text in columns.get("reference", ()))
    assert similarity.WITH_95[0].startswith("95 %")
