"""Bytes to the network's input: the one way, in training and in prediction alike."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from hotori.problems import Problem
from hotori.problems.vision import PICTURE_UNREADABLE

SIDE = 224
"""Height and width of the network's input, in pixels."""

MAX_PIXELS = 64_000_000
"""Larger pictures are refused before they are decoded."""

Input: TypeAlias = npt.NDArray[np.uint8]
"""A picture as the network takes it: (224, 224, 3), RGB, 0 to 255."""

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
# What Pillow's decoders raise on damaged data; the fuzz test in tests/vision keeps this list honest.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, IndexError, KeyError, TypeError, OverflowError)


def open_picture(data: bytes, name: str, at_least: int | None = None) -> Image.Image:
    """Decode to an upright RGB image. Raises `picture-unreadable`, calling the picture `name`.

    Transparent parts become white, 16-bit grey becomes 8-bit. With `at_least`, a JPEG may be decoded at 1/2, 1/4 or
    1/8 of its size, as long as both sides keep that many pixels: quicker, and the same for everyone who asks the same.
    """
    try:
        image = Image.open(BytesIO(data), formats=_FORMATS)
        if image.width * image.height > MAX_PIXELS:
            raise _unreadable(name, f"{image.width} x {image.height} pixels are more than {MAX_PIXELS}")
        if at_least is not None:
            image.draft("RGB", (at_least, at_least))
        return _rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _unreadable(name, str(error)) from error
    except _DAMAGE as error:
        raise _unreadable(name, _reason(data, error)) from error


def network_input(data: bytes, name: str = "picture") -> Input:
    """Decode, squash to a square (bicubic; nothing is cropped away). Raises `picture-unreadable`."""
    image = open_picture(data, name, at_least=2 * SIDE)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), dtype=np.uint8)


def _rgb(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    if image.mode.startswith("I"):
        grey = np.asarray(image, dtype=np.int64) >> 8
        image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
    return image.convert("RGB")


def _reason(data: bytes, error: Exception) -> str:
    if not data:
        return "it is empty"
    if isinstance(error, UnidentifiedImageError):
        return "its first bytes are those of no known picture format"
    return str(error) or type(error).__name__


def _unreadable(name: str, reason: str) -> Problem:
    return Problem(PICTURE_UNREADABLE, picture=name, reason=reason)
