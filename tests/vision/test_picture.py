"""Bytes become the network's input in one way only."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hotori.problems import Problem
from hotori.vision.picture import MAX_PIXELS, network_input, open_picture


def encoded(image, kind="PNG", **options):
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def one_colour(colour, mode="RGB", size=(64, 48)):
    return Image.new(mode, size, colour)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_every_understood_format_becomes_a_square_of_bytes(kind):
    made = network_input(encoded(one_colour((200, 10, 10)), kind))
    assert (made.shape, made.dtype) == ((224, 224, 3), np.uint8)
    assert abs(made.astype(int) - (200, 10, 10)).max() <= 8


def test_nothing_is_cropped_away():
    image = one_colour("black", size=(400, 100))
    image.paste("white", (0, 0, 40, 100))
    made = network_input(encoded(image))
    assert made[112, 5].tolist() == [255, 255, 255]
    assert made[112, 200].tolist() == [0, 0, 0]


def test_a_picture_taken_sideways_stands_upright():
    image = one_colour("black", size=(64, 32))
    image.paste("white", (0, 0, 8, 32))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter to the right: the left edge is the top
    upright = open_picture(encoded(image, "JPEG", exif=exif, quality=95), "sideways.jpg")
    assert upright.size == (32, 64)
    assert upright.getpixel((16, 2)) > (200, 200, 200)


def test_transparent_parts_are_white():
    assert network_input(encoded(one_colour((0, 0, 0, 0), "RGBA")))[0, 0].tolist() == [255, 255, 255]


def test_grey_of_sixteen_bits_keeps_its_shades():
    grey = Image.fromarray(np.full((48, 64), 0x8000, np.uint16))
    assert network_input(encoded(grey))[0, 0].tolist() == [128, 128, 128]


def test_a_large_jpeg_decoded_smaller_looks_the_same(photographs):
    large = open_picture((photographs / "animal/panda.webp").read_bytes(), "panda").resize((1600, 1200))
    exact = np.asarray(large.resize((224, 224), Image.Resampling.BICUBIC), dtype=int)
    assert abs(network_input(encoded(large, "JPEG", quality=95)) - exact).mean() < 2


@pytest.mark.parametrize("data", [b"", b"no picture", b"\xff\xd8\xff", b"%PDF-1.4"])
def test_what_is_no_picture_is_a_problem_with_its_name(data):
    with pytest.raises(Problem) as met:
        network_input(data, "kitchen.jpg")
    assert met.value.code == "picture-unreadable"
    assert "kitchen.jpg" in met.value.title()


def test_a_file_cut_short_is_refused_rather_than_guessed_at():
    whole = encoded(Image.effect_noise((300, 200), 80), "JPEG")
    with pytest.raises(Problem) as met:
        network_input(whole[: len(whole) // 2])
    assert met.value.code == "picture-unreadable"


def png_that_claims(width, height):
    """A small PNG file whose header speaks of another size."""
    data = bytearray(encoded(one_colour("red")))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8001, 10_000, 50_000])
def test_a_picture_that_would_fill_the_memory_is_refused_before_it_does(side):
    assert side * side > MAX_PIXELS
    with pytest.raises(Problem) as met:
        network_input(png_that_claims(side, side))
    assert met.value.code == "picture-unreadable"
    assert "pixels" in met.value.cause()


def outcome(data):
    """The shape of what became of the bytes, or the code of the problem."""
    try:
        return network_input(data).shape
    except Problem as problem:
        return problem.code


@pytest.mark.filterwarnings("ignore::UserWarning")  # of damaged metadata, Pillow warns and goes on
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@settings(deadline=None)
@given(kind=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP"]), cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_damaged_bytes_give_a_picture_or_the_problem_and_nothing_else(kind, cuts):
    data = bytearray(encoded(Image.linear_gradient("L").convert("RGB"), kind))
    for cut in cuts:
        data[cut % len(data)] ^= 1 + cut % 255
    assert outcome(bytes(data)) in ((224, 224, 3), "picture-unreadable")
