"""Commands on codecs: encode, decode."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT = "mel-tokens-6k"

app = typer.Typer()


@app.command()
def encode(
    audio: Annotated[Path, typer.Argument(help="A sound file, in mono or stereo, at any rate and of any length.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The safetensors file of codes to write.")],
    codec: Annotated[
        str,
        typer.Option(
            help="A codec's name, or a trained model's folder. mel-tokens-6k sounds best of ours at this rate, "
            "soundstream-small decodes a hundred times faster."
        ),
    ] = DEFAULT,
    levels: Annotated[
        int | None, typer.Option(help="Levels of SoundStream's quantiser; fewer take fewer bits.")
    ] = None,
) -> None:
    """Turn a sound file into codes: tokens or latents."""
    from ..codec.files import encode_file
    from ..codec.registry import get_codec
    from ..progress import progress

    chosen = get_codec(codec, levels)
    with progress("encode") as advance:
        encode_file(audio, output, chosen, advance)
    print(f"{output}: {chosen.name} at {chosen.kbps:g} kbps")


@app.command()
def decode(
    file: Annotated[Path, typer.Argument(help="A file that `encode` wrote.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The wav file to write.")],
) -> None:
    """Turn codes back into sound."""
    from ..codec.files import decode_file
    from ..progress import progress

    with progress("decode") as advance:
        decode_file(file, output, advance)
    print(output)
