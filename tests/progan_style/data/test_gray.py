"""One picture: read whatever its kind, made square and smaller without a shift, shown in 8 bits."""

import numpy as np
import pytest
from PIL import Image

from progan_style.data import gray as gray_module
from progan_style.data.gray import (
    Unfit,
    Unreadable,
    by_own_range,
    halve,
    pad_square,
    read_gray,
    resize,
    round_half_up,
    to_gray,
)


def overlap_means(image, resolution):
    """The definition, written out: each output pixel is the mean of the source over its area."""
    side = len(image)
    edges = np.arange(resolution + 1) * side / resolution
    pixels = np.arange(side)
    share = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    share = np.maximum(share, 0) * resolution / side
    return share @ image @ share.T


@pytest.mark.parametrize(("side", "resolution"), [(240, 64), (100, 8), (256, 64), (96, 32), (33, 32), (32, 32)])
def test_reduction_is_the_area_mean(side, resolution):
    image = np.random.default_rng(0).integers(0, 65536, (side, side)).astype(np.uint16)
    np.testing.assert_allclose(resize(image, resolution), overlap_means(image, resolution), rtol=1e-9)
    assert resize(image, resolution).mean() == pytest.approx(image.mean(), rel=1e-9)


def test_reduction_is_exact_at_halves():
    image = np.array([[0, 1], [0, 1]] * 12, np.uint8).repeat(12, axis=1)  # 24 x 24, columns 0 and 1
    assert (resize(image, 1) == 0.5).all()
    assert (resize(np.full((24, 24), 7, np.uint8), 16) == 7).all()  # a ratio of 1.5: still exactly 7


def test_enlarging_is_bilinear():
    ramp = np.tile(np.arange(8, dtype=np.uint8) * 8, (8, 1))
    large = resize(ramp, 16)
    np.testing.assert_allclose(large[:, 1:-1], np.tile(np.arange(14) * 4 + 2, (16, 1)))
    assert (large[:, 0] == 0).all() and (large[:, -1] == 56).all()
    assert (resize(np.full((1, 1), 9, np.uint8), 8) == 9).all()


def test_padding_is_centred_and_never_squashes():
    image = np.full((6, 3), 5, np.uint8)
    square = pad_square(image, 1)
    assert square.shape == (6, 6)
    assert (square[:, 1:4] == 5).all() and (square[:, [0, 4, 5]] == 1).all()
    assert pad_square(image.T, 1).tolist() == square.T.tolist()


def test_halving_is_the_mean_of_four_rounded_half_up():
    images = np.array([[[[0, 1], [0, 1]]], [[[255, 255], [255, 254]]], [[[0, 0], [1, 0]]]], np.float64)
    assert round_half_up(halve(images)).ravel().tolist() == [1, 255, 0]


gray = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4


rgb = np.repeat(gray[..., None], 3, axis=2)


half = np.full((8, 8, 1), 128, np.uint8)


KINDS = {
    "gray.png": (Image.fromarray(gray), gray),
    "gray.bmp": (Image.fromarray(gray), gray),
    "gray.TIF": (Image.fromarray(gray), gray),
    "deep.png": (Image.fromarray(gray.astype(np.uint16) * 257), gray.astype(np.uint16) * 257),
    "deep.tiff": (Image.fromarray(gray.astype(np.uint16) * 257), gray.astype(np.uint16) * 257),
    "whole.tiff": (Image.fromarray(gray.astype(np.int32) * 257), gray.astype(np.uint16) * 257),
    "rgb.png": (Image.fromarray(rgb), gray),
    "palette.png": (Image.fromarray(rgb).convert("P", palette=Image.Palette.ADAPTIVE, colors=256), gray),
    "opaque.png": (Image.fromarray(np.dstack([rgb, half * 0 + 255])), gray),
    "half.png": (Image.fromarray(np.dstack([rgb, half])), np.round(gray * (128 / 255))),
    "la.png": (Image.fromarray(rgb).convert("LA"), gray),
    "bits.png": (Image.fromarray(gray > 100), np.where(gray > 100, 255, 0)),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_of_pictures(tmp_path, name):
    image, expected = KINDS[name]
    image.save(tmp_path / name)
    values = read_gray(str(tmp_path / name))
    assert values.dtype == (np.uint16 if expected.dtype == np.uint16 else np.uint8)
    assert np.abs(values.astype(int) - expected).max() <= (1 if name == "half.png" else 0)


def test_colour_becomes_luma(tmp_path):
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "red.png")
    assert (read_gray(str(tmp_path / "red.png")) == 76).all()  # 0.299 * 255


def test_what_is_no_slice_is_refused_by_name(tmp_path):
    path = tmp_path / "f.tiff"
    Image.fromarray(gray.astype(np.float32)).save(path)
    with pytest.raises(Unfit, match=r"f\.tiff: pixels of kind F; expected 8- or 16-bit"):
        read_gray(str(path))
    Image.fromarray(gray.astype(np.int32) - 5).save(path)
    with pytest.raises(Unfit, match=r"f\.tiff: values -5\.\.247"):
        read_gray(str(path))
    Image.fromarray(gray).save(path, save_all=True, append_images=[Image.fromarray(gray)])
    with pytest.raises(Unfit, match=r"f\.tiff: holds 2 pictures; expected one slice per file"):
        read_gray(str(path))


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    Image.fromarray(gray).save(tmp_path / "bomb.png")
    monkeypatch.setattr(gray_module, "LARGEST", 10)
    with pytest.raises(Unfit, match=r"bomb\.png: more than 10 pixels"):
        read_gray(str(tmp_path / "bomb.png"))


@pytest.mark.parametrize("content", [b"", b"GIF89a, no PNG", b"truncated"])
def test_an_unreadable_picture_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    if content == b"truncated":
        Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)).save(path)
        path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(Unreadable, match=r"^\S*broken\.png: cannot be read \(.+\); replace it, or set") as error:
        read_gray(str(path))
    assert "\n" not in str(error.value)


def test_eight_bits_stay_and_sixteen_are_shown_by_their_own_range():
    assert by_own_range(gray) is gray
    deep = by_own_range(np.array([[0, 500, 1000]], np.uint16))
    assert deep.dtype == np.uint8 and deep.tolist() == [[0, 127, 255]]
    assert by_own_range(np.zeros((1, 2), np.uint16)).tolist() == [[0, 0]]


def test_gray_levels_are_rounded_and_cut_off_at_both_ends():
    levels = to_gray(np.array([-3.0, 0.4, 0.5, 1.5, 254.6, 300.0]), lowest=0)
    assert levels.dtype == np.uint8 and levels.tolist() == [0, 0, 0, 2, 255, 255]
    assert to_gray(np.array([-3.0, 0.4, 7.0]), lowest=1).tolist() == [1, 1, 7]
