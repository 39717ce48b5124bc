"""Numbers and pictures -> one HTML page with everything inside."""

from __future__ import annotations

import html
import mimetypes
from pathlib import Path
from typing import Any

from analysis.card import card_html, model_card
from analysis.numbers import Numbers
from analysis.summary import heading, shown_lines
from analysis.verdict import verdict
from progan_style import data_uri

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
.good, .unclear, .bad { font-weight: bold; }
.good { color: #1b6e3c; }
.unclear { color: #7a5a00; }
.bad { color: #a3211f; }
@media print {
  body { max-width: none; margin: 0; font-size: 11pt; }
  h2, .what { break-after: avoid; }
  details { display: none; }
}
"""


def html_page(numbers: Numbers, shown: list[dict[str, Any]], folder: Path, public: bool) -> str:
    """One HTML file with everything inside.

    shown: of each section its name, what, numbers and pictures (file, title, reading, control, private, settings).
    public: pictures that show a real slice stay out, and so do links to other files.
    """
    title = html.escape(heading(numbers))
    out = [
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body>',
        f"<h1>What was generated, and what it is worth</h1><p>{title}</p>",
        "<p>No number stands alone. Beside it stands its real-vs-real baseline (real training slices in the place of "
        "generated ones), the same number on held-out real people, or a control such as shuffled labels.</p>"
        "<p>Slices of one person are no independent draws. So sets are compared person by person where neighbours "
        "count, and intervals are over people. Where people are unknown, each slice counts as one, and intervals are "
        "too narrow.</p>",
    ]
    if public:
        out.append("<p class=note>Public page: pictures that show a real slice are left out.</p>")
    out += [_verdict(numbers), "<h2>Numbers</h2>", _table(numbers)]
    out += [f"<p class=note>{html.escape(note)}</p>" for note in numbers["notes"]]
    for section in shown:
        if not section["numbers"] and not section["pictures"]:
            continue  # left out: its line stands above
        out.append(f"<h2>{html.escape(section['name'])}</h2><p class=what>{html.escape(section['what'])}</p>")
        pictures = [picture for picture in section["pictures"] if not (public and picture["private"])]
        out += [_figure(picture, folder, public) for picture in pictures]
        out.append(_details(section["numbers"]))
    card = model_card(numbers, with_numbers=False)
    out.append(f"<p>All numbers: metrics.json.</p><h2>Model card</h2>{card_html(card)}</body></html>\n")
    return "\n".join(out)


def _verdict(numbers: Numbers) -> str:
    """What the numbers say, each with its rule."""
    lines = ["<h2>Verdict</h2><table><tr><th></th><th></th><th>because</th><th>rule</th></tr>"]
    for judgement in verdict(numbers):
        because, rule, advice = (html.escape(text) for text in (judgement.because, judgement.rule, judgement.advice))
        grade = judgement.grade
        mark = f"<td class={grade.split()[0]}>{grade}</td>"
        because += f"<br><b>Next:</b> {advice}" * bool(advice)
        lines.append(f"<tr><th>{judgement.aspect}</th>{mark}<td>{because}</td><td class=settings>{rule}</td></tr>")
    return "\n".join([*lines, "</table>"])


def _table(numbers: Numbers) -> str:
    lines = ["<table><tr><th>number</th><th></th><th>read it beside</th></tr>"]
    for line in shown_lines(numbers):
        words, beside = html.escape(line.words), html.escape(", ".join(line.beside))
        lines.append(f"<tr><td>{words}</td><td class=number>{html.escape(line.value)}</td><td>{beside}</td></tr>")
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


def _details(numbers: Numbers) -> str:
    """All numbers of a section, by the names that metrics.json has."""
    lines = []
    for name, value in numbers.items():
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        lines.append(f"<tr><td>{html.escape(name)}</td><td class=number>{html.escape(text)}</td></tr>")
    return f"<details><summary>all numbers of this section</summary><table>{''.join(lines)}</table></details>"
