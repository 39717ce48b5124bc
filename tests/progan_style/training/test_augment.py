import math
import statistics

import pytest
import torch
import torch.nn.functional as F

from progan_style import load_config, rng
from progan_style.training import augment
from progan_style.training.augment import (
    AUGMENTS,
    STRENGTHS,
    TARGET,
    TARGET_OF_PAIRS,
    Adaptive,
    Augment,
    Fixed,
    Off,
    Pipe,
    columns,
)
from progan_style.training.losses import LOSSES

OFF = dict.fromkeys(AUGMENTS, 0.0)
# The ranges of hyperparameters.yaml, and the flip
RANGES = {
    "translate": 0.0625,
    "subpixel": 0.5,
    "rotate": 10.0,
    "scale": 0.1,
    "flip": 0.5,
    "brightness": 0.2,
    "contrast": 0.2,
    "noise": 0.05,
}
MANY = torch.arange(2000)


def pipe(seed=0, **ranges):
    return Pipe(seed, OFF | ranges)


def spot(n, r=32, dtype=torch.float32, angle=0.5):
    """An ellipse off the middle, black around it: [n, 1, r, r]."""
    y, x = torch.meshgrid(*[torch.arange(r, dtype=dtype) - (r - 1) / 2] * 2, indexing="ij")
    long, wide = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    image = 2 * torch.exp(-0.5 * ((long / r * 10) ** 2 + (wide / r * 14) ** 2)) - 1
    return image[None, None].repeat(n, 1, 1, 1)


def moments(images):
    """Of the signal above black: middle (x, y), angle of the long axis, size (square root of the area's spread)."""
    signal = (images[:, 0] + 1).double()
    total = signal.sum(dim=(1, 2))
    side = torch.arange(images.shape[-1]).double()

    def mean(values):
        return (signal * values).sum(dim=(1, 2)) / total

    x, y = mean(side[None, None, :]), mean(side[None, :, None])
    dx, dy = side[None, None, :] - x[:, None, None], side[None, :, None] - y[:, None, None]
    xx, yy, xy = mean(dx * dx), mean(dy * dy), mean(dx * dy)
    return x, y, 0.5 * torch.atan2(2 * xy, xx - yy), ((xx * yy - xy * xy) ** 0.25)


def is_uniform(values, low, high, error=1e-3, tolerance=0.05):
    """Between low and high but for the error of the measurement, a share of the width, with their mean and spread."""
    width = high - low
    assert values.min() >= low - error * width and values.max() <= high + error * width
    assert abs(values.mean() - (low + high) / 2) < tolerance * width
    assert abs(values.std() / (width / math.sqrt(12)) - 1) < 2 * tolerance


# ---------------------------------------------------------------- identities


@pytest.mark.parametrize("p", (0.0, 1.0))
def test_nothing_changes_at_p_0_or_with_ranges_of_0_to_the_last_bit(p):
    images = torch.randn(8, 1, 16, 16)
    pose_of_zeros = pipe(**(RANGES if p == 0 else {}))
    assert torch.equal(pose_of_zeros(images, torch.arange(8), 0, torch.tensor(p)), images)


def test_whole_shifts_are_exact():
    images = torch.randn(64, 1, 16, 16)
    moved = pipe(translate=0.125)(images, torch.arange(64), 0, 1.0)
    padded = F.pad(images, [2] * 4, value=-1.0)
    seen = set()
    for before, after in zip(padded[:, 0], moved[:, 0], strict=True):
        shift = [(a, b) for a in range(5) for b in range(5) if torch.equal(before[a : a + 16, b : b + 16], after)]
        assert len(shift) == 1
        seen |= set(shift)
    assert len(seen) > 20  # of the 25 from -2 to 2 pixels


def test_a_mirror_is_exact_and_an_option():
    images = torch.randn(64, 1, 16, 16)
    made = pipe(flip=0.5)(images, torch.arange(64), 0, 1.0)
    flipped = [torch.equal(a, b.flip(-1)) for a, b in zip(made, images, strict=True)]
    same = [torch.equal(a, b) for a, b in zip(made, images, strict=True)]
    assert all(a != b for a, b in zip(flipped, same, strict=True)) and 16 < sum(flipped) < 48


@pytest.mark.parametrize("name", ("brightness", "contrast", "translate", "subpixel", "rotate", "scale"))
def test_black_stays_black(name):
    black = torch.full((32, 1, 16, 16), -1.0)
    made = pipe(**{name: AUGMENTS[name].most})(black, torch.arange(32), 0, 1.0)
    assert torch.allclose(made, black, atol=1e-6)


def test_what_comes_from_outside_is_background():
    """An image white to its edges: shifted, black comes in, nothing is mirrored or smeared."""
    white = torch.ones(64, 1, 16, 16)
    made = pipe(translate=0.25)(white, torch.arange(64), 0, 1.0)
    assert set(made.unique().tolist()) == {-1.0, 1.0}


# ---------------------------------------------------------------- contracts over every operation


@pytest.mark.parametrize("name", AUGMENTS)
def test_every_mask_is_set_at_p_1_and_half_of_them_at_one_half(name):
    """Seen by what the operation does; flips mirror only a share of the images in their mask."""
    images = spot(400, 16)
    for p, expected in ((1.0, 1.0), (0.5, 0.5)):
        made = pipe(**{name: AUGMENTS[name].most})(images, MANY[:400], 0, torch.tensor(p))
        changed = (made != images).flatten(1).any(dim=1).float().mean().item()
        expected *= AUGMENTS[name].most if name == "flip" else 1.0
        assert changed == pytest.approx(expected, abs=0.02 if p == 1 and name != "flip" else 0.08)


def test_masks_are_independent_of_one_another():
    images = spot(2000, 8)
    changed = []
    for name in ("rotate", "brightness", "noise"):
        made = pipe(**{name: RANGES[name]})(images, MANY, 0, 0.5)
        changed.append((made != images).flatten(1).any(dim=1).float())
    assert (torch.corrcoef(torch.stack(changed)) - torch.eye(3)).abs().max() < 0.07


@pytest.mark.parametrize("name", AUGMENTS)
def test_an_operation_is_a_function_of_seed_image_and_call(name):
    images, index = spot(16, 8), torch.arange(100, 116)
    run = pipe(3, **{name: AUGMENTS[name].most})
    whole = run(images, index, 1, 0.7)
    parts = [run(images[part], index[part], 1, 0.7) for part in (slice(0, 4), slice(4, 16))]
    assert torch.equal(whole, torch.cat(parts))
    for other in (
        run(images, index, 2, 0.7),
        run(images, index + 16, 1, 0.7),
        pipe(4, **{name: AUGMENTS[name].most})(images, index, 1, 0.7),
    ):
        assert not torch.equal(whole, other)


@pytest.mark.parametrize("name", AUGMENTS)
def test_an_operation_does_not_move_the_numbers_of_another(name):
    other = "contrast" if name != "contrast" else "brightness"
    images = torch.full((16, 1, 8, 8), 0.25)
    alone = Pipe(0, OFF | {other: 0.2})(images, torch.arange(16), 0, 1.0)
    tiny = {name: 1e-7, other: 0.2}
    assert torch.allclose(Pipe(0, OFF | tiny)(images, torch.arange(16), 0, 1.0)[:, :, 2:6, 2:6], alone[:, :, 2:6, 2:6])


@pytest.mark.parametrize("name", AUGMENTS)
def test_every_operation_has_its_second_derivative(name):
    images = (0.5 * torch.randn(2, 1, 4, 4, dtype=torch.float64)).requires_grad_()
    run = pipe(**{name: AUGMENTS[name].most})

    def made(x):
        return run(x, torch.tensor([5, 6]), 0, 1.0)

    assert torch.autograd.gradcheck(made, [images])
    assert torch.autograd.gradgradcheck(made, [images])


@pytest.mark.parametrize("name", LOSSES)
def test_the_penalty_through_all_operations_at_p_1_against_finite_differences(name):
    """The gradient of D's whole loss by the weights of a critic that bends; the slope is taken before augmentation."""
    torch.manual_seed(0)
    reals, fakes = torch.randn(2, 3, 1, 8, 8, dtype=torch.float64)
    weight = torch.randn(2, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    run = pipe(**RANGES)

    def total(w):
        call = iter(range(8))

        def critic(images):
            seen = run(images, torch.arange(3), next(call), 1.0)
            return F.softplus(F.conv2d(seen, w)).mean(dim=(1, 2, 3)) - 2.5

        return sum(LOSSES[name]().discriminator(critic, reals, fakes, 20.0, reals[:, 0, 0, 0].abs() % 1).values())

    assert torch.autograd.gradcheck(total, [weight])


def test_the_slope_that_r1_sees_is_that_of_a_difference_through_the_augmentation():
    """|grad_x D(T(x))| of one image against differences in each pixel."""
    image = (0.5 * torch.randn(1, 1, 8, 8, dtype=torch.float64)).requires_grad_()
    weight = torch.randn(8, 8, dtype=torch.float64)
    run = pipe(**RANGES)

    def logit(x):
        return ((run(x, torch.tensor([7]), 0, 1.0) * weight) ** 2).sum()

    (slope,) = torch.autograd.grad(logit(image), image)
    step = 1e-6 * torch.eye(64, dtype=torch.float64).view(64, 1, 1, 8, 8)
    numeric = torch.stack([(logit(image + d) - logit(image - d)) / 2e-6 for d in step]).view(8, 8)
    assert torch.allclose(slope[0, 0], numeric, atol=1e-6)


# ---------------------------------------------------------------- statistics against the range


def test_statistics_of_shifts():
    images = spot(len(MANY))
    x, y, _, _ = moments(images)
    for name, reach in (("translate", 2.5), ("subpixel", 0.5)):  # of 32 px: five whole shifts
        a, b, _, _ = moments(pipe(**{name: RANGES[name]})(images, MANY, 0, 1.0))
        is_uniform(a - x, -reach, reach)
        is_uniform(b - y, -reach, reach)
        assert abs(torch.corrcoef(torch.stack([a, b]))[0, 1]) < 0.07


def test_statistics_of_turns_and_sizes():
    """At 64 px: the cubic kernel narrows what is a few pixels wide."""
    images, index = spot(800, 64), MANY[:800]
    _, _, angle, size = moments(images)
    made = moments(pipe(rotate=10)(images, index, 0, 1.0))
    is_uniform((made[2] - angle).rad2deg(), -10, 10, error=0.02)
    made = moments(pipe(scale=0.1)(images, index, 0, 1.0))
    is_uniform((made[3] / size).log(), -math.log(1.1), math.log(1.1), error=0.03)


def test_statistics_of_brightness_contrast_and_noise():
    images = torch.full((len(MANY), 1, 16, 16), 0.2)
    made = pipe(brightness=0.2)(images, MANY, 0, 1.0)
    is_uniform(((made[:, 0, 0, 0] + 1) / 1.2).log(), -math.log(1.2), math.log(1.2))
    made = pipe(contrast=0.2)(images, MANY, 0, 1.0)
    is_uniform((made[:, 0, 0, 0] - 0.2) * math.pi / math.sin(0.2 * math.pi), -0.2, 0.2)
    made = pipe(noise=0.05)(images, MANY, 0, 1.0) - 0.2
    is_uniform(made.std(dim=(1, 2, 3)), 0, 0.05, error=0.2)  # of 256 pixels: 4 % off on average
    assert made.mean().abs() < 1e-4


def test_contrast_keeps_black_mid_gray_and_white_and_rises_everywhere():
    grays = torch.linspace(-3, 3, 601)
    for value in (-0.9, 0.9):
        made = augment.steeper(grays, torch.tensor(value), None)
        assert (made.diff() > 0).all()
        assert torch.allclose(made[[200, 300, 400]], torch.tensor([-1.0, 0.0, 1.0]), atol=1e-6)


def test_a_resampling_keeps_the_finest_frequencies_better_than_bilinear():
    """Half a pixel of shift: a wave of four pixels keeps 0.97 of its height (bilinear: 0.71)."""
    x = torch.arange(32)
    wave = (math.pi / 2 * x).cos().expand(1, 1, 32, 32)
    made = augment.move(wave, torch.tensor([[0.5], [0.0], [0.0], [0.0], [0.0]]))[0, 0, 16, 8:24]
    assert made.square().mean().sqrt() / math.sqrt(0.5) == pytest.approx(0.972, abs=0.002)


def test_moves_are_composed_mirror_size_and_turn_about_the_middle_then_the_shift():
    """A dot 4 px right of the middle: mirrored, 1.5 times as large, turned by 90 degrees from right to down."""
    r = 64
    y, x = torch.meshgrid(*[torch.arange(r) - (r - 1) / 2] * 2, indexing="ij")
    dot = (2 * torch.exp(-0.5 * ((x - 4) ** 2 + y**2) / 9) - 1)[None, None]
    pose = torch.tensor([[3.0], [1.0], [math.pi / 2], [math.log(1.5)], [1.0]])
    before, (a, b, _, size) = moments(dot), moments(augment.move(dot, pose))
    middle = (r - 1) / 2
    # mirrored to (-4, 0), size (-6, 0), turned (0, -6), shifted (3, -5)
    assert a.item() == pytest.approx(middle + 3, abs=0.01) and b.item() == pytest.approx(middle - 5, abs=0.01)
    assert (size / before[3]).item() == pytest.approx(1.5, rel=0.01)


def test_every_operation_has_its_row_in_the_configuration_and_only_the_mirror_is_off():
    shipped = load_config().augment.operations
    assert list(shipped) == list(AUGMENTS) and [name for name in shipped if not shipped[name]] == ["flip"]
    assert shipped | {"flip": 0.5} == RANGES


def test_every_operation_has_its_own_numbers():
    assert len(AUGMENTS) + sum(o.numbers for o in AUGMENTS.values()) == columns()
    u = rng.uniform(0, "augment", MANY, columns())
    assert (torch.corrcoef(u.T) - torch.eye(columns())).abs().max() < 0.1


# ---------------------------------------------------------------- strength


def adaptive(has_zero=True, **arguments):
    return Augment(seed=0, operations=RANGES, strength=Adaptive(**arguments), has_zero=has_zero)


def steps(augmented, real, fake, n=4, batch=10):
    for _ in range(n):
        augmented.watch(torch.as_tensor(real).expand(batch), torch.as_tensor(fake).expand(batch))
        augmented.settle()
    return augmented.p.item()


def test_p_by_hand():
    """40 images in four steps at a half-time of 1 kimg: 0.02 up, or down."""
    augmented = adaptive(half_time_kimg=1.0)
    assert steps(augmented, 1.0, -1.0, n=3) == 0.0
    assert steps(augmented, 1.0, -1.0, n=1) == pytest.approx(0.02)
    assert steps(augmented, 1.0, -1.0, n=196) == pytest.approx(1.0)
    assert steps(augmented, 1.0, -1.0) == 1.0  # stays within [0, 1]
    assert steps(augmented, -1.0, -1.0) == pytest.approx(0.98)
    augmented.p.fill_(0.01)
    assert steps(augmented, -1.0, -1.0) == 0.0


def test_p_moves_by_half_in_its_half_time():
    assert steps(adaptive(half_time_kimg=2.0), 1.0, -1.0, n=40, batch=50) == pytest.approx(0.5)


def test_what_the_loss_leaves_open_for_each_class_does_not_hide_what_D_knows():
    """Classes 3 apart, reals 0.5 above their own fakes: about the mean of all fakes half of the reals lie below."""
    of_class = torch.tensor([0.0, 3.0]).repeat(50)
    fakes = of_class + 0.03 * torch.randn(100)
    assert adaptive(has_zero=False).watch(fakes + 0.5, fakes).item() == 1.0


def test_both_targets_are_one_distance_of_normal_logits():
    """Where 80 % of the reals are above 0, 88 % are above a fake that is as far below."""
    normal = statistics.NormalDist()
    of_pairs = 2 * normal.cdf(2**0.5 * normal.inv_cdf((1 + TARGET) / 2)) - 1
    assert TARGET == 0.6 and of_pairs == pytest.approx(TARGET_OF_PAIRS, abs=0.005)


@pytest.mark.parametrize(("share", "way"), ((0.89, 1.0), (0.88, -1.0)))
def test_pairs_have_a_target_of_their_own(share, way):
    """r_t = 2 share - 1, 0.78 or 0.76, against 0.77."""
    augmented = adaptive(has_zero=False)
    augmented.p.fill_(0.5)
    fakes = torch.linspace(-9, 9, 100)
    reals = fakes + torch.where(torch.arange(100) < 100 * share, 0.1, -0.1)
    for i in torch.randperm(100).split(25):
        augmented.watch(reals[i], fakes[i])
        augmented.settle()
    assert augmented.p.item() == pytest.approx(0.5 + way * 100 / 100_000)


@pytest.mark.parametrize(("share", "way"), ((0.9, 1.0), (0.7, -1.0)))
def test_the_target_is_on_the_mean_sign_of_the_reals(share, way):
    """r_t = 2 share - 1, 0.8 or 0.4, against 0.6; four steps are judged together."""
    augmented = adaptive()
    augmented.p.fill_(0.5)
    reals = torch.where(torch.arange(100) < 100 * share, 0.1, -5.0)
    for part in reals[torch.randperm(100)].split(25):
        augmented.watch(part, torch.zeros(25))
        augmented.settle()
    assert augmented.p.item() == pytest.approx(0.5 + way * 100 / 100_000)


def test_logits_without_a_zero_are_measured_in_pairs():
    reals, fakes = torch.tensor([-3.0, -4.0, -6.0, -2.0]), torch.tensor([-5.0, -5.5, -4.5, -5.0])
    assert adaptive(has_zero=True).watch(reals, fakes).item() == -1.0
    assert adaptive(has_zero=False).watch(reals, fakes).item() == 0.5
    assert {name: loss.has_zero for name, loss in LOSSES.items()} == {
        "logistic": True,
        "relativistic": False,
        "wgan-gp": False,
        "hinge": True,
    }


def test_a_fixed_p_stays_and_zero_costs_nothing():
    images = torch.randn(4, 1, 8, 8)
    augmented = Augment(seed=0, operations=RANGES, strength=Fixed(0.3), has_zero=True)
    assert steps(augmented, 1.0, -1.0, n=8) == pytest.approx(0.3)
    assert not torch.equal(augmented(images, 0, torch.arange(4)), images)
    off = Augment(seed=0, operations=RANGES, strength=Fixed(0.0), has_zero=True)
    assert off(images, 0, torch.arange(4)) is images


@pytest.mark.parametrize("name", [name for name, kind in STRENGTHS.items() if kind is not Off])
def test_a_strength_goes_on_where_it_was_saved(name):
    def make():
        arguments = {"p": 0.4} if name == "fixed" else {"half_time_kimg": 1.0}
        return Augment(seed=0, operations=RANGES, strength=STRENGTHS[name](**arguments), has_zero=True)

    whole, first, second = make(), make(), make()
    steps(whole, 1.0, -1.0, n=9)
    steps(first, 1.0, -1.0, n=6)
    second.load_state_dict(first.state_dict())
    assert steps(second, 1.0, -1.0, n=3) == whole.p.item()
    assert torch.equal(second.gathered, whole.gathered) and second.steps == whole.steps == 1
