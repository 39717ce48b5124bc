"""A person and the template -> pictures: deformed, atrophied, of the person's contrasts, received by a scanner.

Letters: S slices, N points, P = ROWS * COLS points of the picture's window.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from progan_style.data.gray import to_gray
from progan_style.phantoms.atlas import BRAIN, DISTANCE, GREY, SULCI, TOWARDS_X, VENTRICLES, WHITE
from progan_style.phantoms.persons import Person
from progan_style.phantoms.space import CENTRE, COLS, MM_PER_PIXEL, ROWS, SIDE, Array, sample, smooth_field

FRONT_MM, FRONT_WIDTH_MM = 0.0, 10.0  # MNI y: the frontal horns begin at the foramen of Monro, near y = 0


def frontal(points: Array) -> Array:
    """How far in front points [N, 3] lie: 0 behind .. 1 in the frontal lobe, [N]."""
    return 0.5 + 0.5 * np.tanh((points[:, 1] - np.float32(FRONT_MM)) / np.float32(FRONT_WIDTH_MM))


def open_ventricles(points: Array, person: Person, geometry: Array) -> Array:
    """Where the atrophied brain's points [N, 3] come from in the brain before atrophy.

    Along the gradient of the signed distance f to the ventricles' wall, a point at f comes from f - d (1 - f / 45)^2:
    the wall moves outwards by d, tissue beyond is compressed, 45 mm away nothing moves. What the wall has passed over
    comes from 1.5 mm inside the ventricle, not from further, or a thin horn would show the tissue behind it.
    """
    side = np.tanh(points[:, 0] / 8.0) * person.ventricle_asymmetry
    place = person.pattern.behind + (person.pattern.front - person.pattern.behind) * frontal(points)
    amount = np.float32(person.ventricles_mm) * (1.0 + side) * place
    if person.age is not None:  # age knows no pattern
        amount = amount + np.float32(person.age_mm) * (1.0 + side)
    here = sample(geometry, points)
    distance, away = here[:, DISTANCE], here[:, TOWARDS_X:]
    target = distance - amount * np.clip(1.0 - distance / 45.0, 0.0, 1.0) ** 2
    target = np.where(distance < 0.0, np.maximum(target, np.minimum(distance, -1.5)), np.maximum(target, -1.5))
    return points + (target - distance)[:, None] * away


def draw_slices(
    person: Person, heights: Sequence[float], seed: int, geometry: Array, tissues: Array
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """One person -> pictures [S, 256, 256] and ventricle ratio [S] (ventricle area / brain area)."""
    rng, grid = np.random.default_rng([seed, person.index, 1]), picture_grid(heights)
    points = deform(person, grid, rng)
    bias = np.exp(np.float32(person.bias) * smooth_field(*grid, 60.0, 1, rng)[0])
    sulci = person.sulci + person.age_sulci
    thinner = sulci + 0.3 * sulci * smooth_field(*grid, 20.0, 1, rng)[0]
    texture = 1.0 + np.float32(person.white_texture) * smooth_field(*grid, 5.0, 1, rng)[0]

    heads = np.ascontiguousarray(tissues[..., :1])
    pictures = np.zeros((len(heights), SIDE, SIDE), np.uint8)
    ratios = np.zeros(len(heights))
    top, left = (SIDE - ROWS) // 2, (SIDE - COLS) // 2
    for k in range(len(heights)):
        head = np.flatnonzero(sample(heads, points[k])[:, 0] > 0.0)
        here, brain, ratios[k] = atrophied(points[k, head], person, geometry, tissues)
        head = head[brain]

        thin = thinner[k].ravel()[head]
        thin = thin + np.float32(person.pattern.sulci * max(person.severity, 0.0)) * frontal(points[k, head])
        lost = here[:, GREY] * np.clip((here[:, SULCI] - 1.0 + thin) / 0.12, 0.0, 1.0)
        grey, white = here[:, GREY] - lost, here[:, WHITE]
        signal = (1.0 - grey - white) * person.csf + grey * person.grey + white * texture[k].ravel()[head]
        window = np.zeros(ROWS * COLS, np.float32)
        window[head] = signal**person.gamma * bias[k].ravel()[head]
        noise = np.random.default_rng([seed, person.index, 2, k])
        window[head] = receive(window, person, noise)[head]
        pictures[k, top : top + ROWS, left : left + COLS] = window.reshape(ROWS, COLS)
    return pictures, ratios


def picture_grid(heights: Sequence[float], step: int = 1) -> tuple[Array, Array, Array]:
    """MNI mm of every `step`-th column and row of the picture's window, and of the slices."""
    xs = (np.arange(COLS, dtype=np.float32) - (COLS - 1) / 2) * MM_PER_PIXEL + CENTRE[0]
    ys = ((ROWS - 1) / 2 - np.arange(ROWS, dtype=np.float32)) * MM_PER_PIXEL + CENTRE[1]
    return xs[::step], ys[::step], np.asarray(heights, np.float32)


def atrophied(points: Array, person: Person, geometry: Array, tissues: Array) -> tuple[Array, NDArray[np.bool_], float]:
    """Points [N, 3] of a head before atrophy -> tissues of the brain's, which of them these are, ventricle ratio."""
    here = sample(tissues, open_ventricles(points, person, geometry))
    brain = here[:, BRAIN] > 0.5
    here = here[brain]
    return here, brain, float(here[:, VENTRICLES].sum() / len(here))


def ratios_at(
    ages: Sequence[float], person: Person, heights: Sequence[float], seed: int, geometry: Array, tissues: Array
) -> NDArray[np.float64]:
    """The ventricle ratio of a person's slices, were the person of these ages and nothing else different: [ages, S].

    From every third row and column: its mean over slices is that of all pixels.
    """
    points = deform(person, picture_grid(heights, 3), np.random.default_rng([seed, person.index, 1]))
    heads = np.ascontiguousarray(tissues[..., :1])
    ratios = np.zeros((len(ages), len(heights)))
    for k in range(len(heights)):
        head = sample(heads, points[k])[:, 0] > 0.0
        for i, age in enumerate(ages):
            ratios[i, k] = atrophied(points[k, head], replace(person, age=age), geometry, tissues)[2]
    return ratios


def deform(person: Person, grid: tuple[Array, Array, Array], rng: np.random.Generator) -> Array:
    """Where the picture's points lie in the template before atrophy -> [S, ROWS * COLS, 3] in MNI mm."""
    xs, ys, zs = grid
    at = np.stack(np.broadcast_arrays(xs, ys[:, None], zs[:, None, None])).astype(np.float32)  # [3, S, ROWS, COLS]
    moved = np.zeros_like(at)
    for knot_mm, amount_mm in ((40.0, 2.6), (15.0, 1.4), (6.0, 0.9)):
        moved += np.float32(amount_mm * person.deformation_mm) * smooth_field(xs, ys, zs, knot_mm, 3, rng)
    moved[1] += np.float32(person.torque_mm) * np.tanh(at[0] / 20.0)
    moved[0] += np.float32(person.bend_mm) * np.tanh((at[1] - CENTRE[1]) / 40.0)

    centre, shift = np.array(CENTRE, np.float32), person.shift_mm.astype(np.float32)
    apart = at.reshape(3, len(zs), -1).transpose(1, 2, 0) - centre
    turned = np.einsum("sni,ji->snj", apart, person.affine.astype(np.float32))
    return turned + centre + shift + moved.reshape(3, len(zs), -1).transpose(1, 2, 0)


def receive(window: Array, person: Person, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The scanner: point spread, the magnitude of a complex noisy signal (Rician), 8 bits. [P] -> [P].

    Never 0, so that the background of the skull-stripped picture, and nothing else, is 0.
    """
    from scipy.ndimage import gaussian_filter

    window = gaussian_filter(window.reshape(ROWS, COLS), person.blur).ravel()
    real, imaginary = rng.standard_normal((2, len(window)), np.float32) * np.float32(person.noise)
    return to_gray(np.hypot(window + real, imaginary) * person.gain, lowest=1)


def reduce(pictures: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Exact block average [S, 256, 256] -> [S, size, size], rounded half up."""
    block = SIDE // size
    sums = pictures.reshape(-1, size, block, size, block).sum(axis=(2, 4), dtype=np.int64)
    return ((2 * sums + block * block) // (2 * block * block)).astype(np.uint8)
