"""Numbers -> the card that goes with what was measured: what it is, what it was measured on, what it is not for.

A run gets a model card, a folder of slices a data set card: nobody knows what made the folder. Both begin with the
metadata block that Hugging Face's pages read.
"""

from __future__ import annotations

from typing import Any

import yaml

from analysis.numbers import Numbers
from analysis.summary import shown_lines, truncation
from analysis.verdict import verdict

LIMITS = (
    "It is for research on methods. It is not for diagnosis, no evidence about a disease, and not about any one "
    "person.",
    "Weights and slices derive from the training data and fall under its terms of use. A generator trained on few "
    "people may repeat them. Read copies.share beside copies.false_alarms before anything leaves the lab.",
    "Numbers of different extractors, sizes or sample counts are not comparable.",
    "Labels are what was asked for. fidelity.auc above fidelity.real means slices that are more typical than real "
    "people, or likenesses of training persons.",
    "Only what the training data hold can be generated: their scanners, ages and selection, and no other.",
)
TAGS = ["brain", "mri", "medical", "synthetic"]
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card_file(numbers: Numbers) -> str:
    """The card's name, by what it is of."""
    return "model_card.md" if is_model(numbers) else "dataset_card.md"


def is_model(numbers: Numbers) -> bool:
    return "nimg" in numbers


def card(numbers: Numbers) -> str:
    """Markdown, with the metadata block on top."""
    classes, size = ", ".join(numbers["class_names"]), numbers["resolution"]
    trained = f"{numbers['train.slices']} slices"
    if numbers["train.persons"] is not None:
        trained += f" of {numbers['train.persons']} {numbers['persons.are']}"
    what = f"# {'Model card' if is_model(numbers) else 'Data set card'}: {numbers['title']}"
    measured = [f"- {line.words.strip()}: {', '.join((line.value, *line.beside))}" for line in shown_lines(numbers)]
    generated = ", ".join(f"{numbers[f'generated.{name}']:,} {name}" for name in numbers["class_names"])
    return "\n".join(
        [
            f"---\n{yaml.safe_dump(metadata(numbers), sort_keys=False, allow_unicode=True).strip()}\n---",
            *(what, "", f"{slices_in_words(numbers)}, {size}x{size} pixels, 8 bit, classes {classes}."),
            made_by(numbers),
            *("", "## Data", ""),
            f"Training part: {trained}. Measured on: {numbers['held_out.split'] or 'no held-out part'}, "
            f"{numbers['held_out.slices']} slices. Generated: {generated}.",
            *("", "## Verdict", ""),
            *(f"- {judgement.aspect}: {judgement.grade}. {judgement.because}" for judgement in verdict(numbers)),
            *("", f"## Numbers ({truncation(numbers)}, after the 8-bit round trip)", "", *measured, ""),
            *("## Use and limits", "", *(f"- {line}" for line in LIMITS), ""),
        ]
    )


def slices_in_words(numbers: Numbers) -> str:
    """What the data say of plane and millimetres. They do not say that they are of brains, and phantoms are of none."""
    plane = f"{numbers['plane'].capitalize()} slices" if numbers["plane"] else "Slices (plane not stated)"
    return plane if numbers["mm_per_pixel"] is None else f"{plane}, {numbers['mm_per_pixel']:.3g} mm per pixel"


def made_by(numbers: Numbers) -> str:
    if is_model(numbers):
        return f"Generator: {numbers['weights']} EMA weights, {numbers['nimg']:,} images seen in training."
    return "A folder of slices: what made them was not seen, so there is no model card."


def metadata(numbers: Numbers) -> dict[str, Any]:
    """The block on top of a card, by the names of Hugging Face's model and data set cards."""
    about: dict[str, Any] = {"license": "other", "license_name": "terms-of-the-training-data"}
    title = str(numbers["title"])
    if not is_model(numbers):
        count = sum(numbers[f"generated.{name}"] for name in numbers["class_names"])
        size = next((words for most, words in SIZES if count < most), "n>1M")
        tasks = ["unconditional-image-generation", "image-classification"]
        return about | {"pretty_name": title, "task_categories": tasks, "size_categories": [size], "tags": TAGS}
    keys = {"KID": "kid", "coverage": "coverage", "recall": "recall"}
    metrics = [
        {"type": key, "name": f"{words} {name} ({numbers['extractor.name']})", "value": round(numbers[made], 6)}
        for words, key in keys.items()
        for name in numbers["class_names"]
        if (made := f"{key}.{name}") in numbers
    ]
    of_data = {"name": str(numbers["data"]), "type": "image-folder", "split": numbers["held_out.split"] or "none"}
    result = {"task": {"type": "unconditional-image-generation"}, "dataset": of_data, "metrics": metrics}
    about |= {"library_name": "progan-style", "pipeline_tag": "unconditional-image-generation"}
    conditional = ["class-conditional"] if len(numbers["class_names"]) > 1 else []
    about |= {"tags": [*TAGS, "gan", numbers["network"], *conditional]}
    return about | ({"model-index": [{"name": title, "results": [result]}]} if metrics else {})
