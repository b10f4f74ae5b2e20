"""Invented items of a listening test, and listeners with known ears."""

from pathlib import Path

import numpy as np

from brain2music.listening import AnswerStore, Reconstructed, TestDesign, Trial

GENRES = ("jazz", "rock")


def items(count: int = 8, subjects: tuple[str, ...] = ("01",), samples: int = 1) -> list[Reconstructed]:
    """Clips of every subject, each with its own generated samples."""
    return [
        Reconstructed(
            subject,
            "mulan-small",
            "generated",
            f"clip{number}",
            GENRES[number % 2],
            Path(f"stimuli/clip{number}.mp3"),
            tuple(Path(f"{subject}/clip{number}-{sample}.flac") for sample in range(samples)),
        )
        for subject in subjects
        for number in range(count)
    ]


def answer_of(trial: Trial, rng: np.random.Generator, share: float, liking: float = 0.0) -> int:
    """An answer that is right with a probability, a rating that is higher for music of the same origin."""
    if trial.catch:
        return 7 if trial.task == "similarity" else int(trial.right or 0)
    if trial.task == "similarity":
        return int(np.clip(np.rint(4 + liking * trial.same_origin + rng.normal()), 1, 7))
    if rng.random() < share:
        return int(trial.right or 0)
    wrong = [option for option in range(len(trial.options)) if option != trial.right]
    return int(rng.choice(wrong))


def judge(
    path: Path,
    n_listeners: int,
    share: float,
    *,
    liking: float = 0.0,
    deaf: tuple[int, ...] = (),
    design: TestDesign | None = None,
    seed: int = 0,
) -> AnswerStore:
    """A finished test; ``deaf`` listeners answer catch trials wrong."""
    design = design or TestDesign(n_trials=8, n_catch=2)
    rng = np.random.default_rng(seed)
    store = AnswerStore(path, items(), design, study="invented", simulated=True)
    for listener in range(n_listeners):
        session = store.begin({"music_years": listener})
        found = store.session(session)
        assert found is not None
        for number, trial in enumerate(found.trials):
            answer = answer_of(trial, rng, share, liking)
            if trial.catch and listener in deaf:
                answer = 1 if trial.task == "similarity" else (int(trial.right or 0) + 1) % len(trial.options)
            store.answer(session, number, answer, 1500, 3)
    return store
