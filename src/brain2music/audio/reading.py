"""Opening of sound files of all formats, whatever their headers and names say.

libsndfile reads most formats, and PyAV (FFmpeg) the others where it is installed; the first bytes decide, not the name.
Headers without a length, or with a false one, are repaired (:mod:`.header_repair`). Of a damaged file, the part that
decodes is used with a warning where it is at least half, and otherwise the file is refused: the same for all commands.
"""

from pathlib import Path

from .._utils.errors import InputError
from .header_repair import container_type
from .paths import as_path
from .reader import HINT_REPLACE, Reader
from .sndfile_reader import SndfileReader

SHORTEST_S = 0.05
"""Least duration of a sound file in seconds."""
_FORMATS = "wav, flac, ogg or mp3"


def open_sound(path: str | Path, least_s: float = SHORTEST_S) -> Reader:
    """Open a sound file of any readable format that holds at least ``least_s`` seconds.

    A path whose bytes are not UTF-8 may be given in its printed form (:mod:`.paths`).

    Raises
    ------
    InputError : the file is missing, empty, not sound, or needs PyAV, which is not installed; or it holds too little
        sound, or less than half of what its header promises.
    """
    import soundfile

    path = as_path(path)
    if not path.is_file():
        raise _no_file(path)
    try:
        if path.stat().st_size == 0:
            raise InputError("the sound file is empty", path, HINT_REPLACE)
        try:
            sound: Reader = SndfileReader(path)
        except soundfile.LibsndfileError as error:
            sound = _open_with_ffmpeg(path, error)
    except OSError as error:
        raise InputError(f"the sound file cannot be read ({error.strerror})", path, "check its permissions") from None
    if sound.frames < least_s * sound.sample_rate:
        sound.close()
        raise _too_short(sound)
    return sound


def _no_file(path: Path) -> InputError:
    if path.is_dir():
        return InputError("this is a folder, not a sound file", path, "name a file in it")
    if path.exists():
        return InputError("this is a pipe or a device, not a sound file", path, "save the sound to a file first")
    return InputError("the sound file is missing", path, "check the path")


def _too_short(sound: Reader) -> InputError:
    if sound.frames == 0:
        return InputError("the sound file holds no samples", sound.path, HINT_REPLACE)
    what = f"the sound file holds {1000 * sound.frames / sound.sample_rate:.3g} ms of sound only"
    return InputError(what, sound.path, f"give {1000 * SHORTEST_S:g} ms or more")


def _open_with_ffmpeg(path: Path, error: Exception) -> Reader:
    from .ffmpeg_reader import FfmpegReader, is_available

    kind = container_type(path)
    if is_available():
        return FfmpegReader(path, kind)
    if kind:
        raise InputError(
            f"this is {kind} sound, which needs PyAV", path, "pip install 'brain2music[formats]', or convert it to flac"
        )
    raise InputError("this is not a readable sound file", path, f"convert it to {_FORMATS}") from error
