"""From new scans to music by a fitted decoder: loaded once, asked many times."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from .._utils.errors import Brain2MusicWarning, InputError
from ..audio.sound import Reconstruction
from ..brain.responses import Responses
from ..decoding.estimator import Decoder
from ..embeddings.embeddings import DecodedEmbeddings, Embeddings
from ..embeddings.plain import as_responses
from ..gallery.gallery import Gallery
from ..models.generator_protocols import Generator
from ..models.generators import get_generator
from .new_scans import IMAGES, as_clips, read_new_array, read_new_run


class BrainToMusic:
    """A fitted decoder with the music that it leads to: scans in, embeddings or music out.

    Everything is loaded once, so that each prediction takes milliseconds, as an online experiment needs; generating
    takes as long as the generator does.

    Parameters
    ----------
    decoder : Decoder, str or Path
        A fitted decoder, or the folder of a saved one.
    gallery : Gallery, str or Path, optional
        Music to retrieve from, in the embedding of the decoder.
    generator : Generator, str or Path, optional
        Generator that takes that embedding.

    Attributes
    ----------
    decoder : Decoder
        The decoder.
    gallery : Gallery or None
        The gallery.
    generator : Generator or None
        The generator.
    layout : Responses
        Responses to no clips: subject, TR, lag, scans and voxels that the decoder takes.

    Raises
    ------
    InputError
        There is no such model, it is damaged, or the gallery or the generator is of another embedding.

    See Also
    --------
    MusicToBrain : The other direction.
    brain2music.Decoder : The decoder by itself.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> rng = np.random.default_rng(0)
    >>> music = rng.normal(size=(60, 1, 4))
    >>> bold = music @ rng.normal(size=(4, 30)) + 0.1 * rng.normal(size=(60, 1, 30))
    >>> folder = b2m.Decoder().fit(bold[:50], music[:50]).save_pretrained("decoder")
    >>> online = b2m.BrainToMusic(folder)
    >>> decoded = online.decode(bold[50])  # one clip
    >>> decoded.data.shape, bool(np.abs(decoded.data - music[50]).max() < 0.5)
    ((1, 1, 4), True)
    """

    def __init__(
        self,
        decoder: Decoder | str | Path,
        gallery: Gallery | str | Path | None = None,
        generator: Generator | str | Path | None = None,
    ) -> None:
        self.decoder = decoder if isinstance(decoder, Decoder) else Decoder.from_pretrained(decoder)
        self.layout: Responses = self.decoder._train[0]
        self.gallery = gallery if isinstance(gallery, Gallery | None) else Gallery.open(str(gallery))
        self.generator = get_generator(generator) if isinstance(generator, str | Path) else generator
        if self.generator is not None and self.generator.space is None:
            raise InputError(f"{self.generator.name} takes no embeddings", hint="name a generator that does")
        for part in (self.gallery, self.generator):
            if part is not None and part.space is not None:
                self.decoder.space_.require_same_means(part.space)

    def read(self, scans: str | Path, events: str | Path | None = None) -> list[Responses]:
        """Read new scans from a file as the training responses were.

        A BOLD run is masked, cleaned and shifted by the lag as its training runs were, and cut into stretches as long
        as the training clips: at the onsets of a table of events, or one after another. An array is taken as prepared.

        Parameters
        ----------
        scans : str or Path
            A whole BOLD run (``.nii``, ``.nii.gz``), or an array (``.npy``) of the shape (clips, scans, voxels) or
            (scans, voxels).
        events : str or Path, optional
            Table (TSV) with a column ``onset`` in seconds; default the table beside the image, if there is one.

        Returns
        -------
        list of Responses
            Responses at each lag of the decoder, mostly one.

        Raises
        ------
        InputError
            The file is unreadable, in another space, of another TR, or has other voxels.
        """
        path = Path(scans)
        layouts = self.decoder._train
        if path.name.endswith(IMAGES):
            table, prepared = None if events is None else Path(events), self.decoder.preparation_
            read = [read_new_run(path, layouts[0], prepared, table, each.lag_tr) for each in layouts]
            return [replace(each, simulated=layouts[0].simulated) for each in read]
        if events is not None:
            raise InputError("events are given with an array", path, "give them with an image, or leave them out")
        if len(layouts) > 1:
            raise InputError(f"the decoder takes responses at {len(layouts)} lags", path, "give an image")
        return [self._as_responses(read_new_array(path, layouts[0]), path.stem)]

    def decode(self, scans: Any, form: str = "plain") -> DecodedEmbeddings:
        """Decode the embeddings of new scans.

        Parameters
        ----------
        scans : str, Path, Responses, list of Responses or array
            A file for :meth:`read`, what it returned, or prepared responses of the shape (scans, voxels) or (clips,
            scans, voxels).
        form : {"plain", "matched", "denoised"}
            As for :meth:`brain2music.Decoder.predict`.

        Returns
        -------
        DecodedEmbeddings
            Embeddings of each clip and window.

        Raises
        ------
        InputError
            The scans do not fit the decoder.

        Warns
        -----
        Brain2MusicWarning
            The scans are of another subject than the decoder.
        """
        first, *lagged = self._responses(scans)
        if first.subject and self.layout.subject and first.subject != self.layout.subject:
            text = f"scans of sub-{first.subject} are decoded by a decoder of sub-{self.layout.subject}"
            warnings.warn(text, Brain2MusicWarning, stacklevel=2)
        return self.decoder.predict(first, form, lagged=lagged)

    def retrieve(self, scans: Any, k: int = 5) -> pd.DataFrame:
        """Find the tracks of the gallery that are nearest to the decoded embedding.

        Parameters
        ----------
        scans : str, Path, Responses, DecodedEmbeddings or array
            As for :meth:`decode`, or what it returned.
        k : int, default 5
            Tracks per clip.

        Returns
        -------
        DataFrame
            As of :meth:`brain2music.Gallery.search`.

        Raises
        ------
        InputError
            There is no gallery, or the scans do not fit the decoder.
        """
        if self.gallery is None:
            raise InputError("there is no gallery to retrieve from", hint="name one when the decoder is loaded")
        return self.gallery.search(self._decoded(scans, "plain"), k)

    def generate(self, scans: Any, seconds: float = 15.0, seed: int = 0, n_samples: int = 1) -> list[Reconstruction]:
        """Generate music from the decoded embedding of each clip, the mean over its windows.

        Parameters
        ----------
        scans : str, Path, Responses or array
            As for :meth:`decode`; the denoised form of its prediction is used.
        seconds : float, default 15.0
            Duration of each piece.
        seed : int, default 0
            Seed of the random numbers.
        n_samples : int, default 1
            Pieces per clip.

        Returns
        -------
        list of Reconstruction
            ``n_samples`` pieces per clip, all of the first clip first.

        Raises
        ------
        InputError
            There is no generator, or the scans do not fit the decoder.
        """
        if self.generator is None:
            raise InputError("there is no generator", hint="name one when the decoder is loaded")
        decoded = self._decoded(scans, "denoised")
        given = Embeddings(decoded.mean[:, None], decoded.names, decoded.space)
        return self.generator.generate(embedding=given, seconds=seconds, seed=seed, n_samples=n_samples)

    def _decoded(self, scans: Any, form: str) -> DecodedEmbeddings:
        return scans if isinstance(scans, DecodedEmbeddings) else self.decode(scans, form)

    def _responses(self, scans: Any) -> list[Responses]:
        if isinstance(scans, str | Path):
            return self.read(scans)
        if isinstance(scans, Responses):
            return [scans]
        if isinstance(scans, list) and scans and all(isinstance(each, Responses) for each in scans):
            return scans
        return [self._as_responses(as_clips(scans, self.layout), "scans")]

    def _as_responses(self, clips: Any, name: str) -> Responses:
        names = tuple(f"{name}-{row + 1}" if len(clips) > 1 else name for row in range(len(clips)))
        made = as_responses(clips, self.layout.tr, names)
        layout = self.layout
        return replace(made, subject=layout.subject, lag_tr=layout.lag_tr, simulated=layout.simulated)
