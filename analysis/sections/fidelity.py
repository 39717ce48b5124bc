"""Do generated slices show the class they were asked for, and can a classifier learn from them alone (TSTR)?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from analysis import classification, plots, style
from analysis.classification import auc_interval
from analysis.context import Context, NotHereError
from analysis.numbers import FEW_OF_CLASS, Number, Numbers
from analysis.plots import ReportFigure
from analysis.slices import SliceTable

QUESTION = "Does a slice show the class that it was asked for, and can a classifier learn from generated slices alone?"
Answers = tuple[NDArray[np.float32], NDArray[np.float32]]  # class probabilities of held-out and of generated slices


def as_classifier_numbers(key: str, who: str, words: dict[str, str]) -> tuple[Number, ...]:
    """What as_classifier makes. who: whose answers they are. words: of key.auc, .accuracy and .calibration, or none."""
    return (
        Number(
            f"{key}.auc",
            words.get("auc", ""),
            f"AUC of {who}'s answers on generated slices, against the class they were asked for",
            beside=(
                f"95 % {{{key}.low}} to {{{key}.high}}",
                f"held-out real people {{{key}.real}}",
                f"their 95 % {{{key}.real.low}} to {{{key}.real.high}}",
                f"shuffled labels {{{key}.shuffled}}",
            ),
            within=(f"{key}.real.low", f"{key}.real.high"),
        ),
        Number(f"{key}.low", meaning="the lower end of the 95 % interval of this AUC", unless=FEW_OF_CLASS),
        Number(f"{key}.high", meaning="its upper end", unless=FEW_OF_CLASS),
        Number(
            f"{key}.accuracy",
            words.get("accuracy", ""),
            "share of generated slices that it gives their class",
            beside=(f"held-out real people {{{key}.real.accuracy}}",),
        ),
        Number(
            f"{key}.calibration",
            words.get("calibration", ""),
            "expected calibration error on generated slices",
            beside=(f"held-out real people {{{key}.real.calibration}}",),
        ),
        Number(
            f"{key}.real",
            meaning="the same AUC, interval, accuracy and calibration error on held-out real people",
            also={".low": FEW_OF_CLASS, ".high": FEW_OF_CLASS, ".accuracy": "", ".calibration": ""},
        ),
        Number(
            f"{key}.shuffled",
            meaning="AUC with people's labels shuffled: the mean, and what the luckiest 2.5 % reach",
            also={".high": ""},
        ),
    )


NUMBERS = (
    *as_classifier_numbers(
        "fidelity",
        "the reference classifier",
        {"auc": "label fidelity, AUC", "accuracy": "  its accuracy", "calibration": "  calibration error"},
    ),
    Number(
        "fidelity.more_typical_than_real",
        meaning="whether fidelity.auc is above that of real people: clearer cases than people are, and no success",
    ),
    Number(
        "tstr.auc",
        "TSTR, AUC",
        "a classifier that was trained on generated slices only, tested on held-out reals",
        beside=("95 % {tstr.low} to {tstr.high}", "trained on reals {trtr.auc}", "shuffled labels {tstr.shuffled}"),
    ),
    Number("tstr.low", meaning="the interval of this AUC over held-out people", unless=FEW_OF_CLASS),
    Number("tstr.high", meaning="its upper end", unless=FEW_OF_CLASS),
    Number("tstr.accuracy", meaning="its accuracy on held-out reals"),
    Number(
        "tstr.shuffled",
        meaning="its AUC with people's labels shuffled: the mean, and what the luckiest 2.5 % reach",
        also={".high": ""},
    ),
    Number("tstr.slices", meaning="generated slices that it was trained on"),
    Number("trtr.auc", meaning="trained on real slices instead, which is fidelity.real: what TSTR is read beside"),
    Number("trtr.slices", meaning="real slices that this one was trained on"),
)


def measure(context: Context) -> tuple[Numbers, Answers]:
    context.need_held_out()
    if len(context.class_names) < 2:
        raise NotHereError("one class: there is nothing to tell apart")
    held_out, fakes, judge, seed = context.held_out, context.fakes, context.judge, context.options.seed
    real, made = judge.probabilities(held_out.images), judge.probabilities(fakes.images)
    numbers = as_classifier("fidelity", (held_out, fakes), (real, made), seed)
    # Clearer cases than real persons are: the generator draws types, not the group.
    numbers["fidelity.more_typical_than_real"] = numbers["fidelity.auc"] > numbers["fidelity.real"]
    student = context.trained_on(fakes)
    answers = student.probabilities(held_out.images)
    shuffled, luckiest = classification.shuffled_auc(held_out.labels, answers, held_out.subjects, seed)
    numbers |= classification.ends("tstr", auc_interval(held_out.labels, answers, held_out.subjects, seed))
    numbers |= {
        "tstr.auc": classification.auc(held_out.labels, answers),
        "tstr.accuracy": classification.accuracy(held_out.labels, answers),
        "tstr.shuffled": shuffled,
        "tstr.shuffled.high": luckiest,
        "tstr.slices": len(fakes),
        "trtr.auc": numbers["fidelity.real"],
        "trtr.slices": len(context.train),
    }
    return numbers, (real, made)


def as_classifier(key: str, slices: tuple[SliceTable, SliceTable], answers: Answers, seed: int) -> Numbers:
    """A classifier's answers on held-out real and on generated slices, with intervals and with shuffled labels."""
    (held_out, fakes), (real, made) = slices, answers
    shuffled, luckiest = classification.shuffled_auc(fakes.labels, made, fakes.subjects, seed)
    numbers: Numbers = {f"{key}.shuffled": shuffled, f"{key}.shuffled.high": luckiest}
    for start, auc, some, given in ((f"{key}.real", f"{key}.real", held_out, real), (key, f"{key}.auc", fakes, made)):
        numbers |= classification.ends(start, auc_interval(some.labels, given, some.subjects, seed))
        numbers |= {
            auc: classification.auc(some.labels, given),
            f"{start}.accuracy": classification.accuracy(some.labels, given),
            f"{start}.calibration": classification.calibration_error(some.labels, given),
        }
    return numbers


def in_words(numbers: Numbers) -> str:
    """What label fidelity means beside real people's."""
    if not numbers["fidelity.more_typical_than_real"]:
        return "Label fidelity is not above that of held-out real people."
    sides = {"fidelity.low": "generated slices", "fidelity.real.high": "held-out people"}
    if few := " and ".join(who for key, who in sides.items() if key not in numbers):
        return (
            f"Label fidelity is above that of held-out real people. {few.capitalize()} are too few to say by how much."
        )
    if numbers["fidelity.low"] > numbers["fidelity.real.high"]:
        return (
            "Label fidelity is above that of held-out real people, which is no success. Generated slices are more "
            "typical than real people, or likenesses of training persons."
        )
    return (
        "Label fidelity is above that of held-out real people (more typical than real people). Their intervals over "
        "people overlap."
    )


def answer(numbers: Numbers) -> str:
    return in_words(numbers)


def show(context: Context, numbers: Numbers, findings: Answers) -> list[ReportFigure]:
    held_out, fakes, (real, made) = context.held_out, context.fakes, findings
    figure = plots.new_figure(11, 4.4)
    last = context.class_names[-1]
    groups = [
        (f"{name} {which}", answers[slices.labels == label, -1], style.look(which == "real", label))
        for label, name in enumerate(context.class_names)
        for which, slices, answers in (("real", held_out, real), ("generated", fakes, made))
    ]
    title = "the reference classifier's answers"
    over = ""
    if "fidelity.real.low" in numbers:
        over = f" ({numbers['fidelity.real.low']:.3f} to {numbers['fidelity.real.high']:.3f} over people)"
    plots.histograms(figure.add_subplot(1, 2, 1), groups, title, f"probability of {last}, as it answers")
    sets = [
        (which, answers.max(axis=1), answers.argmax(axis=1) == slices.labels, style.look(which != "generated"))
        for which, slices, answers in (("held-out reals", held_out, real), ("generated", fakes, made))
    ]
    plots.reliability(figure.add_subplot(1, 2, 2), sets, "is a confident classifier right?")
    return [
        ReportFigure(
            "fidelity",
            figure,
            "Does a slice show the class it was asked for?",
            f"{in_words(numbers)} The reference classifier was trained on real training slices only, at this size. "
            f"Generated slices are right in {numbers['fidelity.accuracy']:.0%}, with an AUC of "
            f"{numbers['fidelity.auc']:.3f}. A classifier trained on generated slices alone reaches "
            f"{numbers['tstr.auc']:.3f} on held-out reals (TSTR).",
            f"held-out real people, AUC {numbers['fidelity.real']:.3f}{over}, and shuffled "
            f"labels, AUC {numbers['fidelity.shuffled']:.3f}",
            private=False,
            alt=f"Left, outlines of histograms of the probability of {last}, of real and of generated slices of each "
            "class. Right, how often an answer of a given confidence is right.",
            shown=f"{len(held_out)} real and {len(fakes)} generated slices.",
        )
    ]
