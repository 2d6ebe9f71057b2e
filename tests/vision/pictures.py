"""Small pictures to test with."""

from io import BytesIO

from PIL import Image


def picture_file(colour="red", size=(64, 48), kind="PNG", **options):
    """A picture of one colour, as the bytes of a file."""
    file = BytesIO()
    Image.new("RGB", size, colour).save(file, kind, **options)
    return file.getvalue()
