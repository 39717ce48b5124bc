"""Whole steps of training beside reference/, which is written from the papers and shares no code: in float64.

Every configuration that changes a step is here. The terms of both losses, the gradients of both networks, all weights
and all running numbers must agree after each step.
"""

import zlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from progan_style import Trainer, load_config, load_data
from progan_style.networks import convolution, fir

# ---------------------------------------------------------------- the product, as this file uses it


def running_numbers(trainer):
    """What moves beside the networks: the mean path length, the probability of the augmentation."""
    numbers = {"path_mean": trainer.state.path_length.mean}
    return numbers | ({"p": trainer.state.augment.p} if trainer.state.augment else {})


def watched(optimizer, network):
    """A list that grows by the gradients, by name, of each step of the optimiser."""
    seen, update = [], optimizer.step

    def step():
        seen.append({name: None if p.grad is None else p.grad.clone() for name, p in network.named_parameters()})
        update()

    optimizer.step = step
    return seen


# ---------------------------------------------------------------- the configurations

BASE = (
    "seed=5",
    "data.classes=[CN, AD]",
    "network.z_dim=6",
    "network.w_dim=10",
    "schedule.fade_kimg={8: 0, 16: 0.064}",
    "schedule.hold_kimg={8: 0.048, 16: 0.128}",
    "schedule.lr_g={8: 0.002, 16: 0.001}",
    "schedule.lr_d={8: 0.003, 16: 0.004}",
    "schedule.r1_gamma={8: 0.7, 16: 1.3}",
    "loss.penalty_interval=4",
    "training.adam_betas=[0.2, 0.95]",
    "training.ema_rampup=0.3",
)
# The architecture, and the images seen before. Batches are of 8 and the penalty comes at steps 0, 4, 8 .. of a stage:
# but for "start", a case takes a step without it and then one with it.
PLACES = {
    "start": ("stylegan1", 0),  # its first step has the penalty
    "8px": ("stylegan1", 24),
    "growth": ("stylegan1", 40),  # then 16 px at alpha 0, where Adam begins anew
    "fade": ("stylegan1", 48 + 24),  # alpha 3/8, then 1/2
    "16px": ("stylegan1", 48 + 88),
    "stylegan2": ("stylegan2", 24),  # at 16 px from the first image on
    "stylegan2-growth": ("stylegan2", 40),
    "stylegan2-fade": ("stylegan2", 48 + 24),
}
LOSSES = ("logistic", "relativistic", "wgan-gp", "hinge")

RANGES = {"translate": 0.2, "subpixel": 0.5, "rotate": 20, "scale": 0.3, "flip": 0.4}
RANGES |= {"brightness": 0.3, "contrast": 0.5, "noise": 0.2}
OPERATIONS = tuple(f"augment.operations.{name}={value}" for name, value in RANGES.items())
FIXED = ("augment.name=fixed", "augment.p=0.6", *OPERATIONS)
ADA = ("augment.name=ada", "augment.half_time_kimg=0.1", *OPERATIONS)
AUXILIARY = ("conditioning.name=auxiliary",)
HEARD = ("conditioning.class_weight=0.3",)
WEIGHTS = (*AUXILIARY, *HEARD, "conditioning.generator_weight=0.7")
RISING = ("schedule.label_kimg=[0.004, 0.1]",)
POSITIONS = ("data.conditions={slice_mm: position}",)
OTHERS = ("data.conditions={age: number, sex: category}",)
PEOPLE = ("data.conditions={sex: category, slice_mm: position, age: number}",)
BALANCED = ("data.sampling=balanced",)
UNLABELLED = ("data.unlabelled=true",)
UNMIXED = ("training.style_mixing=0",)
ONE = ("data.classes=[CN]",)
THREE = ("data.classes=[CN, MCI, AD]",)
PATH = ("loss.path_length=2.0", "loss.path_length_interval=4")

CASES = {}  # id -> place, loss, what else is set, steps


def case(name, place, loss, options=(), steps=2):
    key = "-".join(part for part in (place, loss, name) if part)
    assert key not in CASES, key
    CASES[key] = (place, loss, options, steps)


case("", "start", "logistic")
case("", "growth", "relativistic")
case("", "stylegan2-growth", "logistic")
case("recipe", "start", "relativistic", ("training.adam_betas=[0.0, 0.99]", "training.ema_half_life_kimg=0.002"))
case("no-penalty", "8px", "hinge", ("schedule.r1_gamma.8=0",))
case("two-groups-each-part", "stylegan2", "wgan-gp", ("schedule.batch_size.16=16", "loss.penalty_interval=1"))
for loss in LOSSES:
    for place in ("8px", "fade", "16px", "stylegan2", "stylegan2-fade"):
        case("", place, loss)
    for place in ("fade", "stylegan2"):
        case("fixed", place, loss, FIXED)
# One factor at a time, with two losses for each architecture
for place, a, b in (("fade", "relativistic", "hinge"), ("stylegan2", "logistic", "relativistic")):
    case("unmixed", place, b, UNMIXED)
    case("positions", place, a, POSITIONS)
    case("balanced", place, b, BALANCED)
    case("balanced-positions", place, b, BALANCED + POSITIONS)
    case("heard-rising", place, b, HEARD + RISING)
    case("rising", place, a, RISING)
    case("conditions", place, b, OTHERS)
    case("balanced-people", place, a, BALANCED + PEOPLE)
    case("auxiliary", place, a, AUXILIARY)
    case("auxiliary-weights", place, b, WEIGHTS)
    case("auxiliary-weights-rising", place, a, WEIGHTS + RISING)
    case("one-class", place, a, ONE)
    case("one-class-balanced-positions", place, b, ONE + BALANCED + POSITIONS)
    case("three-classes", place, b, THREE)
    case("three-classes-balanced-auxiliary", place, a, THREE + BALANCED + AUXILIARY)
case("all", "fade", "wgan-gp", THREE + BALANCED + PEOPLE + WEIGHTS + RISING + FIXED)
case("unlabelled", "stylegan2", "relativistic", UNLABELLED)
case("unlabelled-auxiliary", "fade", "hinge", UNLABELLED + WEIGHTS)
case("unlabelled-heard-three-classes", "16px", "logistic", UNLABELLED + HEARD + THREE)
case("unlabelled-balanced-people-rising", "stylegan2", "logistic", UNLABELLED + BALANCED + PEOPLE + RISING)
case("all", "stylegan2", "hinge", THREE + BALANCED + POSITIONS + WEIGHTS + RISING + FIXED + PATH)
case("path", "stylegan2", "relativistic", PATH)  # not due, then due
case("path-each-step", "stylegan2", "logistic", (*PATH, "loss.path_length_interval=1"), steps=3)
case("path-unmixed", "stylegan2", "wgan-gp", PATH + UNMIXED)
case("path-people", "stylegan2", "relativistic", (*PATH, *PEOPLE, *ONE, "loss.path_length_interval=1"))
case("path", "stylegan2-fade", "hinge", (*PATH, "loss.path_length_interval=1"))
# p moves after the fourth step, and the fifth feels it. Of these seeds r_t lies on one side of the target, and what
# might be taken for it on the other (see the end of the comparison).
case("ada", "8px", "logistic", (*ADA, "seed=25"), steps=5)
case("ada", "8px", "hinge", (*ADA, "augment.target=0.7", "seed=36"), steps=5)
case("ada", "8px", "wgan-gp", (*ADA, "augment.target=0.5", "seed=18"), steps=5)
case("ada", "stylegan2", "relativistic", (*ADA, "augment.target=0.5", "seed=4"), steps=5)


ON_A_CARD = {f"{place}-{loss}" for place in ("fade", "stylegan2", "stylegan2-fade") for loss in LOSSES}

# ---------------------------------------------------------------- the comparison


@pytest.fixture(scope="module")
def slices_root(tmp_path_factory):
    """Three classes with unlike numbers of slices, slices of none; heights, some of them equal; ages and sexes, some
    not known. No two slices are alike."""
    root, draw = tmp_path_factory.mktemp("whole") / "slices", np.random.default_rng(1)
    lines = ["path,subject,slice_mm,age,sex"]
    for name, count in (("CN", 13), ("AD", 7), ("MCI", 9), ("unlabelled", 11)):
        folder = root / "train" / name
        folder.mkdir(parents=True)
        for i in range(count):
            coarse = Image.fromarray(draw.integers(0, 256, (8, 8)).astype(np.uint8))
            coarse.resize((16, 16), Image.Resampling.BICUBIC).save(folder / f"{name}{i}.png")
            people = f"{'' if i % 5 == 3 else 60 + 7 * i % 11},{('F', 'M', '')[i % 3]}"
            lines.append(f"train/{name}/{name}{i}.png,{name}{i},{4 * draw.integers(0, 9)},{people}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def in_float64(monkeypatch):
    """The product computes in float64: by default, and where it asks for .float()."""
    torch.set_num_threads(1)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def shake(trainer):
    """Nothing stays at zero, where it would have no effect, and the slow copy is not what it follows."""

    def numbers(name, like):  # of its name: a tensor more or less leaves the others as they are
        return 0.3 * torch.randn(like.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))

    for network in (trainer.state.G, trainer.state.D):
        for name, t in network.state_dict().items():
            if not t.any():
                t.copy_(numbers(name, t))
    kept = trainer.state.G_ema.state_dict()
    for name, t in trainer.state.G.state_dict().items():
        kept[name].copy_(t + numbers(f"{name} kept", t))
    trainer.state.path_length.mean.fill_(0.4)
    if trainer.config.augment.name == "ada":
        trainer.state.augment.p.fill_(0.5)


def copied(network):
    """Its tensors, each in the plain order of memory."""
    return {name: t.clone(memory_format=torch.contiguous_format) for name, t in network.state_dict().items()}


def agree(ours, theirs, where):
    """Every tensor in float64, and within 1e-9 of the largest number in it."""
    assert ours.keys() == theirs.keys(), (where, ours.keys() ^ theirs.keys())
    for name, a in ours.items():
        b = theirs[name]
        if a is None or b is None:
            assert a is b, f"{where} {name}: {a} and {b}"
            continue
        assert a.dtype == b.dtype == torch.float64 and a.shape == b.shape, (where, name, a.dtype, b.dtype)
        apart, size = float((a - b).abs().max()), float(b.abs().max())
        assert apart <= 1e-9 * size + 1e-13, f"{where} {name}: {apart:.2e} apart at a size of {size:.2e}"


@pytest.fixture
def as_on_a_card(monkeypatch):
    """The forms of filters and convolutions that a GPU takes, but for the kernel, which has no float64."""
    monkeypatch.setattr(fir, "on_card", lambda x: True)
    monkeypatch.setattr(convolution, "DEVICES", {"cpu"})


@pytest.mark.parametrize("key", CASES)
def test_a_step_is_what_the_papers_say(reference, in_float64, slices_root, tiny_overlay, key):
    compare(reference, slices_root, tiny_overlay, key)


@pytest.mark.parametrize("key", [key for key in CASES if key in ON_A_CARD or "path" in key])
def test_so_it_is_in_the_forms_of_a_card(reference, in_float64, as_on_a_card, slices_root, tiny_overlay, key):
    compare(reference, slices_root, tiny_overlay, key)


def compare(reference, slices_root, tiny_overlay, key):
    place, loss, options, steps = CASES[key]
    architecture, nimg = PLACES[place]
    chosen = [f"network.name={architecture}", f"loss.name={loss}", f"data.root={slices_root}"]
    chosen += ["schedule.resolutions=[16]"] if place == "stylegan2" else []
    config = load_config(overlay=tiny_overlay, overrides=[*BASE, *chosen, *options])
    data = load_data(config, 16, progress=False).learnt
    trainer = Trainer(config, data, "cpu")
    trainer.state.nimg = nimg
    shake(trainer)
    given_to_D, given_to_G = (
        watched(trainer.state.opt_D, trainer.state.D),
        watched(trainer.state.opt_G, trainer.state.G),
    )

    columns = {"slice_mm": data.columns["slice_mm"].astype(float), "sex": data.columns["sex"]}
    columns["age"] = np.array([float(cell or "nan") for cell in data.columns["age"]])
    asked = config.data.conditions
    heights = columns["slice_mm"] if "slice_mm" in asked else None
    others = {name: columns[name] for name, kind in asked.items() if kind != "position"}
    levels = {r: np.array(data.at(r)) for r in (8, 16)}
    slices = reference.step.Slices(levels, data.labels, len(config.data.classes), heights, others)
    state = reference.step.State(
        nimg=nimg,
        G=copied(trainer.state.G),
        D=copied(trainer.state.D),
        G_ema=copied(trainer.state.G_ema),
        path_mean=running_numbers(trainer)["path_mean"].clone(),
        p={"none": None, "fixed": torch.tensor(0.6), "ada": torch.tensor(0.5)}[config.augment.name],
    )
    all_told = []
    for number in range(steps):
        terms = trainer.step(*trainer.batch())
        told = reference.step.step(config.model_dump(), slices, state)
        where = f"step {number}:"
        agree(terms, told.terms, f"{where} the terms")
        agree(given_to_D[-1], told.gradients_D, f"{where} D's gradient")
        agree(given_to_G[-1], told.gradients_G, f"{where} G's gradient")
        for name in ("D", "G", "G_ema"):
            agree(getattr(trainer.state, name).state_dict(), getattr(state, name), f"{where} {name}")
        numbers = running_numbers(trainer)
        agree(numbers, {name: getattr(state, name) for name in numbers}, f"{where} the running")
        assert trainer.state.nimg == state.nimg and len(given_to_D) == len(given_to_G) == number + 1
        all_told.append(told)
    if config.augment.name == "ada":
        r_t, others = (np.mean([getattr(t, name) for t in all_told[:4]], axis=0) for name in ("r_t", "not_r_t"))
        target = config.augment.arguments["target"] or (0.6 if loss in ("logistic", "hinge") else 0.77)
        assert all((other > target) != (r_t > target) for other in others), (r_t, others)
        assert abs(float(state.p) - 0.5) == pytest.approx(32 / 200)  # 4 batches, of 200 images for 1


# ---------------------------------------------------------------- the reference itself


def test_the_reference_has_splitmix64s_first_numbers(reference):
    """Those of seed 0, as its authors' published code prints them."""
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert reference.chance.outputs(np.zeros(1, np.uint64), 3).tolist() == [published]


def test_the_references_normal_numbers_are_normal(reference):
    x = reference.chance.normal(1, "latent", np.arange(1000), 101).flatten()
    assert abs(float(x.mean())) < 0.02 and abs(float(x.std()) - 1) < 0.02
    assert float((x.abs() < 1.96).double().mean()) == pytest.approx(0.95, abs=0.005)


def test_the_references_adam_by_hand(reference):
    """Two steps at betas 0.5 and 0.8: m 1, 2.5; v 0.8, 3.84; without their start 2, 10/3 and 4, 32/3."""
    moments, network = {}, {"a": torch.tensor([1.0]).double(), "b": torch.tensor([3.0]).double()}
    for gradient, expected in ((2.0, 1 - 0.1 * 2 / 2), (4.0, 0.9 - 0.1 * (10 / 3) / (32 / 3) ** 0.5)):
        given = {"a": torch.tensor([gradient]).double(), "b": None}
        network = reference.step.adam(network, given, moments, 0.1, (0.5, 0.8))
        assert float(network["a"]) == pytest.approx(expected, abs=1e-8) and network["b"] == 3.0


def test_the_references_convolutions_are_convolutions(reference):
    x, weight = torch.randn(2, 3, 8, 8).double(), torch.randn(5, 3, 3, 3).double()
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0]).double()
    blur = (taps[:, None] * taps / 64).expand(3, 1, 4, 4)
    up = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
    expected = {
        "": F.conv2d(x, weight, padding=1),
        "down": F.conv2d(F.conv2d(x, blur, padding=2, groups=3), weight, stride=2),
        "up": F.conv2d(up, 4 * blur[:1].expand(5, 1, 4, 4), padding=1, groups=5),
    }
    for resample, y in expected.items():
        assert torch.allclose(reference.networks.convolved(x, weight[None], resample), y, atol=1e-12), resample


def test_the_references_phase_and_ranks(reference):
    schedule = {"resolutions": [8, 16], "batch_size": {8: 8, 16: 4}, "fade_kimg": {8: 9, 16: 0.03}}
    schedule |= {"hold_kimg": {8: 0.02, 16: 1}, "label_kimg": [0.016, 0.056]}
    phases = [reference.step.phase_at(schedule, nimg) for nimg in (16, 24, 32, 56)]
    assert [(p.resolution, p.alpha, p.batch, p.number, p.label_weight) for p in phases] == [
        (8, 1.0, 8, 2, 0.0),
        (16, 0.0, 4, 0, pytest.approx(0.2)),
        (16, 0.25, 4, 2, pytest.approx(0.4)),
        (16, 1.0, 4, 8, 1.0),
    ]
    assert reference.chance.ranks(np.array([5.0, 1.0, 5.0, 9.0])).tolist() == [0.0, -0.75, 0.0, 0.75]
