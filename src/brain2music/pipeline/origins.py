"""Origins of outputs: digests of the inputs of each step, and the settings that it sees."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from .._utils.files import digest_array, digest_text
from ..brain.source import Source
from ..decoding.registry import in_form
from ..embeddings.protocols import Embedder, TextEmbedder
from ..gallery.gallery import Gallery
from ..metrics.score import COLUMNS
from .context import Music, SubjectContext
from .settings import StageName, visible_settings


def made_from(context: SubjectContext, embedder: Embedder, music: Music) -> dict[str, str]:
    """Digests of what a subject is decoded from in one embedding: responses and embeddings of the clips."""
    name, clips = embedder.space.name, context.source.clips_presented(context.subject)
    return {**context.digests, "division": context.division, f"embeddings in {name}": music.digest(name, clips)}


def captions_of(embedder: Embedder, music: Music) -> dict[str, str]:
    """Captions with which clips are identified and searched, where the embedding embeds text."""
    if not music.captions or not isinstance(embedder, TextEmbedder):
        return {}
    return {"captions": digest_text("\n".join(f"{track}\t{text}" for track, text in music.captions.items()))}


def judged_by(context: SubjectContext, music: Music) -> dict[str, str]:
    """Digests of the sounds with which retrieved or generated music is compared."""
    return {"stimuli": music.presented(context.source.clips_presented(context.subject))}


def gallery_digests(gallery: Gallery) -> dict[str, str]:
    """Digests of the vectors of a gallery and of its table of tracks."""
    rows = pd.util.hash_pandas_object(gallery.tracks, index=False).to_numpy()
    digest = digest_array(rows) + digest_text("\t".join(gallery.tracks.columns))
    return {"gallery": digest_array(np.asarray(gallery.vectors)), "tracks of the gallery": digest}


def step_settings(
    stage: StageName, context: SubjectContext, embedder: Embedder | None = None, music: Music | None = None
) -> dict[str, Any]:
    """Settings of a step: those of the run that it sees, its embedding, and the evaluation embeddings."""
    settings = {**visible_settings(stage, context.config), **of_source(context.source), "lag_tr": context.lag_tr}
    if embedder is not None:
        settings["space"] = asdict(embedder.space)
    if music is not None:
        settings["judges"] = [asdict(each.space) for each in music.audio_embedders]
    if stage == "generate":
        settings["given"] = in_form(context.config.decoding.decoder, "denoised")
    return settings


def of_source(source: Source) -> dict[str, Any]:
    """What scores repeat of the study, into how many folds it is divided, and the columns of scores."""
    of_study = {"simulated": source.simulated, "note": source.note, "folds of clips": source.folds}
    return {**of_study, "columns of scores": list(COLUMNS)}
