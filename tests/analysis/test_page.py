"""The page: one file with everything inside, and a public one without a real slice."""


def test_the_page_is_one_file_and_the_public_one_shows_no_real_slice(predict, run, quick):
    predict(run, ["grid", "copies"])
    folder = run.run_dir / "analysis-016"
    text = (folder / "report.html").read_text()
    # real beside generated, generated, distances, closest pairs, per person
    assert text.count("data:image/png;base64,") == 5 and 'src="http' not in text and "<script" not in text
    assert predict(run, ["grid", "copies"], public=True)["page"] == "report-public.html"
    public = (folder / "report-public.html").read_text()
    assert public.count("data:image/png;base64,") == 3
    assert "closest pairs" not in public.split("<h2>Model card")[0].replace("Look at the closest pairs", "")
    subjects = set(run.data.train.subjects) | set(run.data.test.subjects)
    assert not [subject for subject in subjects if subject in public]
