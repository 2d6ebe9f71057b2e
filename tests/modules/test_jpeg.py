"""Pictures are made to fit into messages."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hotori.modules.jpeg import encode_jpeg, shrunk
from hotori.problems import Problem


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    assert image.format == "JPEG"
    return image


def test_a_small_picture_keeps_its_size() -> None:
    assert opened(encode_jpeg(Image.new("RGB", (320, 240)), 200 * 1024, 1024)).size == (320, 240)


def test_a_large_picture_is_made_smaller_and_keeps_its_shape() -> None:
    assert opened(encode_jpeg(Image.new("RGB", (4000, 3000)), 200 * 1024, 1024)).size == (1024, 768)


def test_noise_gives_up_quality_before_size() -> None:
    noise = Image.effect_noise((1000, 800), 40).convert("RGB")
    data = encode_jpeg(noise, 200 * 1024, 1024)
    assert len(data) < 200 * 1024
    assert opened(data).size == (1000, 800)


@settings(deadline=None, max_examples=25)
@given(
    width=st.integers(1, 1500), height=st.integers(1, 1500), limit=st.integers(4096, 60_000), side=st.integers(32, 900)
)
def test_whatever_comes_in_fits_when_it_goes_out(width: int, height: int, limit: int, side: int) -> None:
    data = encode_jpeg(Image.effect_noise((width, height), 250).convert("RGB"), limit, side)
    assert len(data) < limit
    assert max(opened(data).size) <= side


def test_what_no_halving_makes_small_enough_is_a_problem() -> None:
    with pytest.raises(Problem) as met:
        encode_jpeg(Image.new("RGB", (10, 10)), 100, 1024, "dot.png")
    assert met.value.code == "picture-unreadable"


def test_a_thin_picture_keeps_a_pixel_of_width() -> None:
    assert shrunk(Image.new("RGB", (5000, 2)), 100).size == (100, 1)
