"""Numbers -> the model card: what the generator is, what it was measured on, what it is not for."""

from __future__ import annotations

import html

from analysis.numbers import Numbers
from analysis.summary import shown_lines
from analysis.verdict import verdict


def model_card(numbers: Numbers, with_numbers: bool = True) -> str:
    """Markdown: what the generator is, what it was measured on, what it is not for."""
    classes, size = ", ".join(numbers["class_names"]), numbers["resolution"]
    trained = f"{numbers['train.slices']} slices"
    if numbers["train.persons"] is not None:
        trained += f" of {numbers['train.persons']} {numbers['persons.are']}"
    seen = f", {numbers['nimg']:,} images seen in training" if "nimg" in numbers else ""
    measured = [f"- {line.words.strip()}: {', '.join((line.value, *line.beside))}" for line in shown_lines(numbers)]
    return "\n".join(
        [
            f"# Model card: {numbers['title']}",
            "",
            f"Axial brain MR slices, {size}x{size} pixels, 8 bit, classes {classes}{seen}.",
            "",
            "## Data",
            "",
            f"Training part: {trained}. Measured on: {numbers['held_out.split'] or 'no held-out part'}, "
            f"{numbers['held_out.slices']} slices.",
            "",
            "## Verdict",
            "",
            *(f"- {judgement.aspect}: {judgement.grade}. {judgement.because}" for judgement in verdict(numbers)),
            "",
            *(
                ["## Numbers (EMA weights, psi 1, after the 8-bit round trip)", "", *measured, ""]
                if with_numbers
                else []
            ),
            "## Use and limits",
            "",
            "- It is for research on methods. It is not for diagnosis, no evidence about a disease, and not about any "
            "one person.",
            "- Weights and slices derive from the training data and fall under its terms of use. A generator trained "
            "on few people may repeat them. Read copies.share beside copies.false_alarms before anything leaves the "
            "lab.",
            "- Numbers of different extractors, sizes or sample counts are not comparable.",
            "- Labels are what was asked for. fidelity.auc above fidelity.real means slices that are more typical than "
            "real people, or likenesses of training persons.",
            "- Only what the training data hold can be generated: their scanners, ages and selection, and no other.",
            "",
        ]
    )


def card_html(card: str) -> str:
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
