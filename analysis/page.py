"""Numbers and pictures -> the summary that a shell prints, one self-contained HTML page, and a model card."""

from __future__ import annotations

import html
import mimetypes
from pathlib import Path
from typing import Any

from progan_style import data_uri

# (words, number, what it is read beside): {} stands for a class. A row without its number is left out.
Row = tuple[str, str, tuple[tuple[str, str], ...]]
UTILITY = (("", ""), (".own", ", its own GAN"), (".unproven", ", generator saw all persons: proves nothing"))
PER_CLASS: tuple[Row, ...] = (
    (
        "slices of {}",
        "n.{}",
        (
            ("unseen", "n.{}.unseen"),
            ("of persons", "n.{}.unseen.persons"),
            ("a side where neighbours count", "n.{}.neighbours"),
        ),
    ),
    (
        "KID {}",
        "kid.{}",
        (
            ("from", "kid.{}.low"),
            ("to", "kid.{}.high"),
            ("real-real floor", "kid.{}.floor"),
            ("its upper end", "kid.{}.floor.high"),
            ("untrained", "kid.{}.untrained"),
        ),
    ),
    (
        "FID {}",
        "fid.{}",
        (("from", "fid.{}.low"), ("to", "fid.{}.high"), ("real-real floor", "fid.{}.floor")),
    ),
    ("precision {}", "precision.{}", (("real-real", "precision.{}.floor"),)),
    ("recall {}", "recall.{}", (("real-real", "recall.{}.floor"),)),
    ("density {}", "density.{}", (("real-real", "density.{}.floor"), ("equal", "density.{}.expected"))),
    (
        "coverage {}",
        "coverage.{}",
        (
            ("real-real", "coverage.{}.floor"),
            ("its lower end", "coverage.{}.floor.low"),
            ("equal", "coverage.{}.expected"),
            ("untrained", "coverage.{}.untrained"),
        ),
    ),
    ("MS-SSIM {}", "ms_ssim.{}", (("unseen reals", "ms_ssim.{}.real"),)),
    ("histogram {}", "histogram.{}", (("real-real floor", "histogram.{}.floor"),)),
    ("spectrum {}", "spectrum.{}", (("real-real floor", "spectrum.{}.floor"),)),
    ("Inception FID {}", "inception.fid.{}", (("real-real floor", "inception.fid.{}.floor"),)),
    ("Inception KID {}", "inception.kid.{}", (("real-real floor", "inception.kid.{}.floor"),)),
)
ONCE: tuple[Row, ...] = (
    (
        "label fidelity, AUC",
        "fidelity.auc",
        (
            ("from", "fidelity.low"),
            ("to", "fidelity.high"),
            ("ceiling (unseen reals)", "fidelity.ceiling"),
            ("from", "fidelity.ceiling.low"),
            ("to", "fidelity.ceiling.high"),
            ("shuffled labels", "fidelity.shuffled"),
        ),
    ),
    ("  its accuracy", "fidelity.accuracy", (("unseen reals", "fidelity.ceiling.accuracy"),)),
    ("  calibration error", "fidelity.calibration", (("unseen reals", "fidelity.ceiling.calibration"),)),
    ("TSTR, AUC", "tstr.auc", (("trained on reals", "trtr.auc"), ("shuffled labels", "tstr.shuffled"))),
    (
        "D's class head, AUC",
        "discriminator.auc",
        (
            ("accuracy", "discriminator.accuracy"),
            ("largest class", "discriminator.majority"),
            ("shuffled labels", "discriminator.shuffled"),
        ),
    ),
    (
        "  on generated slices",
        "discriminator.fidelity.auc",
        (("unseen reals", "discriminator.auc"), ("shuffled labels", "discriminator.fidelity.shuffled")),
    ),
    (
        "copies, share",
        "copies.share",
        (("floor", "copies.floor"), ("in features", "copies.features.share")),
    ),
    ("  nearer than to others", "copies.relative.share", (("floor", "copies.relative.floor"),)),
    ("  planted copies found", "copies.found", (("of unseen persons", "copies.floor"),)),
    (
        "kNN purity",
        "umap.knn_purity",
        (
            ("unseen reals", "umap.knn_purity.real"),
            ("its p", "umap.knn_purity.real.p"),
            ("shuffled labels", "umap.knn_purity.shuffled"),
        ),
    ),
    ("silhouette", "umap.silhouette", (("unseen reals", "umap.silhouette.real"),)),
    (
        "real from generated",
        "umap.realness",
        (("real-real floor", "umap.realness.floor"), ("not to be told apart", "umap.realness.expected")),
    ),
    (
        "ventricles AD-CN/real",
        "atrophy.ratio",
        (
            ("from", "atrophy.ratio.low"),
            ("to", "atrophy.ratio.high"),
            ("shuffled labels", "atrophy.shuffled"),
            ("the ruler's Spearman with truth", "ruler.spearman"),
        ),
    ),
    ("  spread of AD/real", "atrophy.spread.AD", (("of CN", "atrophy.spread.CN"),)),
    (
        "  along the path",
        "atrophy.path.spearman",
        (("along the direction in w", "atrophy.direction.spearman"), ("shuffled", "atrophy.path.shuffled")),
    ),
    (
        "same z, other class",
        "difference.rms",
        (("same w", "difference.direction.rms"), ("another latent", "difference.others.rms")),
    ),
    (
        "projection error",
        "projection.error",
        (("generated slices", "projection.error.generated"), ("the start", "projection.error.start")),
    ),
    *(
        (
            f"utility at {percent} %{words}",
            f"utility.{percent}{kind}.gain",
            (
                ("from", f"utility.{percent}{kind}.gain.low"),
                ("to", f"utility.{percent}{kind}.gain.high"),
                ("AUC of real slices alone", f"utility.{percent}{kind}.real.auc"),
            ),
        )
        for percent in (10, 25, 50, 100)
        for kind, words in UTILITY
    ),
)


def rows(numbers: dict[str, Any]) -> list[tuple[str, float, list[tuple[str, float]]]]:
    """The numbers that are there, each with what it is read beside."""

    def filled(row: Row, name: str = "") -> tuple[str, str, list[tuple[str, str]]]:
        words, number, beside = row
        return words.format(name), number.format(name), [(text, key.format(name)) for text, key in beside]

    wanted = [filled(row, name) for name in numbers["class_names"] for row in PER_CLASS] + [filled(row) for row in ONCE]
    return [
        (words, numbers[number], [(text, numbers[key]) for text, key in beside if numbers.get(key) is not None])
        for words, number, beside in wanted
        if number in numbers
    ]


def written(value: float) -> str:
    """Counts as they are, all else with three decimals."""
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def heading(numbers: dict[str, Any]) -> str:
    """What was compared with what, in one line."""
    size, people = numbers["resolution"], numbers["unseen.persons"]
    who = "persons unknown" if people is None else f"{people} {numbers['persons.are']}"
    trained = f" after {numbers['nimg']:,} images, psi 1" if "nimg" in numbers else ""
    part = numbers["unseen.part"] or "none"
    return f"{numbers['title']} at {size}x{size}{trained}; unseen: {part} ({numbers['unseen.slices']} slices, {who})"


def summary(numbers: dict[str, Any]) -> list[str]:
    """The numbers of a report as lines of text."""
    lines = ["", heading(numbers)]
    for words, number, beside in rows(numbers):
        others = ", ".join(f"{text} {written(value)}" for text, value in beside)
        lines.append(f"{words:24}{written(number):>8}   {others}".rstrip())
    if "fidelity.auc" in numbers:
        lines.append(verdict(numbers))
    if "extractor.name" in numbers:
        lines.append(f"features: {numbers['extractor.name']}, {numbers['extractor.hash']}")
    return lines + [f"note: {note}" for note in numbers["notes"]]


def verdict(numbers: dict[str, Any]) -> str:
    """What label fidelity means beside its ceiling, in words."""
    if not numbers["fidelity.over_typical"]:
        return "Label fidelity is not above its ceiling."
    if numbers["fidelity.low"] > numbers["fidelity.ceiling.high"]:
        return "Label fidelity is above its ceiling: over-typical, clearer cases than persons are, or likenesses "
        "of training persons; no success."
    return "Label fidelity is above its ceiling (over-typical), though their intervals over persons overlap."


# ------------------------------------------------------------------ the page

STYLE = """
body { font: 16px/1.5 Georgia, serif; color: #1a1a1a; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, th { font-family: Helvetica, Arial, sans-serif; line-height: 1.25; }
h2 { border-top: 1px solid #bbb; padding-top: 1rem; margin-top: 2.5rem; }
table { border-collapse: collapse; font-size: .9rem; }
td, th { padding: .15rem .8rem .15rem 0; text-align: left; vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; text-align: right; }
tr { border-bottom: 1px solid #e4e4e4; break-inside: avoid; }
figure { margin: 1.5rem 0; break-inside: avoid; }
figure img { max-width: 100%; height: auto; }
figcaption { font-size: .9rem; }
.settings, footer, .what { color: #555; font-size: .85rem; }
.note { background: #f6f1e2; padding: .3rem .7rem; }
@media print {
  body { max-width: none; margin: 0; font-size: 11pt; }
  h2, .what { break-after: avoid; }
  details { display: none; }
}
"""


def page(numbers: dict[str, Any], parts: list[dict[str, Any]], folder: Path, public: bool) -> str:
    """One HTML file with everything inside. parts: name, what, numbers, pictures (file, title, reading, control, ...).

    public: pictures that show a real slice stay out, and so do links to other files.
    """
    title = html.escape(heading(numbers))
    out = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
        f"<h1>What was generated, and what it is worth</h1><p>{title}</p>",
        "<p>No number stands alone: beside it stand its floor (real training slices in the place of generated ones), "
        "its ceiling (unseen real persons) or its control (shuffled labels). Slices of one person are no independent "
        "draws: sets are compared person by person where neighbours count, and intervals of sets are over persons; "
        "where persons are unknown each slice counts as one, and intervals are too narrow.</p>",
    ]
    if public:
        out.append("<p class=note>Public page: pictures that show a real slice are left out.</p>")
    out += [_table(numbers), *(f"<p class=note>{html.escape(note)}</p>" for note in numbers["notes"])]
    for part in parts:
        if not part["numbers"] and not part["pictures"]:
            continue  # left out: its line stands above
        out.append(f"<h2>{html.escape(part['name'])}</h2><p class=what>{html.escape(part['what'])}</p>")
        shown = [picture for picture in part["pictures"] if not (public and picture["private"])]
        out += [_figure(picture, folder, public) for picture in shown]
        out.append(_details(part["numbers"]))
    card = model_card(numbers, with_numbers=False)
    out.append(f"<p>All numbers: metrics.json.</p><h2>Model card</h2>{_card_html(card)}</body></html>\n")
    return "\n".join(out)


def _table(numbers: dict[str, Any]) -> str:
    lines = ["<table><tr><th>number</th><th></th><th>read it beside</th></tr>"]
    for words, value, beside in rows(numbers):
        others = ", ".join(f"{html.escape(text)} {written(other)}" for text, other in beside)
        lines.append(f"<tr><td>{html.escape(words)}</td><td class=number>{written(value)}</td><td>{others}</td></tr>")
    return "\n".join([*lines, "</table>"])


def _figure(picture: dict[str, Any], folder: Path, public: bool) -> str:
    file, title = picture["file"], html.escape(picture["title"])
    kind = mimetypes.guess_type(file)[0] or ""
    if kind == "text/html":
        if public:
            return ""
        shown = f'<p><a href="{html.escape(file)}">{html.escape(file)}</a>, a file beside this page</p>'
    else:
        data = data_uri((folder / file).read_bytes(), kind)
        shown = f'<img alt="{title}" src="{data}">'
        if kind.startswith("video"):
            shown = f'<video controls loop src="{data}"></video>'
    words = f"{html.escape(picture['reading'])} <b>Read it beside:</b> {html.escape(picture['control'])}"
    settings = f"<div class=settings>{html.escape(picture['settings'])}</div>"
    return f"<figure><h3>{title}</h3>{shown}<figcaption>{words}{settings}</figcaption></figure>"


def _details(numbers: dict[str, Any]) -> str:
    """All numbers of a part, by the names that metrics.json has."""
    lines = []
    for name, value in numbers.items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        lines.append(f"<tr><td>{html.escape(name)}</td><td class=number>{html.escape(text)}</td></tr>")
    return f"<details><summary>all numbers of this part</summary><table>{''.join(lines)}</table></details>"


# ------------------------------------------------------------------ the model card


def model_card(numbers: dict[str, Any], with_numbers: bool = True) -> str:
    """Markdown: what the generator is, what it was measured on, what it is not for."""
    classes, size = ", ".join(numbers["class_names"]), numbers["resolution"]
    trained = f"{numbers['train.slices']} slices"
    if numbers["train.persons"] is not None:
        trained += f" of {numbers['train.persons']} {numbers['persons.are']}"
    seen = f", {numbers['nimg']:,} images seen in training" if "nimg" in numbers else ""
    measured = [
        f"- {words.strip()}: {written(value)}" + "".join(f", {text} {written(other)}" for text, other in beside)
        for words, value, beside in rows(numbers)
    ]
    return "\n".join(
        [
            f"# Model card: {numbers['title']}",
            "",
            f"Axial brain MR slices, {size}x{size} pixels, 8 bit, classes {classes}{seen}.",
            "",
            "## Data",
            "",
            f"Training part: {trained}. Measured on: {numbers['unseen.part'] or 'no unseen part'}, "
            f"{numbers['unseen.slices']} slices.",
            "",
            *(
                ["## Numbers (EMA weights, psi 1, after the 8-bit round trip)", "", *measured, ""]
                if with_numbers
                else []
            ),
            "## Use and limits",
            "",
            "- For research on methods. Not for diagnosis, not as evidence about a disease, not for any one person.",
            "- Weights and slices derive from the training data and fall under its terms of use. A generator trained "
            "on few persons may repeat them: read copies.share beside copies.floor before anything leaves the lab.",
            "- Numbers of different extractors, sizes or sample counts are not comparable.",
            "- Labels are what was asked for. fidelity.auc above fidelity.ceiling means types or likenesses of "
            "training persons, not patients.",
            "- Only what the training data hold can be generated: their scanners, ages and selection, and no other.",
            "",
        ]
    )


def _card_html(card: str) -> str:
    """The few marks of Markdown that the card uses."""
    out, in_list = [], False
    for line in card.splitlines()[1:]:
        if in_list and not line.startswith("- "):
            out.append("</ul>")
            in_list = False
        if line.startswith("- "):
            out.append(("" if in_list else "<ul>") + f"<li>{html.escape(line[2:])}</li>")
            in_list = True
        elif line.startswith("## "):
            out.append(f"<h3>{html.escape(line[3:])}</h3>")
        elif line:
            out.append(f"<p>{html.escape(line)}</p>")
    return "\n".join(out + (["</ul>"] if in_list else []))
