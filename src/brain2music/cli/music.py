"""Commands on embeddings and galleries: embed, gallery build, search and info, models."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .options import EmbeddingName, Jobs

app = typer.Typer()
gallery_app = typer.Typer(no_args_is_help=True, help="Music that exists: build, search and inspect a gallery.")
app.add_typer(gallery_app, name="gallery")


@app.command()
def embed(
    audio: Annotated[list[Path], typer.Argument(help="Files or folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Parquet file to write.")],
    embedding: EmbeddingName = "musicnn-mtt",
) -> None:
    """Embed audio files or folders of them."""
    from ..audio.io import find_audio
    from ..embed.clips import embed_files
    from ..embed.registry import get_embedder
    from ..embed.store import save_embeddings

    files = [file for path in audio for file in (find_audio(path) if path.is_dir() else [path])]
    save_embeddings(output, embed_files(files, get_embedder(embedding)))
    print(output)


@gallery_app.command("build")
def gallery_build(
    folder: Path,
    out: Path,
    embedding: EmbeddingName = "musicnn-mtt",
    metadata: Annotated[Path | None, typer.Option(help="CSV or TSV: file, title, artist, genre, licence.")] = None,
    n_jobs: Jobs = None,
) -> None:
    """Embed a folder of music into a gallery; running again adds only what is new."""
    from ..embed.registry import get_embedder
    from ..gallery.build import build_gallery
    from ..progress import progress

    with progress("gallery") as advance:
        built = build_gallery(folder, out, get_embedder(embedding), metadata=metadata, n_jobs=n_jobs, progress=advance)
    print(f"{out}: {len(built.tracks)} tracks in {built.space.name}")


@gallery_app.command("search")
def gallery_search(
    gallery: Path,
    like: Annotated[Path | None, typer.Option(help="Find music like this recording.")] = None,
    text: Annotated[str | None, typer.Option(help="Find music that this text describes.")] = None,
    embedding: Annotated[Path | None, typer.Option(help="Find music at this vector (.npy).")] = None,
    k: Annotated[int, typer.Option("-k", help="How many tracks.", min=1)] = 10,
) -> None:
    """Search a gallery by a recording, by a text or by an embedding."""
    from ..gallery.gallery import Gallery
    from ..gallery.query import search_like, search_text, search_vector

    if sum(given is not None for given in (like, text, embedding)) != 1:
        raise typer.BadParameter("give one of --like, --text and --embedding")
    opened = Gallery.open(gallery)
    if like is not None:
        hits = search_like(opened, like, k)
    if text is not None:
        hits = search_text(opened, text, k)
    if embedding is not None:
        hits = search_vector(opened, embedding, k)
    print(hits.to_string(index=False))


@gallery_app.command("info")
def gallery_info(gallery: Path) -> None:
    """Say what a gallery holds."""
    from ..gallery.gallery import Gallery

    opened = Gallery.open(gallery)
    print(f"{len(opened.tracks)} tracks, {opened.space.dims} dims, {opened.space.name} {opened.space.sha256[:12]}")
    print(opened.tracks.groupby("licence").size().rename("tracks").to_string())


@app.command()
def models(
    action: Annotated[Literal["pull"] | None, typer.Argument(help="Fetch weights from their package.")] = None,
    name: Annotated[str, typer.Argument(help="Whose weights.")] = "musicnn",
) -> None:
    """List the embeddings: name, what it is, where its weights come from, whether they are here."""
    from ..embed.registry import models as listing
    from ..embed.registry import pull

    if action == "pull":
        pull(name)
        return
    for entry in listing():
        print(entry)
