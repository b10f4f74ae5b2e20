"""Pictures inside a page: WebP as data URI."""

import base64
import io
from pathlib import Path
from typing import TYPE_CHECKING

from brain2music._utils.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_BYTES = 200_000
WIDEST = 1600


def shrunken(path: Path) -> str:
    """A picture file as a ``data:image/webp`` URI of at most 200 kB and 1600 pixels across.

    Raises
    ------
    InputError
        If the file is not a readable picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"this is not a readable picture ({error})", path, "run the study again") from None
    picture.thumbnail((WIDEST, WIDEST))
    while len(uri := data_uri(picture, quality=82)) > MOST_BYTES:
        picture = picture.resize((max(1, picture.width * 3 // 4), max(1, picture.height * 3 // 4)))
    return uri


def data_uri(picture: "Image", quality: int) -> str:
    """A picture as a ``data:image/webp`` URI."""
    held = io.BytesIO()
    picture.save(held, format="WEBP", quality=quality, method=4)
    return "data:image/webp;base64," + base64.b64encode(held.getvalue()).decode("ascii")
