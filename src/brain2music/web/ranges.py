"""Answers with a file or a part of it, as browsers ask for to play and to seek (RFC 9110, section 14)."""

import re

from starlette.requests import Request
from starlette.responses import Response

MOST_PARTS = 20
"""Parts of one request that are still answered with all."""
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def respond(request: Request, data: bytes, media_type: str, etag: str, cache: str) -> Response:
    """Answer with all of ``data`` (200), the part that was asked for (206), nothing new (304), or a refusal (416).

    Several parts at once are answered with all, which the standard allows; what is no range at all is refused.
    """
    headers = {"accept-ranges": "bytes", "etag": f'"{etag}"', "cache-control": cache}
    asked = request.headers.get("range")
    if asked is None or ((condition := request.headers.get("if-range")) is not None and condition != headers["etag"]):
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(data, media_type=media_type, headers=headers)
    if _is_several(asked):
        return Response(data, media_type=media_type, headers=headers)
    part = part_of(asked, len(data))
    if part is None:
        headers["content-range"] = f"bytes */{len(data)}"
        return Response(status_code=416, headers=headers)
    first, last = part
    headers["content-range"] = f"bytes {first}-{last}/{len(data)}"
    return Response(data[first : last + 1], status_code=206, media_type=media_type, headers=headers)


def _is_several(asked: str) -> bool:
    parts = asked.removeprefix("bytes=").split(",")
    return 1 < len(parts) <= MOST_PARTS and all(part_of(f"bytes={part.strip()}", 1 << 62) for part in parts)


def part_of(asked: str, size: int) -> tuple[int, int] | None:
    """The first and the last byte of a range header; None where it names no part of ``size`` bytes.

    Examples
    --------
    >>> from brain2music.web.ranges import part_of
    >>> part_of("bytes=0-99", 1000), part_of("bytes=900-", 1000), part_of("bytes=-10", 1000), part_of("bytes=5-1", 9)
    ((0, 99), (900, 999), (990, 999), None)
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        return None
    start, end = found.groups()
    if not start:  # the last bytes
        first, last = max(0, size - int(end)), size - 1
        return None if int(end) == 0 or size == 0 else (first, last)
    first, last = int(start), min(int(end), size - 1) if end else size - 1
    return (first, last) if first <= last and first < size else None
