"""The recipes that the study compares: arms, and the questions that they answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

KIMG = {  # what is scaled: fade and hold of configs/cpu.yaml
    32: {"fade_kimg": {8: 0, 16: 20, 32: 20}, "hold_kimg": {8: 30, 16: 40, 32: 60}},
    64: {"fade_kimg": {8: 0, 16: 20, 32: 20, 64: 20}, "hold_kimg": {8: 30, 16: 40, 32: 60, 64: 80}},
}


@dataclass(frozen=True)
class Arm:
    """A recipe: an overlay and settings on top of it. few: trained on 400 slices. grows: through all sizes, or not.

    pace: what its speed is known by. Arms that differ in gamma or seed alone share it, and so are of one length; none:
    the overlay's own lengths. weights: the generator that is measured, at the end (last) or of the lowest KID on the
    validate part (best). run_of: the arm whose run it is, where it has none of its own.
    """

    name: str
    settings: tuple[str, ...]
    pace: str
    size: int = 32
    config: str = "cpu"
    few: bool = False
    grows: bool = True
    weights: str = "last"
    run_of: str = ""


@dataclass(frozen=True)
class Question:
    """Arms to choose from; the first is the simplest, and stays unless another is better by more than chance."""

    title: str
    arms: tuple[Arm, ...]
    seeds: tuple[int, ...] = (0, 1)


def gammas(size: int, value: float) -> tuple[str, ...]:
    """At 64x64 half of it, as in configs/cpu.yaml."""
    return tuple(f"schedule.r1_gamma.{r}={value if r < 64 else value / 2:g}" for r in (8, 16, 32, 64) if r <= size)


LOSSES = {  # the gamma in the middle of each pilot, and what else the loss is run with in its paper
    "logistic": (1.0, ()),
    "relativistic": (1.0, ()),
    "wgan-gp": (10.0, ("loss.penalty_interval=1",)),
}
GAMMA = {"logistic": 1.0, "relativistic": 1.0, "wgan-gp": 10.0}  # what the pilots chose; the middle until then
LOSS = "relativistic"  # what the question of architecture and loss chose
# Groups that a judge tells apart with an AUC above 0.95: elsewhere fidelity has no room to differ.
APART = ("data.phantom.overlap=apart",)
# Other persons with another pattern of atrophy: the same seed would give the same heads.
FRONTAL = ("data.phantom.pattern=frontal", "data.phantom.seed=5")
# A finished arm, for the transfer; where its folder is gone, --arm with its name trains it again.
FROM = "saved_output/study/projection-{loss}-gamma-{gamma:g}-s0/checkpoint.pt"
FROM_64 = "saved_output/study/cpu-gamma-0.5-at-64px-s0/checkpoint.pt"
# The CPU time of configs/cpu.yaml, all of it at 64 px
LAST_ONLY = ("schedule.resolutions=[64]", "schedule.fade_kimg.64=0", "schedule.hold_kimg.64=150")


def recipe(loss: str, gamma: float, *more: str, name: str = "", pace: str = "", size: int = 32, **kind: Any) -> Arm:
    """pace: of the name, what changes the speed."""
    network = () if "config" in kind else ("network.name=stylegan1",)  # as its rows were made
    settings = (*network, f"loss.name={loss}", *LOSSES[loss][1], *gammas(size, gamma), *more)
    last = "" if size == 32 else f"{size}px"
    full, timed = (
        "-".join(part for part in parts if part)
        for parts in ((name, f"{loss}-gamma-{gamma:g}", last), (pace, loss, last))
    )
    return Arm(full, settings, timed, size, **kind)


def best(*more: str, name: str, **kind: Any) -> Arm:
    return recipe(LOSS, GAMMA[LOSS], *more, name=name, **kind)


# R3GAN (Huang et al. 2024) starts at 2 for 64 px and at 150 for 256, for three channels: a third for gray, joined by a
# power law and continued downwards.
R3GAN = {r: round(2 / 3 * 75 ** (math.log2(r / 64) / 2), 6) for r in (8, 16, 32)}
ADAS = {
    8: 0.0002 * 8**2 / 64,
    16: 0.0002 * 16**2 / 64,
    32: 0.0002 * 32**2 / 32,
}  # StyleGAN2-ADA's, at the wider demo's batches
ONE = {8: 1.0, 16: 1.0, 32: 1.0}
# The demo's widths, lengths and batches when its rows and those of equal_quality and unlabelled were made
WIDER_DEMO = (
    "network.channel_base=1024",
    "network.channel_max=64",
    "schedule.fade_kimg={8: 0, 16: 8, 32: 12}",
    "schedule.hold_kimg={8: 12, 16: 14, 32: 60}",
    "schedule.batch_size={8: 64, 16: 64, 32: 32}",
)


def table_of(name: str, gamma: dict[int, float], *more: str) -> Arm:
    """The wider demo with a gamma for each resolution."""
    gammas_of = (f"schedule.r1_gamma.{r}={value:g}" for r, value in gamma.items())
    return Arm(f"demo-{name}", (*WIDER_DEMO, *gammas_of, *more), "", config="demo")


def of_cpu(name: str, *settings: str, **kind: Any) -> Arm:
    """configs/cpu.yaml to 64x64 at its own lengths. Its gamma is 1 to 32 px: 4 at 64 px is the same strength there."""
    return Arm(f"cpu-{name}", settings, "", size=64, **kind)


def labels_rise(size: int) -> str:
    """Transitional conditioning over the middle half of an unscaled run: about a seventh to nearly half of an arm."""
    kimg = sum(sum(table.values()) for table in KIMG[size].values())
    return f"schedule.label_kimg=[{0.25 * kimg:g}, {0.75 * kimg:g}]"


OF_400 = (
    of_cpu("frontal-400-at-64px", *FRONTAL, few=True),
    of_cpu("frontal-400-fixed-at-64px", *FRONTAL, "augment.name=fixed", "augment.p=0.2", few=True),
    of_cpu("frontal-400-init-at-64px", *FRONTAL, f"init={FROM_64}", *LAST_ONLY, few=True, grows=False),
)


def of_lowest_kid(arm: Arm) -> Arm:
    """The same run, measured where its KID on the validate part was lowest."""
    return replace(arm, name=f"{arm.name}-best", weights="best", run_of=arm.name)


QUESTIONS: list[Question] = [
    *(
        Question(f"gamma of {loss}", tuple(recipe(loss, middle * factor) for factor in (1, 0.25, 4)), seeds=(0,))
        for loss, (middle, _) in LOSSES.items()
    ),
    Question(
        "architecture and loss",
        tuple(recipe(loss, GAMMA[loss]) for loss in LOSSES)
        + tuple(
            recipe(loss, GAMMA[loss], name="stylegan2", pace="stylegan2", config="stylegan2", grows=False)
            for loss in LOSSES
        ),
    ),
    Question(
        "conditioning",
        (
            best(*APART, name="projection"),
            best(*APART, "conditioning.name=auxiliary", name="auxiliary", pace="auxiliary"),
            best(*APART, labels_rise(32), name="transitional"),
        ),
    ),
    Question(
        "gamma of each resolution",
        (
            table_of("gamma-1", ONE),
            table_of("gamma-r3gan", R3GAN),
            table_of("gamma-ada", ADAS),
            table_of("gamma-r3gan-interval-4", R3GAN, "loss.penalty_interval=4"),
        ),
    ),
    Question(
        "augmentation, all slices",
        (recipe(LOSS, GAMMA[LOSS]), best("augment.name=ada", name="ada", pace="ada")),
    ),
    Question(
        "augmentation, 400 slices",
        (
            best(name="400", few=True),
            best("augment.name=ada", name="400-ada", pace="ada", few=True),
            best("augment.name=fixed", "augment.p=0.2", name="400-fixed", pace="ada", few=True),
        ),
    ),
    Question(
        "transfer to frontal atrophy, 400 slices",
        (
            best(*FRONTAL, name="frontal-400", few=True),
            best(
                *FRONTAL,
                f"init={FROM.format(loss=LOSS, gamma=GAMMA[LOSS])}",
                name="frontal-400-init",
                pace="fixed",
                few=True,
                grows=False,
            ),
        ),
    ),
    Question(
        "finalists at 64x64",
        tuple(recipe(loss, GAMMA[loss], size=64) for loss in ("logistic", "relativistic")),
        seeds=(0, 1, 2),
    ),
    Question(
        "gamma of 64 px",
        tuple(
            of_cpu(f"gamma-{value:g}-at-64px", f"schedule.r1_gamma.64={value:g}") for value in (0.5, 0.125, 2.0, 4.0)
        ),
    ),
    Question(
        "loss at 64x64",
        (of_cpu("gamma-0.5-at-64px", "schedule.r1_gamma.64=0.5"), of_cpu("logistic-64px", "loss.name=logistic")),
    ),
    Question("400 slices at 64x64", OF_400),
    Question("400 slices at 64x64, lowest KID", tuple(map(of_lowest_kid, OF_400))),
]


def all_arms() -> dict[str, Arm]:
    return {arm.name: arm for question in QUESTIONS for arm in question.arms}
