"""Commands on embeddings and galleries: embed, gallery build, search and info, models."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import EmbeddingName, Jobs, Overwrite

Patterns = Annotated[list[str] | None, typer.Option(help="Only such tracks, such as 'CC-BY*'; repeatable.")]
Excluded = Annotated[
    list[str] | None, typer.Option(help="Not these tracks: ids, paths, names or patterns; repeatable.")
]

app = typer.Typer()
gallery_app = typer.Typer(no_args_is_help=True, help="Music that exists: build, search and inspect a gallery.")
app.add_typer(gallery_app, name="gallery")


@app.command()
def embed(
    audio: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file to write.")],
    embedding: EmbeddingName = "musicnn-mtt",
    overwrite: Overwrite = False,
) -> None:
    """Embed audio files or folders of them; those that cannot be embedded are named and left out."""
    from .._utils.destinations import require_output
    from .._utils.errors import InputError
    from ..audio.find import describe
    from ..embeddings.clips import embed_files
    from ..embeddings.listing import list_files
    from ..embeddings.store import save_embeddings
    from ..models.embedders import get_embedder

    found = list_files(audio)
    if found.passed_over:
        print(f"warning: passed over: {describe(found.passed_over)}", file=sys.stderr)
    require_output(output, found.files, (".parquet",), overwrite=overwrite)
    refused = list[Path]()

    def refuse(path: Path, error: InputError) -> None:
        refused.append(path)
        print(f"warning: not embedded: {error}", file=sys.stderr)

    save_embeddings(output, embed_files(found.files, get_embedder(embedding), refused=refuse))
    if refused:
        print(f"warning: {len(refused)} of {len(found.files)} files are not in {output}", file=sys.stderr)
    print(output)


@gallery_app.command("build")
def gallery_build(
    music: Annotated[Path, typer.Argument(help="A folder of music (also FMA's), or a table of files.")],
    out: Annotated[str, typer.Argument(help="Folder, or URL of object storage.")],
    embedding: EmbeddingName = "musicnn-mtt",
    metadata: Annotated[
        Path | None, typer.Option(help="TSV, CSV or Parquet: file, title, artist, genre, licence; FMA's or Jamendo's.")
    ] = None,
    half: Annotated[bool, typer.Option("--half", help="Store vectors in 16 bits.")] = False,
    window_s: Annotated[
        float | None, typer.Option(help="Seconds of sound per vector, as in a run's settings; default the model's own.")
    ] = None,
    exclude: Excluded = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove tracks of other folders too where their files are gone.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait for another build of the same gallery.")] = True,
    n_jobs: Jobs = None,
    scheduler: Annotated[str | None, typer.Option(help="Address of a Dask scheduler, instead of processes.")] = None,
) -> None:
    """Embed music into a gallery: a second folder is added; running again takes what is new, changed or gone."""
    from .._utils.progress import progress
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
    gallery: str,
    like: Annotated[Path | None, typer.Option(help="Find music like this recording.")] = None,
    text: Annotated[str | None, typer.Option(help="Find music that this text describes.")] = None,
    embedding: Annotated[Path | None, typer.Option(help="Find music at this vector (.npy).")] = None,
    k: Annotated[int, typer.Option("-k", help="How many tracks.", min=1)] = 10,
    licence: Patterns = None,
    genre: Patterns = None,
    artist: Patterns = None,
    exclude: Excluded = None,
    exclude_artist: Annotated[list[str] | None, typer.Option(help="Not these artists; repeatable.")] = None,
    duplicates: Annotated[bool, typer.Option(help="Find marked duplicates too.")] = True,
) -> None:
    """Search a gallery by a recording, by a text or by an embedding, among the tracks that pass the filters."""
    from ..gallery.gallery import Gallery
    from ..gallery.query import search_like, search_text, search_vector

    if sum(given is not None for given in (like, text, embedding)) != 1:
        raise typer.BadParameter("give one of --like, --text and --embedding")
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
    if embedding is not None:
        hits = search_vector(opened, embedding, k, where=where)
    print(hits.to_string(index=False))


@gallery_app.command("duplicates")
def gallery_duplicates(
    gallery: str,
    cosine: Annotated[float, typer.Option(help="How alike two embeddings must be.")] = 0.98,
    seconds: Annotated[float, typer.Option(help="By how much lengths may differ.")] = 1.0,
) -> None:
    """Mark recordings that a gallery holds twice; search --no-duplicates then passes over them."""
    from ..gallery.duplicates import mark_duplicates
    from ..gallery.gallery import Gallery

    found = mark_duplicates(Gallery.open(gallery), cosine, seconds)
    print(found.to_string(index=False) if len(found) else "no duplicates")


@gallery_app.command("info")
def gallery_info(
    gallery: str,
    check: Annotated[bool, typer.Option("--check", help="Compare every file with its digest.")] = False,
) -> None:
    """Say what a gallery holds."""
    from ..gallery.gallery import Gallery

    opened = Gallery.open(gallery, check)
    print(f"{len(opened)} tracks, {opened.space.dims} dims, {opened.space.name} {opened.space.sha256[:12]}")
    print("exact search" if opened.measured is None else f"approximate search, recall {opened.measured.recall:.3f}")
    print(f"{int((opened.tracks['duplicate_of'] != '').sum())} marked as duplicates")
    print(opened.tracks.groupby("licence").size().rename("tracks").to_string())


@app.command()
def models(
    action: Annotated[Literal["pull"] | None, typer.Argument(help="Fetch weights from their package.")] = None,
    name: Annotated[str, typer.Argument(help="Whose weights.")] = "musicnn",
) -> None:
    """List the embeddings and the codecs: name, whether it is here, what it is, where its weights come from."""
    from ..models.codecs import listing as codecs
    from ..models.embedders import models as listing
    from ..models.embedders import pull

    if action == "pull":
        pull(name)
        return
    for entry in (*listing(), *codecs()):
        print(entry)
