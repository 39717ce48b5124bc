"""Reports side by side: one table, one figure; what does not compare is refused by name in one line."""

import json

import pytest

from analysis import comparison
from analysis.commands import predict as shell
from analysis.report import FORMAT

NUMBERS = {
    "format": FORMAT,
    "date": "2026-01-02",
    "title": "one",
    "nimg": 1000,
    "resolution": 64,
    "class_names": ["CN", "AD"],
    "extractor.name": "reference classifier",
    "extractor.hash": "abc",
    "held_out.split": "test",
    "held_out.slices": 48,
    "kid.CN": 0.5,
    "kid.CN.low": 0.4,
    "kid.CN.high": 0.6,
    "kid.CN.baseline": 0.0,
    "kid.CN.baseline.low": -0.1,
    "kid.CN.baseline.high": 0.1,
    "kid.AD": 0.05,
}


def report(folder, **changed):
    """A run's folder with the report of its one finished stage."""
    at = folder / "analysis-064"
    at.mkdir(parents=True)
    (folder / "stage-064").mkdir()
    (folder / "stage-064" / "generator.safetensors").touch()
    numbers = {key: value for key, value in (NUMBERS | changed).items() if value is not None}
    (at / "metrics.json").write_text(json.dumps(numbers))
    return folder


def call(*arguments):
    return shell.main(["--compare", *map(str, arguments)])


def test_two_runs_stand_side_by_side_in_a_table_a_figure_and_a_page(tmp_path, capsys):
    one, two = (
        report(tmp_path / "one"),
        report(tmp_path / "two", title="<b>two", **{"kid.CN": 0.25, "kid.CN.low": 0.15, "kid.CN.high": 0.35}),
    )
    assert call(one, two / "analysis-064", "--figures", "svg") == 0
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("KID CN"))
    assert row.split() == ["KID", "CN", "0.500", "(0.400", "to", "0.600)", "0.250", "(0.150", "to", "0.350)"]
    assert "realism" in printed
    to = one / "comparison"
    assert {path.name for path in to.iterdir()} == {"comparison.html", "comparison.png", "comparison.svg"}
    page = (to / "comparison.html").read_text()
    assert "one/analysis-064" in page and "&lt;b&gt;two" in page and "<b>two" not in page
    assert page.count("above 0.141") == 2  # both out of range, in the title of the mark and in its words


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"resolution": 32}, "the size must be one"),
        ({"extractor.hash": "def"}, "the reference classifier must be one"),
        ({"class_names": ["CN"]}, "the classes must be one"),
        ({"held_out.slices": 50}, "the number of held-out slices must be one"),
        ({"format": None}, f"expected format {FORMAT}, got none, as earlier versions wrote it"),
        ({"extractor.hash": None}, "expected the section similarity, extractor.hash is missing"),
    ],
)
def test_what_does_not_compare_is_refused_by_name(changed, message, tmp_path, capsys):
    one, two = report(tmp_path / "one"), report(tmp_path / "two", **changed)
    assert call(one, two) == 2
    error = capsys.readouterr().err
    assert message in error and str(two) in error and error.count("\n") == 1
    assert not (one / "comparison").exists()


def test_a_stage_without_a_report_a_damaged_one_and_one_alone_are_refused(tmp_path, capsys):
    one, two = report(tmp_path / "one"), report(tmp_path / "two")
    (two / "analysis-064" / "metrics.json").unlink()
    for arguments, message in (
        ((one, two), f"there is no report of --size 64; python predict.py --run {two} --size 64 makes one"),
        ((one, tmp_path / "none"), "no such folder"),
        ((one,), "expected two runs or more, got 1"),
        ((one, tmp_path), "expected a run with a finished stage"),
    ):
        assert call(*arguments) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    (two / "analysis-064" / "metrics.json").write_text("{")
    assert call(one, two) == 2 and "got a damaged file" in capsys.readouterr().err
    assert shell.main(["--run", str(one), "--to", str(tmp_path / "x")]) == 2
    assert "--to: is for --compare" in capsys.readouterr().err
    for more in (["--data", "x"], ["--public"], ["--unseen-phantoms", "9"], ["--run", "x"], ["--own", "x"]):
        assert call(one, one, *more) == 2
        error = capsys.readouterr().err
        assert f"{more[0]}: is for a report that is made; --compare takes those that are there" in error
    assert call(one, one, "--weights", "best") == 2
    assert f"no report of --size 64 --weights best; python predict.py --run {one} --size" in capsys.readouterr().err


def test_two_of_one_name_go_by_their_folders(tmp_path):
    found = [comparison.read_report(report(tmp_path / name) / "analysis-064") for name in ("a", "b")]
    assert [r.name for r in comparison.told_apart(found)] == ["a/analysis-064", "b/analysis-064"]
    assert [r.name for r in comparison.told_apart([found[0], *found])] == ["a/analysis-064"] * 2 + ["b/analysis-064"]
    deep = [comparison.read_report(report(tmp_path / name / "run") / "analysis-064") for name in ("a", "b")]
    assert [r.name for r in comparison.told_apart(deep)] == ["a/run/analysis-064", "b/run/analysis-064"]
