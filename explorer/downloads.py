"""Pictures -> files: PNG to look at, NPZ to compute with, NIfTI for the tools of the field. Each says how it was made.

What draws and what knows NIfTI is imported when it is used: a page should open at once.

Letters: R pixels per side.
"""

import gzip
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from explorer.pictures import Picture, difference, root_mean_square
from explorer.state import State, class_in_words
from progan_style import Field

BAR_MM = 50  # length of the bar beside a picture
ALIGNED = 2  # NIFTI_XFORM_ALIGNED_ANAT: right and left are known, the place in a scanner is not


@dataclass(frozen=True)
class Pair:
    """A brain at the beginning and on the way, and what a file says of them."""

    first: Picture
    second: Picture
    state: State
    run: str
    nimg: int
    field: Field | None

    @property
    def names(self) -> tuple[str, str]:
        """first and second in words."""
        return self.state.low, class_in_words(self.state)

    @property
    def settings(self) -> str:
        """One line: how the pictures are made again."""
        s = self.state
        values = [(name, value if isinstance(value, str) else f"{value:g}") for name, value in s.given]
        given = "".join(f", {name} {value}" for name, value in values)
        noise = "own noise" if s.noise is None else f"noise {s.noise}"
        return (
            f"{self.run}, {s.size}x{s.size}, {self.nimg:,} images seen; seed {s.seed}, {noise}, {s.low} to {s.high} "
            f"{s.weight:g} by {s.way}, psi {s.psi:g}{given}; generated, no person's slice"
        )


def png(pair: Pair) -> bytes:
    """The two pictures and their difference on the page's scale, with a bar in mm where mm are known."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes: Sequence = figure.subplots(1, 3)
    side = pair.field.side_mm if pair.field is not None else float(pair.state.size)
    place = (0.0, side, side, 0.0)
    for ax, picture, title in zip(axes, (pair.first, pair.second), pair.names, strict=False):
        ax.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=place, interpolation="nearest")
        ax.set_title(title, parse_math=False)  # a $ in a name is a $
    change = difference(pair.first, pair.second)
    scale = pair.state.scale
    shown = axes[2].imshow(change, cmap="RdBu_r", vmin=-scale, vmax=scale, extent=place, interpolation="nearest")
    axes[2].set_title(f"difference, rms {root_mean_square(change):.1f}")
    figure.colorbar(shown, ax=axes[2], label="gray levels", shrink=0.8)
    for ax in axes:
        ax.set(xticks=[], yticks=[])
    if pair.field is not None:
        start = 0.04 * side
        axes[0].plot([start, start + BAR_MM], [side - start] * 2, color="white", lw=3, solid_capstyle="butt")
        axes[0].text(start, side - 1.6 * start, f"{BAR_MM} mm", color="white", fontsize=9, va="bottom")
    figure.supxlabel(pair.settings, parse_math=False, fontsize=7, ha="left", x=0.01, color="0.25")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Description": pair.settings})
    return buffer.getvalue()


def npz(pair: Pair) -> bytes:
    """first, second uint8 [R, R], difference int16 [R, R]; mm_per_pixel, NaN where unknown; state as JSON."""
    buffer = io.BytesIO()
    state = {f.name: getattr(pair.state, f.name) for f in fields(pair.state)} | {"given": dict(pair.state.given)}
    np.savez(
        buffer,
        first=pair.first,
        second=pair.second,
        difference=difference(pair.first, pair.second),
        mm_per_pixel=pair.field.side_mm / pair.state.size if pair.field is not None else np.nan,
        state=json.dumps({"run": pair.run, "nimg": pair.nimg, **state}),
    )
    return buffer.getvalue()


def nifti(pair: Pair) -> bytes:
    """One slice with three values a pixel, int16 [R, R, 1, 3]: first, second, difference; gzipped.

    World 0 is the middle of the picture. Raises ValueError if nobody knows the mm or which side is left.
    """
    import nibabel

    if pair.field is None or not pair.field.directions:
        raise ValueError(
            "NIfTI: nobody knows how many mm a pixel has, or which side is left, so no affine is written; "
            "the slices of prepare.py and phantoms say it (mm_per_pixel and plane in manifest.csv)"
        )
    values = np.stack([pair.first, pair.second, difference(pair.first, pair.second)], axis=-1).astype(np.int16)
    image = nibabel.Nifti1Image(values.transpose(1, 0, 2)[:, :, None], None)
    affine = affine_of(pair.field, pair.state.size)
    image.set_sform(affine, ALIGNED)
    image.set_qform(affine, ALIGNED)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = f"generated, seed {pair.state.seed}: {pair.state.low}, second, difference"[:79].encode()
    return gzip.compress(image.to_bytes(), mtime=0)  # the same state, the same bytes


def affine_of(field: Field, size: int) -> NDArray[np.float64]:
    """Index of column, row, height -> RAS mm; the middle of the picture is 0."""
    mm = field.side_mm / size
    affine = np.eye(4)
    for axis, direction in enumerate(field.directions):
        affine[:3, axis] = np.array(direction, float) * mm
    affine[:3, 3] = -affine[:3, :2].sum(axis=1) * (size - 1) / 2
    return affine


# ending -> (what writes it, what it is); generated slices alone, so each is there in a public page too
KINDS = {
    "png": (png, "image/png"),
    "npz": (npz, "application/octet-stream"),
    "nii.gz": (nifti, "application/gzip"),
}
