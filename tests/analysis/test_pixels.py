"""Gray levels, frequencies and variety of pictures whose answer is known."""

import itertools

import numpy as np
import pytest

from analysis.pixels import (
    bands,
    brightness,
    corners,
    finest_octave,
    histogram,
    histogram_distance,
    ms_ssim,
    radial_spectrum,
    spectrum_distance,
)


def test_histograms_differ_by_the_gray_levels_that_pixels_move():
    image = np.random.default_rng(8).integers(0, 200, (3, 1, 16, 16)).astype(np.uint8)
    assert histogram(image).sum() == pytest.approx(1)
    assert histogram_distance(histogram(image), histogram(image + 7)) == pytest.approx(7)


def test_a_wave_stands_at_its_frequency_and_a_checkerboard_at_the_end():
    x = np.arange(32)
    wave = np.broadcast_to(128 + 100 * np.cos(2 * np.pi * 5 * x / 32), (1, 1, 32, 32)).astype(np.uint8)
    stripes = np.broadcast_to(np.where(x % 2, 255, 0), (1, 1, 32, 32)).astype(np.uint8)
    assert radial_spectrum(wave).argmax() == 4 and len(radial_spectrum(wave)) == 16
    assert radial_spectrum(stripes).argmax() == 15
    half = (wave.astype(int) - 128) // 2 + 128
    assert spectrum_distance(radial_spectrum(wave)[4:5], radial_spectrum(half.astype(np.uint8))[4:5]) == pytest.approx(
        np.log10(4), abs=0.02
    )


def test_the_finest_octave_is_what_a_blur_takes_and_grain_brings():
    rng = np.random.default_rng(4)
    images = rng.integers(60, 190, (8, 1, 32, 32)).astype(np.uint8)
    blurred = images.reshape(8, 1, 16, 2, 16, 2).mean((3, 5)).repeat(2, 2).repeat(2, 3).astype(np.uint8)
    coarse = np.broadcast_to(128 + 100 * np.cos(2 * np.pi * 3 * np.arange(32) / 32), (1, 1, 32, 32)).astype(np.uint8)
    assert finest_octave(images, images) == 1
    assert finest_octave(blurred, images) < 0.3
    half = ((images.astype(int) - 128) // 2 + 128).astype(np.uint8)
    assert finest_octave(half, images) == pytest.approx(0.25, rel=0.02)
    assert finest_octave(coarse, images) < 0.01  # what lies below the octave does not count
    assert finest_octave(np.zeros_like(images), np.zeros_like(images)) == 1  # no power on either side


@pytest.mark.parametrize("size", [8, 16, 64])
def test_ms_ssim_is_one_where_all_images_are_one(size):
    rng = np.random.default_rng(9)
    images = rng.integers(0, 255, (6, 1, size, size)).astype(np.uint8)
    nobody = np.full(6, "")
    assert ms_ssim(np.repeat(images[:1], 6, axis=0), nobody) == pytest.approx(1, abs=1e-4)
    assert ms_ssim(images, nobody) < 0.3
    with pytest.raises(ValueError, match="two persons"):
        ms_ssim(images, np.full(6, "a"))


def test_corners_and_brightness_of_a_disc_on_a_veil():
    """16 px: corners of 2x2. What is no brighter than the veil counts as background."""
    images = np.full((2, 1, 16, 16), 7, np.uint8)
    images[:, :, 4:12, 4:12] = 100
    images[1, :, :2, :2] = 19
    assert corners(images).tolist() == [7.0, 10.0]
    assert brightness(images).tolist() == [100.0, 100.0]
    assert brightness(np.zeros((1, 1, 8, 8), np.uint8)).tolist() == [0.0]


def test_half_octaves_find_a_hole_in_the_middle_that_the_finest_frequency_does_not_show():
    power = np.ones(128)
    made = power.copy()
    made[63:90] = 0.25  # 64 to 90 cycles
    found = {(first, last): ratio for first, last, ratio in bands(made, power)}
    assert found[64, 90] == pytest.approx(0.25) and found[128, 128] == pytest.approx(1)
    assert sum(ratio < 0.99 for ratio in found.values()) == 1
    edges = sorted(found)
    assert edges[0] == (1, 1) and all(b[0] == a[1] + 1 for a, b in itertools.pairwise(edges))
    made[63:90] = np.tile([0.5, 2.0], 14)[:27]  # a mean of ratios, so that half and double cancel
    assert dict(((a, b), r) for a, b, r in bands(made, power))[64, 90] == pytest.approx(1, abs=0.03)
