"""generate.py --stack: whole synthetic persons, a slice at each height; a volume and a line in participants.tsv each.

Letters: S heights, R pixels per side.
"""

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from progan_style.commands.given import Asked, Picture, in_cell, values_of
from progan_style.described import Category, Conditions
from progan_style.files import as_text
from progan_style.training.call import of

if TYPE_CHECKING:
    from progan_style.networks.contract import Generator

BIDS = "1.9.0"


def split_heights(
    described: Conditions, options: Sequence[str], slices: int, position: float | None
) -> tuple[list[float], list[str]]:
    """The heights of the stacks [S], and the options of --given that are no heights.

    COLUMN=LOW:HIGH:STEP says the heights, else there are `slices` of them over the range of the training slices.
    Raises ValueError, in one line, for a generator without a height and for heights beyond that range.
    """
    if described.position is None:
        raise ValueError(
            "--stack: this generator was trained without heights; set data.conditions: {slice_mm: position} (the "
            "column of heights in manifest.csv) and train a new run"
        )
    if position is not None:
        raise ValueError("--position: a stack has several heights; leave it out")
    column = described.position.column
    mine = [text for text in options if text.partition("=")[0] == column]
    if not mine:
        if slices < 2:
            raise ValueError(f"--slices: expected 2 or more, got {slices}")
        low, high = described.position.ends  # ten digits of one may lie beyond it
        tens = [float(f"{height:.10g}") for height in np.linspace(low, high, slices)]
        return [min(max(height, low), high) for height in tens], list(options)
    heights = values_of(described, column, mine[0].partition("=")[2].strip())
    if len(mine) > 1 or len(heights) < 2:
        raise ValueError(f"--given {' '.join(mine)}: expected {column}=LOW:HIGH:STEP, the heights of a stack")
    for height in heights:
        described.position.checked(height)
    return heights, [text for text in options if text not in mine]


class Stacks:
    """The stacks of one call, written below `folder`: NIfTI where the millimetres of the run's slices are known."""

    def __init__(self, folder: Path, run: str, described: Conditions, heights: Sequence[float]):
        from progan_style.export.nifti import HEIGHT, field_of_folder, stack_bytes
        from progan_style.run import run_config

        assert described.position is not None
        self.folder, self.described, self.heights = folder, described, heights
        self.column, self.to_volume, self.lines = described.position.column, None, dict[str, dict[str, Any]]()
        why = f"heights are of {self.column}, and only those of {HEIGHT} are known to be mm"
        if self.column == HEIGHT:
            try:
                data = run_config(run).data
                field, middle = field_of_folder(data.root, data.classes, data.aliases)
                self.to_volume = partial(stack_bytes, field=field, middle=middle, heights=heights)
            except (ValueError, OSError) as error:
                why = str(error).removeprefix("--as nifti: ")
        if self.to_volume is None:
            print(f"note: slices alone are written, no volumes: {why}", flush=True)

    def make(self, G: "Generator", label: int, seed: int, one: Asked, psi: float) -> list[Picture]:
        """One person's slices, lowest first; the volume is written. Raises ValueError if two persons have one name."""
        from progan_style.asking import asked, conditions_in_words, draw_conditions
        from progan_style.sampling import generate_stack

        name = in_bids(f"{G.class_names[label]}{seed:06d}{one.in_name}")
        if name in self.lines:
            raise ValueError(f"two of these persons would be called sub-{name}; ask for one class or value at a time")
        condition, index = asked(G, label, seed, one.given)
        words = conditions_in_words(G, draw_conditions(G, condition, index))
        person = {column: cells[0] for column, cells in words.items() if column != self.column} | one.numbers
        images = generate_stack(G, label, seed, self.heights, psi, one.given)[:, 0].numpy()
        said = {"class": G.class_names[label], "seed": seed, "psi": psi} | person
        self.lines[name] = {"participant_id": f"sub-{name}"} | said
        if self.to_volume is not None:
            place = self.folder / f"sub-{name}" / "anat"
            place.mkdir(parents=True)
            # No suffix of BIDS: nobody says which contrast the slices have
            (place / f"sub-{name}_stack.nii.gz").write_bytes(self.to_volume(images))
        return [
            Picture(seed, image, f"{one.in_name}_{self.column}{height:g}", height, person | {self.column: height}, name)
            for image, height in zip(images, self.heights, strict=True)
        ]

    def finish(self) -> None:
        """participants.tsv, what its columns mean, and what the folder is (BIDS, a derived data set)."""
        lines = list(self.lines.values())
        cells = [[*lines[0]], *([in_tsv(cell) for cell in line.values()] for line in lines)]
        table = "".join("\t".join(row) + "\n" for row in cells)
        (self.folder / "participants.tsv").write_text(table, encoding="utf-8", newline="\n")
        about = {
            "Name": "synthetic persons",
            "BIDSVersion": BIDS,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": "progan_style", "Version": of("progan_style")}],
        }
        for name, content in (("participants", self._meaning()), ("dataset_description", about)):
            text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
            (self.folder / f"{name}.json").write_text(text, encoding="utf-8")

    def _meaning(self) -> dict[str, Any]:
        asked_for = {"Description": "what the generator was asked for, or drew"}
        meaning: dict[str, Any] = {
            "participant_id": {"Description": "a synthetic person; no real one"},
            "class": asked_for,
            "seed": {"Description": "the number that the person is made from"},
            "psi": {"Description": "truncation towards the centre of the class; 1 is none"},
        }
        for one in self.described.others:
            levels = {"Levels": {name: name for name in one.names}} if isinstance(one, Category) else {}
            meaning[one.column] = asked_for | levels | ({"Units": one.unit} if one.unit else {})
        return meaning


def in_bids(text: str) -> str:
    """As a label of BIDS, of letters and digits alone: a point becomes p, a minus m."""
    return "".join(c for c in text.replace(".", "p").replace("-", "m") if c.isalnum() and c.isascii())


def in_tsv(cell: Any) -> str:
    """A number or a word without what would end its cell."""
    words = in_cell(cell)
    return " ".join(as_text(words).split()) or "n/a"
