"""Reports side by side: the numbers of several metrics.json in one table and one figure.

Only what can be compared is: one size, one reference classifier, the same held-out slices. Anything else is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from analysis import plots, sections, style
from analysis.glossary import GLOSSARY
from analysis.numbers import Numbers, lines
from analysis.plots import ReportFigure
from analysis.report import FORMAT
from analysis.verdict import UNKNOWN, verdict
from progan_style import Page, Picture, Row, Section, Table, data_uri, finished_stages, render_page

SHOWN = ("kid", "coverage", "recall", "precision")  # of each class, in the figure
BETTER = {"kid": style.LOWER}
# What must be one: a key of metrics.json -> what it is in words
ALIKE = {
    "resolution": "the size",
    "class_names": "the classes",
    "extractor.hash": "the reference classifier",
    "held_out.split": "the held-out part",
    "held_out.slices": "the number of held-out slices",
}


@dataclass(frozen=True)
class Report:
    """A report that was read. name: of its run and its folder, which tells it from the others."""

    folder: Path
    name: str
    numbers: Numbers


def find_report(path: Path, size: int | None, weights: str = "last") -> Path:
    """The folder of a report: of a run, that of this size (default: its last finished stage) and of these weights; or
    the folder itself.

    Raises FileNotFoundError, in one line, if there is none.
    """
    if not path.is_dir():
        raise FileNotFoundError(f"--compare: {path}: no such folder; expected a run, or the folder of a report")
    if (path / "metrics.json").is_file():
        return path
    finished = finished_stages(path)
    if not finished:
        raise FileNotFoundError(f"--compare: {path}: expected a run with a finished stage, or the folder of a report")
    stage = size or finished[-1]
    of_weights = "" if weights == "last" else f"-{weights}"
    folder = path / f"analysis-{stage:03d}{of_weights}"
    if not (folder / "metrics.json").is_file():
        asked = f"--size {stage}" + (f" --weights {weights}" if of_weights else "")
        raise FileNotFoundError(
            f"--compare: {path}: there is no report of {asked}; python predict.py --run {path} {asked} makes one"
        )
    return folder


def read_report(folder: Path) -> Report:
    """Raises ValueError, in one line, for a metrics.json that is damaged or of an earlier version."""
    file = folder / "metrics.json"
    again = f"make it again with python predict.py --run {folder.parent}"
    try:
        numbers: Any = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        numbers = None
    if not isinstance(numbers, dict):
        raise ValueError(f"--compare: {file}: expected the numbers of a report, got a damaged file; {again}")
    if numbers.get("format") != FORMAT:
        got = numbers.get("format", "none, as earlier versions wrote it")
        raise ValueError(f"--compare: {file}: expected format {FORMAT}, got {got}; {again}")
    lacking = [key for key in ("title", "date", *ALIKE) if key not in numbers]
    if lacking:
        raise ValueError(
            f"--compare: {file}: expected the section similarity, {lacking[0]} is missing; {again} --parts similarity"
        )
    return Report(folder, f"{numbers['title']}/{folder.name}" if "nimg" in numbers else str(numbers["title"]), numbers)


def check_alike(reports: list[Report]) -> None:
    """Raises ValueError, in one line, for reports whose numbers do not compare."""
    if len(reports) < 2:
        raise ValueError(f"--compare: expected two runs or more, got {len(reports)}")
    first = reports[0]
    for key, words in ALIKE.items():
        for other in reports[1:]:
            mine, theirs = first.numbers[key], other.numbers[key]
            if mine != theirs:
                raise ValueError(
                    f"--compare: {words} must be one: {first.folder} has {_said(mine)}, {other.folder} has "
                    f"{_said(theirs)}"
                )


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def told_apart(reports: list[Report]) -> list[Report]:
    """Names that differ: where two are one, as much of the folders' paths as tells them apart, and no more."""
    parts = [report.folder.absolute().parts for report in reports]
    names = [report.name for report in reports]
    for count in range(2, max(map(len, parts))):
        if len(set(names)) == len(set(parts)):  # a folder that was named twice is one
            break
        names = ["/".join(path[-count:]) for path in parts]
    return [Report(report.folder, name, report.numbers) for report, name in zip(reports, names, strict=True)]


def side_by_side(reports: list[Report]) -> list[Row]:
    """A row for each number that a reader knows by words, a cell for each report; "" where one did not measure it."""
    rows: dict[str, list[tuple[str, str]]] = {}  # words -> (value, mark) of each report
    for place, report in enumerate(reports):
        for section in sections.load().values():
            for line in lines(section.numbers, report.numbers):
                interval = line.column("interval")
                value = f"{line.value} ({interval})" if interval else line.value
                rows.setdefault(line.words, [("", "")] * len(reports))[place] = (value, line.mark)
    return [
        Row(words.strip(), tuple(v for v, _ in cells), int(words.startswith("  ")), tuple(mark for _, mark in cells))
        for words, cells in rows.items()
    ]


def verdicts(reports: list[Report]) -> list[Row]:
    judged = [verdict(report.numbers) for report in reports]
    return [
        Row(of_one[0].aspect, tuple(judgement.grade for judgement in of_one)) for of_one in zip(*judged, strict=True)
    ]


def printed(reports: list[Report]) -> list[str]:
    """The table as text: a column for each report."""
    rows = [Row("", tuple(report.name for report in reports)), *verdicts(reports), *side_by_side(reports)]
    first = max(len(row.name) + 2 * row.level for row in rows)
    widths = [max(len(row.cells[i]) for row in rows) for i in range(len(reports))]
    return [
        "  ".join(
            [f"{'  ' * row.level + row.name:{first}}", *(f"{c:{w}}" for c, w in zip(row.cells, widths, strict=True))]
        ).rstrip()
        for row in rows
    ]


def picture(reports: list[Report]) -> ReportFigure:
    """A panel for each metric: every report beside the others, each class in its hue, with the real baseline."""
    figure = plots.new_figure(max(8.0, 2.4 + 2.0 * len(reports)), 7.4)
    axes = figure.subplots(2, 2).ravel()
    for ax, key in zip(axes, SHOWN, strict=True):
        _panel(ax, reports, key)
    axes[0].legend(fontsize=8)
    size = reports[0].numbers["resolution"]
    return ReportFigure(
        "comparison",
        style.finish(figure),
        "Runs side by side",
        "Each triangle is a run's number, its line the 95 % over people. Two whose lines overlap are not told apart.",
        "the gray bars: two real samples at the same n",
        private=False,
        alt=f"Four panels ({', '.join(SHOWN)}): for every run a triangle for each class, with its interval and a gray "
        "bar for two real samples.",
        shown=f"{len(reports)} reports at {size}x{size}, {reports[0].numbers['held_out.slices']:,} held-out slices.",
    )


def _panel(ax: Axes, reports: list[Report], key: str) -> None:
    names = reports[0].numbers["class_names"]
    for label, name in enumerate(names):
        drawn, edge = style.look(False, label), style.outline(label)
        shift, whole = 0.3 * (label - (len(names) - 1) / 2), f"{key}.{name}"
        for place, report in enumerate(reports):
            if whole not in report.numbers:
                continue
            x, first = place + shift, place == 0
            low, high, real = (report.numbers.get(f"{whole}{end}") for end in (".low", ".high", ".baseline"))
            if low is not None and high is not None:
                ax.plot([x, x], [low, high], color=edge, lw=1.5)
            words = f"{name} (line: 95 %)" if first else None
            ax.plot(x, report.numbers[whole], drawn.marker, color=drawn.colour, markeredgecolor=edge, ms=8, label=words)
            if real is not None:
                words = "real vs real" if first and label == 0 else None
                ax.plot([x - 0.12, x + 0.12], [real] * 2, color="0.35", lw=2, label=words)
    ax.set_xticks(range(len(reports)), [report.name.replace("/", "\n") for report in reports], fontsize=8)
    ax.set(title={"kid": "KID"}.get(key, key), ylabel=BETTER.get(key, style.HIGHER))


def write_comparison(reports: list[Report], to: Path, figures: str) -> Path:
    """comparison.html, comparison.png (and the figure's other kind) in a folder; -> the page."""
    to.mkdir(parents=True, exist_ok=True)
    drawn = picture(reports)
    page = plots.page_bytes(drawn)
    settings = "; ".join(report.name for report in reports)
    kinds = dict.fromkeys((".png", f".{figures}"))
    for kind in kinds:
        (to / f"{drawn.name}{kind}").write_bytes(plots.picture_bytes(drawn, settings, kind))
    columns = ("number", *(report.name for report in reports))
    shown = Picture(
        *(drawn.title, data_uri(page, "image/png"), drawn.alt, drawn.shown, drawn.reading, drawn.control),
        files=tuple(f"{drawn.name}{kind}" for kind in kinds),
    )
    first = reports[0].numbers
    facts = [
        *((f"report {i}", f"{r.name}, {r.numbers['date']}") for i, r in enumerate(reports, start=1)),
        ("size", f"{first['resolution']}x{first['resolution']} pixels"),
        ("held-out", f"{first['held_out.split']}, {first['held_out.slices']:,} slices"),
        ("features", f"{first['extractor.name']}, {first['extractor.hash']}"),
    ]
    tables = [
        Section("Verdicts", "Which is good at what?", "", [Table("", columns, verdicts(reports))]),
        Section("Numbers", "How do they compare, number by number?", "", [Table("", columns, side_by_side(reports))]),
        Section("Reasons", "What decided each verdict?", "", [_reasons(reports)]),
    ]
    file = to / "comparison.html"
    file.write_text(render_page(Page("Runs side by side", facts, [], [shown], tables, GLOSSARY)), encoding="utf-8")
    return file


def _reasons(reports: list[Report]) -> Table:
    rows = [
        Row(f"{report.name}: {judgement.aspect}", (judgement.grade, judgement.because))
        for report in reports
        for judgement in verdict(report.numbers)
        if judgement.grade != UNKNOWN
    ]
    return Table("", ("report and aspect", "verdict", "because"), rows)
