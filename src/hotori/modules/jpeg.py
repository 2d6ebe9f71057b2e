"""Pictures to JPEG files that fit into a message."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from hotori.problems import Problem
from hotori.problems.vision import PICTURE_UNREADABLE

QUALITIES = (90, 80, 70, 55, 40, 25)
"""Tried from the best down until the file is small enough."""


def encode_jpeg(image: Image.Image, max_bytes: int, long_side: int, name: str = "picture") -> bytes:
    """An RGB image as a JPEG file of fewer than `max_bytes` bytes, no side longer than `long_side` pixels.

    Where even the lowest quality is too large, the picture is halved, again and again. Raises
    `picture-unreadable` for what no halving makes small enough.
    """
    while min(image.size) > 0:
        image = shrunk(image, long_side)
        for quality in QUALITIES:
            data = _encode(image, quality)
            if len(data) < max_bytes:
                return data
        if max(image.size) == 1:
            break
        long_side = max(image.size) // 2
    raise Problem(PICTURE_UNREADABLE, picture=name, reason=f"it does not fit into {max_bytes} bytes")


def shrunk(image: Image.Image, long_side: int) -> Image.Image:
    """The picture, or a smaller one of the same shape; never a larger one."""
    longest = max(image.size)
    if longest <= long_side:
        return image
    width, height = (max(1, round(side * long_side / longest)) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _encode(image: Image.Image, quality: int) -> bytes:
    file = BytesIO()
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()
