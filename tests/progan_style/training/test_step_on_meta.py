"""The whole step of training on torch's meta device: shapes, types and devices, no numbers.

A tensor made on another device is refused where it is made, and a value read by the host has no data to read. So a
machine without a GPU finds what would stop a GPU or make the host wait for it.
"""

import itertools

import numpy as np
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from progan_style import Dataset, Trainer, load_config
from progan_style.networks import ARCHITECTURES
from progan_style.training.augment import STRENGTHS
from progan_style.training.conditioning import CONDITIONINGS
from progan_style.training.losses import LOSSES

# Batches of 8: a stage of 48 images at 8 px, one of 32 + 48 at 16 px; a penalty every 4th step of a stage.
SIZES = [
    "schedule.resolutions=[8, 16]",
    "schedule.fade_kimg.16=0.032",
    "schedule.hold_kimg={8: 0.048, 16: 0.048}",
    "schedule.batch_size={8: 8, 16: 8}",
    *("network.channel_base=64", "network.channel_max=8"),
    *("network.z_dim=8", "network.w_dim=8", "network.mapping_depth=2"),
    *("loss.penalty_interval=4", "loss.path_length_interval=4"),
]
# What each architecture can do, and the pairs of image counts that a case steps at, in turns: one of the two has a
# penalty, and one of the two fades.
OPTIONS = {
    name: ["loss.path_length=2.0"] if architecture.TWICE_DIFFERENTIABLE else []
    for name, architecture in ARCHITECTURES.items()
}
COUNTS = ((0, 56), (8, 48))
STRENGTH = {"none": [], "fixed": ["augment.p=0.5"], "ada": []}

# What can be on beside them. Each case has some of it, such that each two are met together, apart and alone (tested).
EXTRAS = {
    "bf16": ["training.precision=bf16"],
    "auxiliary": ["conditioning.name=auxiliary"],
    "conditions": ["data.conditions={slice_mm: position, age: number, sex: category}"],
    "balanced": ["data.sampling=balanced"],
    "rising label": ["schedule.label_kimg=[0, 0.024]"],
    "taught trunk": ["conditioning.class_weight=0.5"],
    "unmixed": ["training.style_mixing=0"],
    "mirror": ["augment.operations.flip=0.5"],
}
OF_LOSS = (0b11111111, 0b01010101, 0b00110011, 0b00001111)  # a bit for each extra; a case has the XOR of its three
OF_STRENGTH = (0b00000000, 0b10010110, 0b11101001)
OF_ARCHITECTURE = (0b00000000, 0b11111111)


def cases():
    """Every architecture, loss and strength, with some of the extras and a pair of counts."""
    for i, architecture in enumerate(ARCHITECTURES):
        for j, loss in enumerate(LOSSES):
            for k, strength in enumerate(STRENGTHS):
                mask = OF_ARCHITECTURE[i % 2] ^ OF_LOSS[j % 4] ^ OF_STRENGTH[k % 3]
                extras = [extra for bit, extra in enumerate(EXTRAS) if mask >> bit & 1]
                yield architecture, loss, strength, extras, COUNTS[(j + k) % len(COUNTS)]


CASES = list(cases())


class OnMeta(TorchDispatchMode):
    """Refuses a tensor that lies elsewhere, in the line that makes it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func is torch.ops.aten.grid_sampler_2d.default:  # torch works out its shape in half a second
            images, grid = args[:2]
            return images.new_empty(*images.shape[:2], *grid.shape[1:3])
        out = func(*args, **kwargs)
        for made in tree_leaves(out):
            assert not isinstance(made, torch.Tensor) or made.is_meta, f"{func} makes a tensor on {made.device}"
        return out


class Autocast:
    """torch.autocast, which knows no meta device: the innermost says what Casting does."""

    now: torch.dtype | None = None

    def __init__(self, device_type, dtype=torch.bfloat16, enabled=True):
        assert device_type == "meta", device_type
        self.dtype = dtype if enabled else None

    def __enter__(self):
        self.before, Autocast.now = Autocast.now, self.dtype

    def __exit__(self, *_):
        Autocast.now = self.before


class Casting(TorchFunctionMode):
    """Convolutions and matrix products in autocast's type."""

    LOWER = ("conv2d", "conv_transpose2d", "linear", "matmul", "__matmul__")

    def __torch_function__(self, func, types, args=(), kwargs=None):
        def cast(x):
            return x.to(Autocast.now) if isinstance(x, torch.Tensor) and x.is_floating_point() else x

        if Autocast.now is not None and getattr(func, "__name__", "") in self.LOWER:
            args, kwargs = tree_map(cast, (args, kwargs))
        return func(*args, **(kwargs or {}))


def adam_step(self):
    """What is left of Adam's step, whose counters torch keeps on the host for a device it has no fused step for."""
    parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
    assert parameters and all(p.grad.is_meta and p.grad.dtype == p.dtype == torch.float32 for p in parameters)


@pytest.fixture
def on_meta(monkeypatch):
    """A trainer on the meta device."""
    monkeypatch.setattr(torch, "autocast", Autocast)
    monkeypatch.setattr(torch.optim.Adam, "step", adam_step)

    def build(*overrides, classes=2):
        n, random = 24, np.random.default_rng(0)
        data = Dataset(
            levels={r: random.integers(0, 256, [n, 1, r, r]).astype(np.uint8) for r in (8, 16)},
            labels=np.arange(n) % classes,
            subjects=np.array([""] * n),
            class_names=("CN", "AD")[:classes],
            columns={
                "slice_mm": np.array([str(i) for i in range(n)]),
                "age": np.array([str(60 + i % 7) for i in range(n)]),
                "sex": np.array(["FM"[i % 2] for i in range(n)]),
            },
        )
        return Trainer(load_config(overrides=[*SIZES, *overrides]), data, device="meta")

    return build


def step_at(trainer, nimg):
    """A step at this image count -> its terms."""
    trainer.state.nimg = nimg
    images, condition = trainer.batch()
    assert images.is_meta and condition.class_weights.is_meta and condition.labels.is_meta
    with OnMeta(), Casting():
        terms = trainer.step(images, condition)
    assert trainer.state.nimg == nimg + len(images)
    assert all(term.is_meta and term.shape == () and term.dtype == torch.float32 for term in terms.values()), terms
    return terms


def named(case):
    return "-".join([*case[:3], *(extra.replace(" ", "_") for extra in case[3])])


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_step_makes_its_tensors_on_its_device_and_reads_none(on_meta, case):
    architecture, loss, strength, extras, counts = case
    trainer = on_meta(
        *(f"network.name={architecture}", f"loss.name={loss}", f"augment.name={strength}"),
        *(*OPTIONS[architecture], *STRENGTH[strength]),
        *(option for extra in extras for option in EXTRAS[extra]),
    )
    for nimg in counts:
        terms, penalised = step_at(trainer, nimg), nimg in (0, 48)
        assert trainer.state.G.fading == (nimg in (48, 56)) and ("D/penalty" in terms) == penalised
        assert ("G/path_length" in terms) == (penalised and ARCHITECTURES[architecture].TWICE_DIFFERENTIABLE)
        assert ("G/class" in terms) == ("auxiliary" in extras)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_step_of_one_class(on_meta, architecture):
    step_at(on_meta(*OPTIONS[architecture], f"network.name={architecture}", "data.classes=[CN]", classes=1), 0)


def test_p_moves_on_the_device(on_meta):
    trainer = on_meta(*OPTIONS["stylegan1"], "augment.name=ada")
    for nimg in range(0, 8 * trainer.state.augment.INTERVAL, 8):
        step_at(trainer, nimg)
    assert trainer.state.augment.steps == 0 and trainer.state.augment.p.is_meta


def test_the_cases_cover_every_two_extras_for_each_architecture():
    for architecture in ARCHITECTURES:
        rows = [case[3] for case in CASES if case[0] == architecture]
        for a, b in itertools.combinations(EXTRAS, 2):
            assert len({(a in extras, b in extras) for extras in rows}) == 4, (architecture, a, b)
    assert set(CONDITIONINGS) == {"projection", "auxiliary"}


# ---------------------------------------------------------------- the net itself


ON_CPU, WAITS, COPIES, COUNTS = "makes a tensor on cpu", "item.. cannot be called", "Cannot copy out of meta", "nonzero"


@pytest.mark.parametrize(
    ("fault", "why"),
    (
        (lambda x: torch.zeros(3), ON_CPU),
        (lambda x: torch.zeros(()), ON_CPU),
        (lambda x: x.new_zeros(3).to("cpu"), COPIES),
        (lambda x: torch.arange(2) + 1, ON_CPU),
        (lambda x: float(x.sum()), WAITS),
        (lambda x: x.sum().item(), WAITS),
        (lambda x: x.tolist(), COPIES),
        (lambda x: bool((x > 0).any()), WAITS),
        (lambda x: x[x > 0], COUNTS),
        (lambda x: x.nonzero(), COUNTS),
        (lambda x: torch.tensor(0.5) * x, ON_CPU),
    ),
)
def test_what_the_device_would_not_like_is_refused(fault, why):
    x = torch.ones(3, device="meta")
    # torch has a type of its own for each of its refusals; the reason tells that it is the one meant.
    with pytest.raises((AssertionError, RuntimeError), match=why), OnMeta(), Casting():
        fault(x)
