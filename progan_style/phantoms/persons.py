"""Persons who never lived: severity, anatomy and scanner, drawn from a seed."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from progan_style.phantoms.space import rotation

CLASSES = ("CN", "AD")
SPLITS = ("train", "validate", "test")
SEVERITY_SD = 0.18
ACCURACY = {"apart": 0.995, "clear": 0.92, "real": 0.80}  # best possible accuracy from the known severity


@dataclass(frozen=True)
class Pattern:
    """Where atrophy sits. The step from behind to the front lies at drawing.FRONT_MM and is 2 * FRONT_WIDTH_MM wide."""

    behind: float  # factor of how far the ventricles' wall moves
    front: float
    sulci: float  # share of the cortical grey matter of the front that is lost more, per unit of severity


PATTERNS = {"ventricular": Pattern(1.0, 1.0, 0.0), "frontal": Pattern(0.15, 1.5, 0.35)}

# Persons with an age and a sex. A healthy brain of MIDDLE_AGE has ventricles OPEN_MM wider than the template's. Each
# year moves their wall by VENTRICLES_MM_PER_YEAR and thins the cortex by CORTEX_MM_PER_YEAR. Of the disease's opening
# DISEASE_SHARE is left: AD patients who are 8 years older then have ventricles as much wider than controls' as without
# ages. Two thirds of that are the disease (2.735 mm * 2 / 3 with the overlap clear), one third is age (8 * 0.114 mm).
YEARS_OLDER = 8.0  # AD patients than controls, unless told
YOUNGER_MEAN, AGE_SD, AGE_REACH = 70.0, 8.0, 2.5  # controls' mean, both groups' spread in years; how many of it at most
MIDDLE_AGE = YOUNGER_MEAN + YEARS_OLDER / 2
AGES_COMPARED = (
    MIDDLE_AGE - 5,
    MIDDLE_AGE + 5,
)  # of which the truth is told: ten years apart, and both groups have them
OPEN_MM, VENTRICLES_MM_PER_YEAR, DISEASE_SHARE = 1.75, 0.114, 2.0 / 3.0
CORTEX_MM, CORTEX_MM_PER_YEAR = 2.5, 0.01
YOUNGEST = YOUNGER_MEAN - AGE_REACH * AGE_SD  # whose sulci have lost nothing to age
OWN_SULCI = 0.6  # of the spread of the sulci's width between persons without ages
HEAD = {"F": 0.975, "M": 1.025}  # length of a head, of the mean of both


@dataclass(frozen=True)
class Person:
    """All that makes one phantom, but for the noise of its slices. Lengths in mm, intensities relative to white."""

    index: int
    label: int  # index into CLASSES
    split: str
    pattern: Pattern
    severity: float
    ventricles_mm: float  # how far the ventricles' wall is pushed outwards
    sulci: float  # share of the cortical grey matter that is lost to sulcal CSF
    affine: NDArray[np.float64]  # [3, 3] picture -> template, about CENTRE
    shift_mm: NDArray[np.float64]  # [3]
    torque_mm: float  # one hemisphere's shift forwards against the other
    bend_mm: float  # sideways bend of the midline, front against back
    ventricle_asymmetry: float  # relative, right against left
    deformation_mm: float  # overall strength
    csf: float
    grey: float
    white_texture: float
    gain: float
    gamma: float
    bias: float
    blur: float
    noise: float
    disease_mm: float = 0.0  # how much of ventricles_mm is the disease's
    age: float | None = None  # years; None: nobody has an age, nor a sex
    sex: str = ""

    @property
    def subject(self) -> str:
        return f"phantom{self.index:05d}"

    @property
    def age_mm(self) -> float:
        """How far age has pushed the ventricles' wall outwards, everywhere alike."""
        return 0.0 if self.age is None else OPEN_MM + VENTRICLES_MM_PER_YEAR * (self.age - MIDDLE_AGE)

    @property
    def age_sulci(self) -> float:
        """Share of the cortical grey matter that age has taken."""
        return 0.0 if self.age is None else CORTEX_MM_PER_YEAR / CORTEX_MM * max(self.age - YOUNGEST, 0.0)


def draw_severity(label: int, overlap: str, rng: np.random.Generator) -> float:
    """Severity of a person of class `label`: two normals about 0.5 of equal width, d' apart.

    With the threshold at 0.5 the accuracy is Phi(d' / 2), the best that anything which sees severity alone can do.
    """
    return 0.5 + SEVERITY_SD * float((label - 0.5) * means_apart(overlap) + rng.standard_normal())


def means_apart(overlap: str) -> float:
    """d' = 2 Phi^-1(accuracy), the distance of the two groups' means in standard deviations."""
    if overlap not in ACCURACY:
        raise ValueError(f"overlap is {overlap!r}; expected one of {', '.join(ACCURACY)}")
    from scipy.special import ndtri

    return 2.0 * float(ndtri(ACCURACY[overlap]))


def draw_age_and_sex(label: int, years_older: float, rng: np.random.Generator) -> tuple[float, str]:
    """Years, to a tenth, and F or M. Within a class neither has to do with severity or anatomy."""
    sex = "FM"[int(rng.integers(2))]
    spread = float(np.clip(rng.standard_normal(), -AGE_REACH, AGE_REACH))
    return round(YOUNGER_MEAN + label * years_older + AGE_SD * spread, 1), sex


def draw_person(
    index: int,
    split: str,
    seed: int,
    overlap: str,
    pattern: str = "ventricular",
    years_older: float | None = None,
) -> Person:
    """Person `index` of the data set of this seed; the anatomy does not depend on the class, nor on who else is there.

    years_older: how many years AD patients are older than controls; None: nobody has an age or a sex. All else is
    drawn alike, so that a person has the same anatomy with and without.

    Contrast, gain, size and the sulci's width vary more between persons than between classes: a histogram alone must
    not give the class away.
    """
    if pattern not in PATTERNS:
        raise ValueError(f"pattern is {pattern!r}; expected one of {', '.join(PATTERNS)}")
    rng = np.random.default_rng([seed, index])
    label = index % 2
    severity = draw_severity(label, overlap, rng)
    age, sex = None, ""
    if years_older is not None:
        age, sex = draw_age_and_sex(label, years_older, np.random.default_rng([seed, index, 3]))
    # Softplus: monotone, never far below zero, straight where atrophy is.
    disease = math.log1p(math.exp(6.0 * (severity - 0.02))) * (1.0 if age is None else DISEASE_SHARE)
    opened = -0.8 + disease + 0.4 * rng.standard_normal()
    tilt = np.radians(rng.normal(0.0, (2.5, 2.0, 3.0)))
    size = rng.normal(1.0, 0.035) * (1.0 + rng.normal(0.0, 0.025, 3))
    return Person(
        index=index,
        label=label,
        split=split,
        pattern=PATTERNS[pattern],
        severity=severity,
        ventricles_mm=opened,
        sulci=max(0.0, 0.04 * severity + rng.uniform(0.0, 0.52) * (1.0 if age is None else OWN_SULCI)),
        affine=rotation(tilt) * np.clip(size / HEAD.get(sex, 1.0), 0.88, 1.12),  # a larger head samples more finely
        shift_mm=rng.normal(0.0, (1.5, 1.5, 1.0)),
        torque_mm=rng.normal(1.0, 1.5),
        bend_mm=rng.normal(0.0, 1.5),
        ventricle_asymmetry=rng.normal(0.0, 0.15),
        deformation_mm=rng.uniform(0.8, 1.2),
        csf=rng.uniform(0.10, 0.36),
        grey=rng.uniform(0.58, 0.74),
        white_texture=rng.uniform(0.01, 0.04),
        gain=rng.uniform(140.0, 230.0),
        gamma=math.exp(rng.normal(0.0, 0.12)),
        bias=rng.uniform(0.03, 0.10),
        blur=rng.uniform(0.3, 0.8),
        noise=rng.uniform(0.015, 0.04),
        disease_mm=disease,
        age=age,
        sex=sex,
    )


def draw_persons(
    persons: int, seed: int, overlap: str, pattern: str = "ventricular", years_older: float | None = None
) -> list[Person]:
    """Everyone, half of each class, split 80/10/10 by person within each class."""
    rng = np.random.default_rng([seed])
    split = [""] * persons
    for label in range(len(CLASSES)):
        mine = rng.permutation(np.arange(label, persons, len(CLASSES)))
        held_out = max(1, round(0.1 * len(mine))) if len(mine) >= 3 else 0
        for rank, index in enumerate(mine):
            split[index] = "test" if rank < held_out else "validate" if rank < 2 * held_out else "train"
    return [draw_person(index, split[index], seed, overlap, pattern, years_older) for index in range(persons)]
