"""Responses and music that a run decodes, each loaded when it is first used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int

from .._utils.files import digest_array, digest_text
from .._utils.progress import progress
from ..brain.responses import Responses
from ..brain.source import Source
from ..config import RunConfig
from ..decoding.decoded import Decoded
from ..decoding.fits import RidgeSettings
from ..decoding.subject import SubjectDecoder
from ..embeddings.captions import embed_captions, with_captions
from ..embeddings.clips import embed_clips
from ..embeddings.embeddings import Embeddings
from ..embeddings.protocols import Embedder, TextEmbedder
from ..metrics.builder import ScoreBuilder
from ..metrics.score import ScoredStage
from ..study.folds import FoldPlan, group_clips
from ..study.study import Clip
from .dividing import outer_folds, plan_division, unseen_genres
from .listen import sound_digests
from .outputs import Outputs
from .refits import N_REFITS, N_REFITS_IN_FOLDS

LABELS = ("genre-onehot", "mulan-text")
"""Embeddings of what is known of a clip: not of its sound, so that they judge nothing."""


@dataclass(frozen=True)
class Music:
    """Clips of a study in every embedding of the run.

    ``embedders`` are decoded and evaluate what is retrieved and generated; ``judges`` only evaluate. ``captions`` maps
    tracks to texts, where the run has captions.
    """

    source: Source
    embedders: tuple[Embedder, ...]
    outputs: Outputs
    judges: tuple[Embedder, ...] = ()
    captions: Mapping[str, str] = field(default_factory=dict)
    _done: dict[str, Embeddings] = field(default_factory=dict, init=False)
    _captions: dict[str, dict[str, Float32[np.ndarray, " dims"]]] = field(default_factory=dict, init=False)

    def __getitem__(self, name: str) -> Embeddings:
        """All clips, training clips first, in the named embedding."""
        if name not in self._done:
            clips = self.captioned((*self.source.train_clips, *self.source.test_clips))
            with progress(f"embed {name}") as advance:
                self._done[name] = embed_clips(
                    clips, self.source.stimuli, self.embedder(name), self.outputs.embeddings, advance
                )
        return self._done[name]

    def embedder(self, name: str) -> Embedder:
        """The named embedder."""
        return next(embedder for embedder in (*self.embedders, *self.judges) if embedder.space.name == name)

    @property
    def audio_embedders(self) -> list[Embedder]:
        """The embedders of sound, which may judge it."""
        return [each for each in (*self.embedders, *self.judges) if each.space.name not in LABELS]

    def captioned(self, clips: tuple[Clip, ...]) -> tuple[Clip, ...]:
        """The clips with the run's captions; as they are, where it has none."""
        return with_captions(clips, dict(self.captions)) if self.captions else clips

    def captions_in(self, name: str, clips: tuple[Clip, ...]) -> Float32[np.ndarray, "clips dims"] | None:
        """The run's captions of clips in the named embedding, if it embeds text and there are such."""
        embedder = self.embedder(name)
        if not self.captions or not isinstance(embedder, TextEmbedder):
            return None
        if name not in self._captions:
            every = self.captioned((*self.source.train_clips, *self.source.test_clips))
            vectors = embed_captions(every, embedder)
            self._captions[name] = {clip.name: vector for clip, vector in zip(every, vectors, strict=True)}
        return np.stack([self._captions[name][clip.name] for clip in clips])

    def digest(self, name: str, clips: Iterable[Clip]) -> str:
        """sha256 of the embeddings of some clips, in whatever order: what changes in sound or model changes it."""
        row = {each: i for i, each in enumerate(self[name].names)}
        names = sorted({clip.name for clip in clips})
        return digest_array(self[name].data[[row[each] for each in names]]) + digest_text("\n".join(names))

    @cached_property
    def sounds(self) -> dict[Clip, str]:
        """Of every clip the digest of what its presented sound is made from, without its being read."""
        return sound_digests(self.source)

    def presented(self, clips: Iterable[Clip]) -> str:
        """sha256 of what the presented sounds of some clips are made from."""
        return digest_text("\n".join(sorted(f"{clip.name}\t{self.sounds[clip]}" for clip in set(clips))))

    def means(self, name: str, clips: tuple[Clip, ...]) -> Float32[np.ndarray, "clips dims"]:
        """One vector per clip, the mean over its windows."""
        row = {each: i for i, each in enumerate(self[name].names)}
        return self[name].mean[[row[clip.name] for clip in clips]]


@dataclass(frozen=True)
class SubjectContext:
    """One subject of a run; responses at the main lag are kept in memory, and those at other lags are loaded again."""

    source: Source
    subject: str
    config: RunConfig

    @cached_property
    def digests(self) -> dict[str, str]:
        """sha256 of all that the responses are made from."""
        return self.source.digests(self.subject)

    @property
    def lag_tr(self) -> int:
        """Scans by which responses follow the sound: the lag of the settings at this subject's TR."""
        source = self.source
        return self.config.lag_in_scans(source.tr_of(self.subject)) if source.has_time else 0

    @property
    def also_lags(self) -> tuple[int, ...]:
        """Further lags in scans; none where responses have no time."""
        source = self.source
        return self.config.compare_lags_in_scans(source.tr_of(self.subject)) if source.has_time else ()

    @property
    def further_lags(self) -> tuple[int, ...]:
        """Lags in scans that the stacked regressor is fitted to beside the main one."""
        source = self.source
        return self.config.further_lags_in_scans(source.tr_of(self.subject)) if source.has_time else ()

    @cached_property
    def responses(self) -> tuple[Responses, Responses | None]:
        """Training and test responses; one set and None where clips are scored in folds."""
        return self.source.responses(self.subject, self.lag_tr)

    @property
    def trained_on(self) -> tuple[Clip, ...]:
        """The clips that decoders are fitted to."""
        return self.responses[0].clips

    def decoder(self, embeddings: Embeddings, *, lag_tr: int | None = None, name: str | None = None) -> SubjectDecoder:
        """The decoder of the settings for this subject's clips, or another by name, or at another lag."""
        config = self.config.decoding
        if lag_tr is None or lag_tr == self.lag_tr:
            train, test = self.responses
            lags = self.further_lags
        else:
            train, test = self.source.responses(self.subject, lag_tr)
            lags = ()
        planned = self._plan(train)
        standardise = test is None if config.standardise is None else config.standardise
        return SubjectDecoder(
            name or config.decoder,
            train,
            test,
            embeddings,
            lagged=[self.source.responses(self.subject, lag) for lag in lags],
            held_out=planned.held_out,
            groups=planned.groups.tolist(),
            settings=RidgeSettings(config.alphas, planned.inner, standardise),
            scans_per_window=config.scans_per_window,
            seed=self.config.seed,
        )

    @property
    def n_permuted_fits(self) -> int:
        """Decoders fitted to permuted clips."""
        return self.config.evaluation.n_permuted_fits or (N_REFITS_IN_FOLDS if self.in_folds else N_REFITS)

    def decode_left_out(self, decoder: SubjectDecoder) -> dict[str, Decoded]:
        """For each genre that the decoder can do without, the scored clips by a decoder fitted without it."""
        genres = unseen_genres(self.source, self.config, self.subject)[0]
        with progress(f"decode {decoder.embeddings.space.name} without each genre") as advance:
            decoded = decoder.without_genres(genres, advance)
        return {genre: of_genre for genre, of_genre in zip(genres, decoded, strict=True) if of_genre is not None}

    def score_builder(self, embedding: str, stage: ScoredStage) -> ScoreBuilder:
        """Columns that the scores of one embedding and stage have in common."""
        config, source = self.config, self.source
        rng = np.random.default_rng(config.seed)
        return ScoreBuilder(
            subject=self.subject,
            embedding=embedding,
            stage=stage,
            rng=rng,
            simulated=source.simulated,
            note=source.note,
            decoder=config.decoding.decoder,
            lag_tr=self.lag_tr,
            n_permutations=config.evaluation.n_permutations,
            in_folds=self.in_folds,
            recordings=self.recordings,
        )

    @property
    def in_folds(self) -> bool:
        """Whether clips are predicted in folds, there being no test clips."""
        return self.responses[1] is None

    @cached_property
    def recordings(self) -> Int[np.ndarray, " clips"]:
        """The recording of each scored clip, and what else is held together."""
        train, test = self.responses
        return plan_division(train.clips, None, self.config).groups if test is None else group_clips(test.clips)

    @cached_property
    def plan(self) -> FoldPlan:
        """How clips are divided; the folds that are dealt have passed the leakage gate."""
        return self._plan(self.responses[0])

    @cached_property
    def division(self) -> str:
        """A digest of how clips are divided, with all that an index of songs and artists has said of it."""
        heard = set(self.source.clips_of(self.subject))
        clips = [clip for clip in self.source.train_clips if clip in heard]
        planned = plan_division(clips, outer_folds(self.source, self.config), self.config)
        held_out = [fold.tolist() for fold in planned.held_out]
        return digest_text(repr((planned.groups.tolist(), held_out, planned.inner)))

    def _plan(self, train: Responses) -> FoldPlan:
        n_folds = outer_folds(self.source, self.config) if self.in_folds else None
        return plan_division(train.clips, n_folds, self.config)


def clip_means(decoded: Decoded) -> tuple[Float32[np.ndarray, "clips dims"], Float32[np.ndarray, "clips dims"]]:
    """Predicted and true embeddings, one vector per clip: the mean over its windows."""
    return decoded.predicted.mean(axis=1, dtype=np.float32), decoded.true.mean(axis=1, dtype=np.float32)
