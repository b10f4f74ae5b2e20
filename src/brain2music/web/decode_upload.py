"""Decode one uploaded sound: ``python -m brain2music.web.decode_upload RAW OUT.flac SECONDS``.

The process takes bounds on its memory, its time and what it may write before it looks at the file, and says what it
found as JSON. What a client sends is read here and nowhere else.
"""

import json
import sys
import warnings
from pathlib import Path

MEMORY, CPU_S, OUTPUT, FILES = 2 << 30, 30, 256 << 20, 64
MOST_CHANNELS, HIGHEST = 8, 192_000


def main() -> None:
    """Decode the file of the command line."""
    raw, out, seconds = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
    _bound()
    from .._utils.errors import InputError

    warnings.simplefilter("ignore")
    try:
        print(json.dumps(_decode(raw, out, seconds)))
    except InputError as error:
        print(json.dumps({"error": f"{error.what}" + (f"; {error.hint}" if error.hint else "")}))
    except (MemoryError, OSError, ValueError, RuntimeError):
        print(json.dumps({"error": "this is not a readable sound file"}))


def _bound() -> None:
    """Take the limits, where the system has them."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for what, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, OUTPUT),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _decode(raw: Path, out: Path, most_s: float) -> dict[str, float | int]:
    import numpy as np
    import soundfile

    from .._utils.errors import InputError
    from ..audio.io import require_sound, resample
    from ..audio.reading import open_sound

    with open_sound(raw) as sound:
        rate, seconds = sound.sample_rate, sound.frames / sound.sample_rate
        if seconds > most_s:
            raise InputError(f"the sound lasts {seconds:.0f} s", hint=f"upload {most_s:g} s at most")
        if sound.channels > MOST_CHANNELS or not 1000 <= rate <= HIGHEST:
            what = f"the sound has {sound.channels} channels at {rate} Hz"
            raise InputError(what, hint="upload mono or stereo at up to 192 kHz")
        samples = sound.read(0, sound.frames)
    require_sound(samples, raw)
    if samples.shape[0] > 2:
        samples = samples.mean(axis=0, keepdims=True, dtype=np.float32)
    if rate > 48_000:
        samples, rate = resample(samples, rate, 48_000), 48_000
    if float(np.abs(samples).max()) == 0:
        raise InputError("the sound is silent", hint="upload another")
    soundfile.write(out, np.clip(samples, -1, 1).T, rate, format="FLAC", subtype="PCM_16")
    return {"seconds": samples.shape[1] / rate, "channels": samples.shape[0], "sample_rate": rate}


if __name__ == "__main__":
    main()
