"""Everything that one subject's responses are asked for: predictions, permuted fits, and fits without a genre.

All fits share the subject's pairs of scans and windows, and the Gram matrix of the responses, which is computed once:
folds and left-out genres are blocks of it, and permutations are further targets.
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Int

from .._utils.errors import Brain2MusicWarning, InputError
from .._utils.progress import Advance
from .._utils.threads import map_threads
from ..brain.load import require_alike
from ..brain.responses import Responses
from ..embeddings.alignment import Matched, match_windows
from ..embeddings.embeddings import Embeddings
from ..ridge import RidgeWarning
from ..study.folds import draw_permutations, leave_genre_out, most_folds, require_undivided
from ..study.study import Clip
from .decoded import Decoded, Labels, undivided
from .estimator import Decoder
from .fits import Asked, Fitted, Pairs, RidgeSettings
from .problem import Problem, View
from .registry import Form, fit_decoder, fit_form, require_decoder
from .training_pairs import TrainingPairs

Rows = Bool[np.ndarray, " every"]
Orders = Int[np.ndarray, "permutations clips"]


class SubjectDecoder:
    """Decoder of one subject and embedding, fitted once per split and asked for all forms of its prediction.

    Test clips are decoded by one fit to the training clips. Without test clips, every clip is decoded by a fit to the
    clips of the other folds.

    Parameters
    ----------
    name : str
        Name of the decoder (:func:`brain2music.decoding.decoder_options`).
    train : Responses
        Responses to the clips that are fitted.
    test : Responses, optional
        Responses to the clips that are decoded; None if those of ``train`` are decoded in folds.
    embeddings : Embeddings
        Embeddings of all clips, matched by name.
    lagged : sequence of (Responses, Responses or None)
        Training and test responses to the same clips at further lags, for ``stacked``.
    held_out : sequence of ndarray of int
        The clips held out in each fold, if there is no test set.
    groups : sequence of hashable, optional
        A label per training clip, such as its artist; no fold divides clips of one label, nor of one recording.
    settings : RidgeSettings, optional
        Settings of every ridge regression.
    scans_per_window : int, optional
        Scans averaged per window; default ⌈window / TR⌉.
    seed : int, default 0
        Seed of permutations, and of whatever the decoder samples.

    Raises
    ------
    InputError
        There is no such decoder; both sides differ in voxels, TR, lag or scans; clips have no embedding; or folds do
        not hold out every clip once.
    LeakageError
        ``held_out`` divide a recording or label.
    """

    def __init__(
        self,
        name: str,
        train: Responses,
        test: Responses | None,
        embeddings: Embeddings,
        *,
        lagged: Sequence[tuple[Responses, Responses | None]] = (),
        held_out: Sequence[Int[np.ndarray, " _"]] = (),
        groups: Labels | None = None,
        settings: RidgeSettings | None = None,
        scans_per_window: int | None = None,
        seed: int = 0,
    ) -> None:
        require_decoder(name)
        self.name, self.train, self.test, self.embeddings, self.held_out = name, train, test, embeddings, held_out
        self.scans_per_window, self.seed = scans_per_window, seed
        units, views, self._asked = undivided(train, groups), [], []
        self._layouts: list[Responses] = []
        for fitted, asked in ((train, test), *lagged):
            if asked is not None:
                fitted, asked = require_alike(fitted, asked)
                self._asked.append(self._match(asked))
            self._layouts.append(fitted[:0])
            views.append((self._match(fitted), None if fitted.space is None else fitted.space.roi))
        if test is None:
            require_undivided(held_out, units)
            if len(held_out) < 2 or not np.array_equal(np.sort(np.concatenate(held_out)), np.arange(len(train))):
                what = f"{len(held_out)} folds do not hold out each of {len(train)} clips once"
                raise InputError(what, hint="give folds that hold out every clip once, two folds at least")
        self._pairs = views[0][0]
        every = tuple(View.of(matched.X, roi) for matched, roi in views)
        self._problem = Problem(every, self._pairs.groups, units, settings or RidgeSettings(), seed)
        self._fits: list[list[Fitted]] = []

    def decoded(self, form: Form = "plain") -> Decoded:
        """Predict the scored clips in one form, each by the fit that it had no part in."""
        fits = [of_split[0] for of_split in self.fit()._fits]
        if form != "plain":
            fits = [
                fit_form(self.name, form, fitted, problem, Y).only(asked)
                for fitted, (problem, Y, asked) in zip(fits, map(self._split, self._splits), strict=True)
            ]
        return self._assemble(fits, self._true)

    def estimator(self) -> Decoder:
        """Fit the decoder of these settings to all training clips, to be saved; with test clips, the same fit again."""
        settings = self._problem.settings
        decoder = Decoder(
            self.name,
            alphas=settings.alphas,
            n_folds=settings.n_folds,
            scans_per_window=self.scans_per_window,
            standardise=settings.standardise,
            random_state=self.seed,
        )
        names = tuple(clip.name for clip in self.train.clips)
        pairs = TrainingPairs(tuple(self._layouts), self._problem, self._pairs.Y, self.embeddings, names)
        return decoder.fit_to(pairs)

    def permuted(self, n: int) -> tuple[Decoded, ...]:
        """Predict the scored clips by decoders that were fitted to clips in permuted order, ``n`` times.

        These give the scores that are expected if brain and music are independent, with all choices of the fit
        included. Windows of a clip stay together and in order. In folds, recordings are permuted so that none keeps its
        place (:func:`brain2music.study.folds.draw_permutations`), and each result names the clips whose music it is
        about in the places of those whose responses they are. Permuting the clips of predictions, which is exact for
        clips of a test set, underestimates the spread there, because fits of different folds share clips and have
        correlated errors.
        """
        fits, found = self.fit(n)._fits, []
        for number, order in enumerate(self._orders(len(fits[0]) - 1)[:n]):  # as they were drawn for the fits
            of_order = [of_split[1 + number] for of_split in fits]
            if self.test is not None:
                found.append(self._assemble(of_order, self._true))
            else:
                clips = tuple(self.train.clips[i] for i in order)
                found.append(self._assemble(of_order, self._reordered(order), clips))
        return tuple(found)

    def without_genre(self, genre: str) -> Decoded | None:
        """All scored clips by a fit without a genre's clips, in which everything is chosen again.

        The genre's own clips are what is to be scored; the others are their candidates. None, with a warning, where
        too few clips are left to train on (Brain2Music §4.3, Fig. 7a).
        """
        keep = leave_genre_out(self.train.clips, genre, self._problem.units)
        settings = self._problem.settings
        n_folds = most_folds(self._problem.units[keep], settings.n_folds)
        if n_folds == 0:
            text = f"too few clips are left to train on without the genre {genre!r}: it is not scored as left out"
            warnings.warn(text, Brain2MusicWarning, stacklevel=2)
            return None
        rows = keep[self._pairs.groups]
        problem = self._problem.rows(rows, replace(settings, n_folds=n_folds))
        fitted = fit_decoder(self.name, problem, [self._pairs.Y[rows]])[0]
        return self._assemble([fitted.only(self._views(None))], self._true)

    def without_genres(self, genres: Sequence[str], advance: Advance | None = None) -> list[Decoded | None]:
        """:meth:`without_genre` of several genres, side by side."""
        with warnings.catch_warnings():  # once for all threads, which share these filters
            warnings.simplefilter("ignore", RidgeWarning)
            return map_threads(self.without_genre, genres, advance)

    def fit(self, n_permutations: int = 0, advance: Advance | None = None) -> "SubjectDecoder":
        """Fit to the embeddings as they are and to permuted ones, together; nothing is fitted twice.

        Predictions and permuted predictions may be asked for without it; together they take less time.
        """
        if not self._fits or len(self._fits[0]) < 1 + n_permutations:
            targets = [self._pairs.Y, *map(self._reordered, self._orders(n_permutations))]
            fits = []
            for held in self._splits:
                fits.append(self._fit_split(held, targets))
                if advance is not None:
                    advance(len(fits), len(self._splits))
            self._fits = fits
            self.decoded().warn_on_edge()
        return self

    def _fit_split(self, held: Rows | None, targets: Sequence[Pairs]) -> list[Fitted]:
        problem, _, asked = self._split(held)
        trained = [Y if held is None else Y[~held] for Y in targets]
        return [fitted.only(asked) for fitted in fit_decoder(self.name, problem, trained)]

    @property
    def _splits(self) -> list[Rows | None]:
        """The pairs held out of each fit; None where none is."""
        return [None] if self.test is not None else [np.isin(self._pairs.groups, fold) for fold in self.held_out]

    def _split(self, held: Rows | None) -> tuple[Problem, Pairs, Asked]:
        """What a fit is made from, its targets, and the responses that it is asked for."""
        if held is None:
            return self._problem, self._pairs.Y, self._views(None)
        return self._problem.rows(~held), self._pairs.Y[~held], self._views(held)

    def _views(self, held: Rows | None) -> Asked:
        """The responses to the scored clips at every lag, or to those held out in one fold."""
        if self.test is not None:
            return tuple(matched.X for matched in self._asked)
        return tuple(view.X if held is None else view.X[held] for view in self._problem.views)

    @property
    def _true(self) -> Pairs:
        return self._asked[0].Y if self.test is not None else self._pairs.Y

    def _orders(self, n: int) -> Orders:
        """Which clip's embedding takes each training clip's place, ``n`` times."""
        rng, clips = np.random.default_rng(self.seed), self.train.clips
        if self.test is None:
            return draw_permutations(self._problem.units, n, rng, self.train.runs, deranged=True)
        row = {name: i for i, name in enumerate(self.embeddings.names)}
        places = np.argsort([row[clip.name] for clip in clips])
        orders = np.empty((n, len(clips)), dtype=int)
        for order in orders:
            order[places] = rng.permutation(places)
        return orders

    def _reordered(self, order: Int[np.ndarray, " clips"]) -> Pairs:
        by_clip = self._pairs.Y.reshape(len(order), self._pairs.n_windows, -1)
        return by_clip[order].reshape(self._pairs.Y.shape)

    @cached_property
    def _rows(self) -> Int[np.ndarray, " pairs"]:
        """The place of each predicted pair among all that are scored, split after split."""
        return np.concatenate(
            [np.arange(len(self._true)) if held is None else np.flatnonzero(held) for held in self._splits]
        )

    def _assemble(self, fits: Sequence[Fitted], true: Pairs, clips: tuple[Clip, ...] | None = None) -> Decoded:
        """What one fit said of all scored pairs, or the fits of all splits of theirs."""
        rows = self._rows if len(fits) > 1 or self.test is not None else np.arange(len(true))
        values = [fitted.predict() for fitted in fits]
        predicted, mean = np.empty_like(true), np.empty_like(true)
        predicted[rows] = np.concatenate(values)
        mean[rows] = np.concatenate([np.broadcast_to(f.train_mean, v.shape) for f, v in zip(fits, values, strict=True)])
        scored = self.train if self.test is None else self.test
        shape = (len(scored.clips), -1, self.embeddings.space.dims)
        return Decoded(
            predicted.reshape(shape),
            true.reshape(shape),
            mean.reshape(shape)[:, 0],
            clips or scored.clips,
            self.embeddings.space,
            self._problem.settings.grid,
            np.concatenate([fitted.best_alphas for fitted in fits]),
            np.concatenate([fitted.cv_scores for fitted in fits]),
        )

    def _match(self, responses: Responses) -> Matched:
        return match_windows(responses, self.embeddings, scans_per_window=self.scans_per_window)
