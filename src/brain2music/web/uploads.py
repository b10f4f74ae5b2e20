"""Uploaded sounds: received to a file as they arrive, and decoded by a process of bounded memory, time and output."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .limits import Limits, Refusal

TYPES = frozenset(
    {
        *("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", "audio/mpeg", "audio/mp3", "audio/flac"),
        *("audio/x-flac", "audio/ogg", "audio/opus", "audio/vorbis", "audio/aiff", "audio/x-aiff", "application/ogg"),
    }
)
"""Media types that are decoded."""
DECODE_S = 45.0


@dataclass(frozen=True)
class Uploaded:
    """A decoded upload: its file, seconds, channels and sample rate in Hz."""

    path: Path
    seconds: float
    channels: int
    sample_rate: int


class Uploads:
    """Receiver of sounds.

    Parameters
    ----------
    folder : Path
        Where decoded sounds are kept.
    limits : Limits
        Size and duration of a sound, and how many are received at once.
    """

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.folder, self.limits, self.receiving = folder, limits, 0
        folder.mkdir(parents=True, exist_ok=True)

    async def receive(self, media_type: str, stream: AsyncIterator[bytes]) -> Uploaded:
        """Receive and decode one sound.

        Raises
        ------
        Refusal
            415 for another type, 413 for too much, 422 for what is no sound or lasts too long, 429 while others are
            received.
        """
        if media_type.partition(";")[0].strip().lower() not in TYPES:
            raise Refusal(415, "upload a sound file: wav, mp3, flac, ogg or aiff")
        if self.receiving >= self.limits.uploads_at_once:
            raise Refusal(429, "other sounds are being uploaded; try again in a moment", {"retry-after": "5"})
        self.receiving += 1
        raw = self.folder / f"{secrets.token_hex(12)}.upload"
        try:
            await self._write(raw, stream)
            return await self._decode(raw)
        finally:
            self.receiving -= 1
            raw.unlink(missing_ok=True)

    async def _write(self, raw: Path, stream: AsyncIterator[bytes]) -> None:
        size = 0
        with raw.open("wb") as file:
            async for block in stream:
                size += len(block)
                if size > self.limits.upload_bytes:
                    raise Refusal(413, f"the file is larger than {self.limits.upload_bytes / 2**20:g} MiB")
                await asyncio.to_thread(file.write, block)
        if size == 0:
            raise Refusal(422, "the upload is empty")

    async def _decode(self, raw: Path) -> Uploaded:
        """Decode in a process of its own, which is killed where it takes too long."""
        made = raw.with_suffix(".flac")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "brain2music.web.decode_upload", str(raw), str(made), str(self.limits.upload_s)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        try:
            told, _ = await asyncio.wait_for(process.communicate(), DECODE_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            made.unlink(missing_ok=True)
            raise Refusal(422, "the sound takes too long to decode") from None
        except BaseException:
            process.kill()
            raise
        said = _said(told)
        if process.returncode or "error" in said:
            made.unlink(missing_ok=True)
            raise Refusal(422, str(said.get("error", "this is not a readable sound file, or needs too much memory")))
        return Uploaded(made, said["seconds"], said["channels"], said["sample_rate"])


def _said(told: bytes) -> dict[str, Any]:
    try:
        said = json.loads(told)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
