"""musicnn's tags as a tagger: what the Million Song Dataset and MagnaTagATune call genres, moods and instruments."""

from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ...audio.waveforms import AnyWaveform
from ...embeddings.embeddings import EmbeddingSpace
from .musicnn_embedder import SAMPLE_RATE, MusicnnEmbedder, package_folder


class MusicnnTagger:
    """Probabilities of the 100 tags of both models of musicnn, averaged over the sound.

    Names of tags begin with the model that gives them ("msd: jazz", "mtt: flute"), as both know some of the same words.

    Parameters
    ----------
    folder : Path, optional
        Folder of the ``musicnn`` package; default where it is installed.

    Raises
    ------
    InputError
        The weights are not installed, or damaged.

    References
    ----------
    Pons and Serra, "musicnn: pre-trained convolutional neural networks for music audio tagging" (2019, arXiv
    1909.06654).
    """

    def __init__(self, folder: Path | None = None) -> None:
        folder = folder or package_folder()
        self._models = [MusicnnEmbedder(model, folder=folder) for model in ("msd", "mtt")]
        digest = "+".join(each.space.sha256 for each in self._models)
        self.space = EmbeddingSpace("musicnn-tags", "1", digest, 100, 10.0, 1.5, SAMPLE_RATE)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Tags, in the order of :meth:`classes`."""
        names = zip(("msd", "mtt"), self._models, strict=True)
        return tuple(f"{model}: {tag}" for model, each in names for tag in each.tag_names)

    def classes(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, " 100"]:
        """Compute the probability of every tag, averaged over the sound."""
        parts = [each.tags(waveform, sample_rate).mean(axis=0) for each in self._models]
        return np.concatenate(parts).astype(np.float32)
