"""Conditions beside the class: do slices show the age and sex they were asked for; and the disease at equal age."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis import conditional_figures, equal_age, two_classes
from analysis.atrophy import rank_correlation
from analysis.conditional import Told, asked_for, effects, of_category, of_number, shared_places, told_of, train_reader
from analysis.context import Context, NotHereError
from analysis.equal_age import Made, Real
from analysis.numbers import FEW_OF_CLASS, UNKNOWN, Number, Numbers
from analysis.plots import ReportFigure
from analysis.ruler import ventricle_ratio

QUESTION = "Does a slice show what it was asked for beside its class, and is the disease right at equal age?"
OF_NETWORKS = True
PRINTED = 10.0  # years of one step of a number that is an age; of others one standard deviation

NO_NUMBER = "where no condition is a number"
NO_CATEGORY = "where no condition is a category, or generated and held-out slices share fewer than two of its names"
BOTH = "without held-out people of both classes"
NO_AGE = (
    "where age is no condition of the generator over ten years that training slices of both classes tell, or the "
    "ventricles cannot be measured"
)
NO_TRUTH = (
    f"where age is no condition over ten years, the slices are no phantoms with people, whose truth is known, or {BOTH}"
)
NO_RULER = "where the ventricles cannot be measured"
NO_REAL = f"{NO_RULER}, or {BOTH} whose ages are known"
NO_SIZES = "without phantoms with people, whose truth is known"
ONE_CLASS = f"with one class, {BOTH}, or without conditions that the held-out slices know"
NO_ENDS = f"{UNKNOWN}, {FEW_OF_CLASS}, or where a half of them lacks the number"


def _read(key: str, words: str, meaning: str, why: str, few: str) -> Number:
    """A number of what the reference model reads, with its ceiling, intervals and control."""
    no_interval = f"{UNKNOWN}, or {few}"
    ends = dict.fromkeys((".low", ".high", ".real.low", ".real.high"), no_interval)
    return Number(
        key,
        words,
        meaning,
        beside=(
            "95 % {.low} to {.high}",
            "held-out real people {.real}",
            "their 95 % {.real.low} to {.real.high}",
            "shuffled values {.shuffled}",
        ),
        also=ends | {".shuffled": why, ".real": why},
        unless=why,
        within=(f"{key}.real.low", f"{key}.real.high"),
    )


def _share(key: str, words: str, meaning: str, why: str) -> Number:
    also = dict.fromkeys((".low", ".high"), NO_ENDS)
    return Number(key, words, meaning, beside=("95 % {.low} to {.high}",), also=also, unless=why)


NUMBERS = (
    _read(
        "conditions.<NUMBER>.rank",
        "<NUMBER>, read from slices",
        "rank correlation of what a reference model reads from generated slices with what they were asked for. The "
        "model was trained on real training slices. `.real`: of held-out people with their own values",
        NO_NUMBER,
        "with fewer than 6 people",
    ),
    Number(
        "conditions.<NUMBER>.error",
        "mean error of <NUMBER>",
        "mean absolute difference of what is read and what was asked for, in the number's unit",
        beside=("held-out real people {.real}", "shuffled values {.shuffled}"),
        also={".real": NO_NUMBER, ".shuffled": NO_NUMBER},
        unless=NO_NUMBER,
    ),
    _read(
        "conditions.<CATEGORY>.auc",
        "<CATEGORY>, read from slices, AUC",
        "AUC of the reference model's answers on generated slices, against what they were asked for, among the names "
        "that held-out people have too",
        NO_CATEGORY,
        "with fewer than 6 people of a name",
    ),
    Number(
        "conditions.<CONDITION>.on_class",
        "<CONDITION>, asked for, on the class",
        "what one step more adds to the probability of the diseased class, all else asked for held equal. A step is "
        "ten years, one standard deviation of another number, or the second category for the first",
        beside=("held-out real people {.real}",),
        also={".real": ONE_CLASS},
        unless=ONE_CLASS,
    ),
    Number(
        "conditions.<CONDITION>.of_class",
        "the class, asked for, on <CONDITION>",
        "what asking for the diseased class adds to what is read, all else asked for held equal: in the number's unit, "
        "or in the probability of the second category",
        beside=("held-out real people {.real}",),
        also={".real": ONE_CLASS},
        unless=ONE_CLASS,
    ),
    Number("equal_age.younger", meaning="the first of the two ages that are compared, years", unless=NO_AGE),
    Number("equal_age.older", meaning="the second", unless=NO_AGE),
    Number("equal_age.ruler", meaning="rank correlation of the ruler with the truth of phantoms", unless=NO_SIZES),
    Number("equal_age.calibration", meaning="the ruler's change per true change, on held-out slices", unless=NO_SIZES),
    _share(
        "equal_age.disease.of_true",
        "disease at equal age",
        "difference of the classes' ventricle ratios in slices asked for both ages and both sexes alike, over the true "
        "difference of held-out phantoms at these ages. 1 is right",
        NO_TRUTH,
    ),
    _share(
        "equal_age.disease.of_real",
        "disease at equal age, over real slices'",
        "the same over that of held-out slices by least squares on class, age and the other conditions",
        f"{NO_AGE}, or {BOTH}",
    ),
    _share(
        "equal_age.ten_years.of_true",
        "ten years of age",
        "what ten years more open in generated slices, over what they truly open. 1 is right",
        NO_TRUTH,
    ),
    _share(
        "equal_age.ten_years.of_real",
        "ten years of age, over real slices'",
        "the same over that of held-out slices by least squares",
        f"{NO_AGE}, or {BOTH}",
    ),
    _share(
        "equal_age.raw.of_true",
        "raw difference of the groups",
        "difference of the classes in slices of which the class alone is asked, over the true disease at equal age. "
        "Above 1 age is taken for disease, as in the groups themselves",
        f"{NO_SIZES}, or {BOTH}",
    ),
    _share(
        "equal_age.raw.of_real",
        "raw difference, over real slices' at equal age",
        "the same over the disease at equal age of held-out slices by least squares",
        NO_REAL,
    ),
    *(
        Number(
            f"equal_age.{cause}.{whose}",
            meaning=f"{what}, {where}, as difference of the ventricle ratio by the ruler",
            unless=why,
        )
        for cause, what, reasons in (
            ("disease", "the disease at equal age", (NO_AGE, NO_REAL, f"{NO_SIZES}, or {BOTH}")),
            ("ten_years", "ten years of age", (NO_AGE, NO_REAL, f"{NO_SIZES}, or {BOTH}")),
            ("raw", "the difference of the groups", (NO_RULER, f"{NO_RULER}, or {BOTH}")),
        )
        for whose, where, why in zip(
            ("generated", "real", "true"),
            ("generated", "of held-out slices", "true"),
            reasons,
            strict=False,
        )
    ),
)


@dataclass
class Findings:
    """What the pictures need besides the numbers."""

    read: list[tuple[Told, dict[str, tuple[NDArray[Any], NDArray[Any]]]]] = field(default_factory=list)
    cells: dict[tuple[int, int], NDArray[np.uint8]] = field(default_factory=dict)
    real: Real | None = None
    ages: tuple[float, float] | None = None


def measure(context: Context) -> tuple[Numbers, Findings]:
    context.need_held_out()
    G, data = context.generator, context.data
    if G is None or data is None:
        raise NotHereError("conditions need a generator: two folders have none")
    known_ages = equal_age.true_ratios(data.unseen[1])
    if not G.described.all and known_ages is None:
        raise NotHereError("the generator was trained without conditions; see data.conditions")
    findings, numbers = Findings(), Numbers()
    told = told_of(G.described, data.train.columns)
    own = {one.column: one.values(data.unseen[1].columns.get(one.column, ())) for one in told}
    told = [one for one in told if len(np.unique(own[one.column][np.isfinite(own[one.column])])) > 1]
    if told:
        numbers |= _read_from_slices(context, told, own, findings)
    elif G.described.all:
        context.note("conditions: the held-out slices know none of them, so there is nothing to compare with")
    if len(context.class_names) > 1:
        numbers |= _at_equal_age(context, findings)
    if not numbers:
        raise NotHereError("neither conditions nor the disease at equal age can be measured here")
    return numbers, findings


def _read_from_slices(
    context: Context, told: list[Told], own: dict[str, NDArray[np.float64]], findings: Findings
) -> Numbers:
    """What the reference model reads of generated and of held-out slices, and the cross effects."""
    G, data, fakes, held_out = context.generator, context.data, context.fakes, context.held_out
    assert G is not None and data is not None
    o = context.options
    o.log("the reference model of the conditions is trained on the real training slices")
    of_train = {one.column: one.values(data.train.columns[one.column]) for one in told}
    reader = context.shared(
        "reference_model",
        lambda: train_reader(context.train.images, of_train, told, seed=o.seed, device=o.device, progress=o.progress),
    )
    words = asked_for(G, fakes.labels, fakes.seeds)
    asked = {one.column: one.values(words[one.column]) for one in told}
    read = (reader.read(fakes.images), reader.read(held_out.images))
    groups = (fakes.seeds.astype(str), held_out.subjects)
    numbers: Numbers = {}
    for one in told:
        name = one.column
        of_both = ((asked[name], read[0][name]), (own[name], read[1][name]))
        if one.names:
            numbers |= of_category(f"conditions.{name}.auc", of_both, groups, o.seed)
            if alone := [one.names[place] for place in range(len(one.names)) if place not in shared_places(of_both)]:
                context.note(f"conditions: of {name} generated and held-out slices do not both have {', '.join(alone)}")
        else:
            numbers |= of_number(f"conditions.{name}", of_both, groups, o.seed)
            findings.read.append((one, {"generated": of_both[0], "real": of_both[1]}))
    if len(context.class_names) > 1:
        sides = ((asked, read[0], fakes), (own, read[1], held_out))
        made, real = (_cross(context, told, *side) for side in sides)
        for key in made.keys() & real.keys():
            numbers |= {key: made[key], f"{key}.real": real[key]}
    return numbers


def _cross(context: Context, told: list[Told], values: Any, read: Any, slices: Any) -> dict[str, float]:
    """What each condition adds to the class that is seen, and the class to each condition, all else held equal."""
    two = two_classes.two_classes(context)
    likely = context.judge.probabilities(slices.images)[:, two.high]
    is_high = np.select([slices.labels == two.high, slices.labels == two.low], [1.0, 0.0], np.nan)
    of = {one.column: values[one.column] for one in told if len(one.names) < 3}
    found: dict[str, float] = {}
    added = effects(likely, {"": is_high, **of})
    for one in (one for one in told if one.column in of):
        step = 1.0 if one.names else PRINTED if one.unit == "years" else one.sd
        back = read[one.column][:, 1] if one.names else read[one.column]
        by_class = effects(back, {"": is_high, **of})
        if one.column in added and "" in by_class:
            found[f"conditions.{one.column}.on_class"] = step * added[one.column]
            found[f"conditions.{one.column}.of_class"] = by_class[""]
    return found


def _at_equal_age(context: Context, findings: Findings) -> Numbers:
    """Ventricles of generated, of held-out and of true slices; nothing, with a note, where there is no ruler."""
    G, data, held_out, two = context.generator, context.data, context.held_out, two_classes.two_classes(context)
    assert G is not None and data is not None
    unseen, of_truth = data.unseen[1], equal_age.true_ratios(data.unseen[1])
    if why := _no_ruler(context, of_truth is not None):
        context.note(f"conditions: the disease at equal age is left out: {why}")
        return {}
    if of_truth is None:
        context.note("conditions: nobody knows the truth of these slices, and the ruler is validated on phantoms alone")
    age = Told("age").values(unseen.columns.get("age", [""] * len(unseen)))
    real = Real(
        sizes=ventricle_ratio(held_out.images),
        is_high=np.select([held_out.labels == two.high, held_out.labels == two.low], [1.0, 0.0], np.nan),
        age=age,
        others=equal_age.others_of(told_of(G.described, data.train.columns), unseen.columns),
        at=of_truth[1] if of_truth else None,
        truth=two_classes.truth(context),
    )
    of_age = next((one for one in G.described.others if one.column == "age" and one.kind == "number"), None)
    fakes, classes = context.fakes, (two.low, two.high)
    made = Made(np.stack([ventricle_ratio(fakes.images[fakes.labels == label]) for label in classes]))
    numbers: Numbers = {}
    if of_age is not None and (ages := _two_ages(context, of_age, of_truth[0] if of_truth else None)):
        cells = equal_age.cells_of(G, classes, ages, made.raw.shape[1])
        sizes = np.array([[ventricle_ratio(cells[i, j]) for j in (0, 1)] for i in (0, 1)])
        made = Made(made.raw, sizes)
        findings.cells, findings.ages = cells, ages
        numbers |= {"equal_age.younger": ages[0], "equal_age.older": ages[1]}
    findings.real = real
    if real.truth is not None:
        numbers["equal_age.ruler"] = rank_correlation(real.sizes, real.truth)
    found = equal_age.with_intervals(made, real, held_out.subjects, context.options.seed)
    return numbers | {f"equal_age.{name}": value for name, value in found.items()}


def _two_ages(context: Context, of_age: Any, of_truth: tuple[float, float] | None) -> tuple[float, float] | None:
    """The ages that are compared; None, with a note, where there are none or the generator cannot be asked for both."""
    assert context.data is not None
    train, two = context.data.train, two_classes.two_classes(context)
    of_train = Told("age").values(train.columns["age"])
    ages = of_truth or equal_age.ages_to_compare(of_age, of_train, train.labels, two.low, two.high)
    if ages is None:
        context.note("conditions: no ages are compared: no training slice of a class tells an age")
    elif not equal_age.can_be_asked(ages, of_age):
        context.note(
            f"conditions: no ages are compared: {ages[0]:g} and {ages[1]:g} years; expected ten years within the "
            f"training slices' {of_age.ends[0]:g} to {of_age.ends[1]:g}"
        )
        ages = None
    return ages


def _no_ruler(context: Context, has_truth: bool) -> str:
    """Why the ventricles cannot be measured; "" where they can."""
    if context.resolution < two_classes.SMALLEST_RULED:
        return f"they are too small to measure at {context.resolution}x{context.resolution}"
    if not has_truth and context.geometry.plane != "axial":
        return f"the ruler is for axial slices, and the plane of these is {context.geometry.plane or 'not stated'}"
    return ""


def answer(numbers: Numbers) -> str:
    said = []
    for key in (key for key in numbers if key.startswith("conditions.") and key.endswith((".rank", ".auc"))):
        name = key.split(".")[1]
        said.append(f"{name} is read with {numbers[key]:.2f} (held-out real people {numbers[f'{key}.real']:.2f}).")
    causes = {
        "disease": "The disease at equal age opens",
        "ten_years": "Ten years of age open",
        "raw": "The groups differ without regard to age by",
    }
    for cause, words in causes.items():
        for whose, of in (("true", "the truth"), ("real", "held-out slices")):
            if (share := numbers.get(f"equal_age.{cause}.of_{whose}")) is not None:
                at = ", of the disease at equal age," if cause == "raw" else ""
                said.append(f"{words} {share:.2f} of what {of} show{'s' if whose == 'true' else ''}{at or ''}.")
                break
    return " ".join(said)


def show(context: Context, numbers: Numbers, findings: Findings) -> list[ReportFigure]:
    made = []
    if findings.read:
        made.append(conditional_figures.asked_and_read(numbers, findings.read, context.held_out.subjects))
    if findings.real is not None:
        made.append(conditional_figures.shares(context, numbers))
    if findings.cells and findings.real is not None and findings.ages is not None:
        if "equal_age.raw.real" in numbers:
            made.append(conditional_figures.maps(context, numbers, findings.cells, findings.real, findings.ages))
        made.append(conditional_figures.one_brain(context))
    return made
