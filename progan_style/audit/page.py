"""audit.html: one page, no scripts, nothing fetched; the pairs that cross a split are pictured."""

import html
from pathlib import Path

import numpy as np
from PIL import Image

from progan_style.audit.findings import Audit, Near
from progan_style.data.gray import thumbnail
from progan_style.files import png_uri

PICTURED = 24  # pairs
SIDE = 160  # pixels of a picture

STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 0.5em 0 1.5em; } td, th { padding: 0.15em 0.9em 0.15em 0; text-align: left; }
td.n { text-align: right; } .bad { color: #a00; font-weight: 600; } .good { color: #060; font-weight: 600; }
.open { font-weight: 600; }
figure { display: inline-block; margin: 0 1em 1em 0; vertical-align: top; width: 30em; }
figure img { width: 9.6em; image-rendering: auto; background: #000; }
figcaption { font-size: 13px; word-break: break-all; }
pre { background: #f4f4f4; padding: 0.8em; white-space: pre-wrap; }
"""


def picture(path: Path) -> Image.Image:
    return thumbnail(str(path), SIDE, Image.Resampling.BILINEAR)


def figure(root: Path, near: Near) -> str:
    """Both slices and their absolute difference."""
    first, second = picture(root / near.first), picture(root / near.second)
    difference = np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)).astype(np.uint8)
    pictures = "".join(f'<img alt="" src="{png_uri(image)}">' for image in (first, second, Image.fromarray(difference)))
    caption = f"{html.escape(near.first)}<br>{html.escape(near.second)}<br>{near.kind}, likeness {near.likeness:.3f}"
    return f"<figure>{pictures}<figcaption>{caption}; right: difference</figcaption></figure>"


def table(counts: dict[str, dict[str, int]], what: str) -> str:
    classes = list(dict.fromkeys(name for of in counts.values() for name in of))
    head = "".join(f"<th>{html.escape(name)}</th>" for name in classes)
    rows = "".join(
        f"<tr><td>{split}</td>" + "".join(f'<td class="n">{of.get(name, 0)}</td>' for name in classes) + "</tr>"
        for split, of in counts.items()
    )
    return f"<table><tr><th>{what}</th>{head}</tr>{rows}</table>"


def page(result: Audit, root: Path) -> str:
    """The whole page."""
    quality = "bad" if result.crosses else "good" if result.persons_stated else "open"
    verdict = f'<p class="{quality}">{result.verdict[0].upper()}{result.verdict[1:]}.</p>'
    shown = result.pairs[:PICTURED]
    pairs = "".join(figure(root, near) for near in shown)
    total = sum(result.pairs_found.values())
    heading = f"<h2>Pairs across splits ({len(shown)} of {total})</h2>" if total else ""
    name = html.escape(root.resolve().name)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Audit of {name}</title><style>{STYLE}</style>'
        f"<h1>Audit of {name}</h1>{verdict}<pre>{html.escape(chr(10).join(result.lines()))}</pre>"
        f"{table(result.slices, 'slices')}{table(result.persons, 'persons') if result.persons else ''}"
        f"{heading}{pairs}"
        "<h2>What this can and cannot tell</h2><p>Pixels find copies (moved by a pixel, turned by 2 degrees, 5 % of "
        "contrast, saved as JPEG) and neighbouring slices of a person. An altered copy and a slice less than a "
        "millimetre away look the same. Slices of one person that lie further apart look like two persons': without "
        "stated persons a folder cannot be proved clean.</p></html>"
    )
