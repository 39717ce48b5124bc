"""Contact sheets: a few slices of each scan in a row, to be looked at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from progan_style.data.gray import thumbnail

THUMB = 112  # pixels per side
ACROSS = 8  # slices of a scan
ROWS = 24  # scans, evenly from all
BAR = 16  # pixels of a line of text
GRAY, WHITE = 150, 255


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of the indices 0 .. count - 1, evenly spread, the first and the last among them."""
    if count <= most:
        return list(range(count))
    return [round(float(i)) for i in np.linspace(0, count - 1, most)]


def contact_sheet(title: str, scans: Mapping[str, Sequence[Path]], left: str) -> Image.Image:
    """caption -> paths of a scan's slices in order; at most ROWS scans and ACROSS slices of each are shown."""
    captions = list(scans)
    shown = [captions[i] for i in evenly(len(captions), ROWS)]
    across = min(ACROSS, max(len(scans[caption]) for caption in shown))
    picture = Image.new("L", (max(across * THUMB, 480), BAR + len(shown) * (THUMB + BAR)))
    draw = ImageDraw.Draw(picture)
    of_all = "" if len(shown) == len(captions) else f", {len(shown)} shown"
    sides = f"; on the left of a picture: {left}" if left else ""
    draw.text((4, 2), f"{title}{of_all}{sides}", fill=WHITE)
    for number, caption in enumerate(shown):
        top = BAR + number * (THUMB + BAR)
        draw.text((4, top + 2), f"{caption}, {len(scans[caption])} slices", fill=GRAY)
        for column, index in enumerate(evenly(len(scans[caption]), ACROSS)):
            tile = thumbnail(str(scans[caption][index]), THUMB, Image.Resampling.BOX)
            picture.paste(tile, (column * THUMB, top + BAR))
    return picture
