"""Anchors of generation: the tracks of a gallery that are nearest to an embedding."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32

from ..models.anchored import Anchor, Retrieve
from .gallery import Gallery


def anchors_from(
    gallery: Gallery, k: int = 1, exclude: Iterable[str] = (), centre: Float[np.ndarray, " dims"] | float | None = None
) -> Retrieve:
    """Make the search of a gallery that :class:`~brain2music.models.anchored.AnchoredGenerator` retrieves by.

    Parameters
    ----------
    gallery : Gallery
        Of the generator's embedding, whose sound files are at hand.
    k : int, default 1
        Tracks per item.
    exclude : iterable of str
        Tracks that must not be found, such as those that were presented.
    centre : (dims,) array or float, optional
        As for :meth:`Gallery.nearest`.

    Returns
    -------
    callable
        From embeddings (items, dims) to anchors, the nearest first.

    Examples
    --------
    >>> retrieve = anchors_from(b2m.Gallery.open("gallery"), k=3)  # doctest: +SKIP
    >>> retrieve(decoded.mean)[0][0].similarity  # doctest: +SKIP
    0.87
    """
    where = gallery.select(exclude=exclude, warn=False)
    paths, starts = list(gallery.tracks["path"]), list(gallery.tracks["start_s"])

    def retrieve(vectors: Float32[np.ndarray, "items dims"]) -> list[list[Anchor]]:
        hits = gallery.nearest(vectors, k, space=gallery.space, centre=centre, where=where)
        return [
            [
                Anchor(Path(paths[track]), float(cosine), float(starts[track]))
                for track, cosine in zip(*row, strict=True)
            ]
            for row in zip(hits.indices, hits.cosines, strict=True)
        ]

    return retrieve
