"""Contact sheets, to be looked at: one level of all scans side by side, and a few slices of each scan in a row."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from progan_style.data.gray import thumbnail

THUMB = 112  # pixels per side
ACROSS = 8  # slices of a scan
ROWS = 24  # scans, evenly from all
BAR = 16  # pixels of a line of text
LETTERS = 17  # that fit over a picture
GRAY, WHITE = 150, 255


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 .. count - 1, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(float(i)) for i in np.linspace(0, count - 1, most)]


def contact_sheet(title: str, scans: Mapping[str, Mapping[float, Path]], left: str, unit: str = "") -> Image.Image:
    """Caption of a scan -> its slices by level: one level of all scans side by side, then each scan in a row.

    A column is one level, so that levels can be compared down the sheet; a scan that lacks it has a gap there. At most
    ROWS scans and ACROSS levels are shown. unit: of a level, mm; "" where levels are numbers of slices.
    """
    captions = list(scans)
    shown = [captions[i] for i in evenly(len(captions), ROWS)]
    all_levels = sorted({level for caption in shown for level in scans[caption]})
    levels = [all_levels[i] for i in evenly(len(all_levels), ACROSS)]
    middle = all_levels[len(all_levels) // 2]
    across = max(len(levels), min(ACROSS, len(shown)))
    bands = [shown[i : i + ACROSS] for i in range(0, len(shown), ACROSS)]
    height = 3 * BAR + (len(bands) + len(shown)) * (THUMB + BAR)
    picture = Image.new("L", (max(across * THUMB, 480), height))
    draw = ImageDraw.Draw(picture)

    def row(top: int, tiles: Sequence[tuple[str, Path | None]]) -> None:
        """Tiles side by side, a line of text over each."""
        for column, (text, path) in enumerate(tiles):
            draw.text((column * THUMB + 4, top + 2), text, fill=GRAY)
            if path is not None:
                tile = thumbnail(str(path), THUMB, Image.Resampling.BOX)
                picture.paste(tile, (column * THUMB, top + BAR))

    of_all = "" if len(shown) == len(captions) else f", {len(shown)} shown"
    sides = f"; on the left of a picture: {left}" if left else ""
    draw.text((4, 2), f"{title}{of_all}{sides}", fill=WHITE)
    draw.text((4, BAR + 2), f"all at {_named(middle, unit)}:", fill=WHITE)
    top = 2 * BAR
    for band in bands:
        row(top, [(caption[:LETTERS], scans[caption].get(middle)) for caption in band])
        top += THUMB + BAR
    draw.text((4, top + 2), "each scan at " + ", ".join(_named(level, unit) for level in levels), fill=WHITE)
    top += BAR
    for caption in shown:
        row(top, [("", scans[caption].get(level)) for level in levels])
        draw.text((4, top + 2), f"{caption}, {len(scans[caption])} slices", fill=GRAY)
        top += THUMB + BAR
    return picture


def _named(level: float, unit: str) -> str:
    return f"{level:+g} {unit}" if unit else f"slice {level:g}"
