"""Trials are balanced within and over listeners, repeatable, and do not mix what must not be mixed."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from brain2music import InputError
from brain2music.listening import TestDesign, Trial, plan_session
from tests.listening.listeners import items

DESIGN = TestDesign(n_trials=8, n_catch=2, seed=3)


def counted(trials: tuple[Trial, ...], task: str) -> list[Trial]:
    return [trial for trial in trials if trial.task == task and not trial.catch]


def test_the_same_seed_and_listener_give_the_same_trials_and_others_do_not() -> None:
    first = plan_session(items(), DESIGN, 4)
    assert plan_session(items(), DESIGN, 4) == first
    assert plan_session(items(), DESIGN, 5) != first
    assert plan_session(items(), replace(DESIGN, seed=4), 4) != first


@pytest.mark.parametrize("listener", range(6))
def test_right_answers_are_as_often_at_each_place(listener: int) -> None:
    trials = plan_session(items(), replace(DESIGN, n_trials=10), listener)
    for task, places in (("2afc", 2), ("oddoneout", 3)):
        found = Counter(trial.right for trial in trials if trial.task == task)
        assert set(found) == set(range(places))
        assert max(found.values()) - min(found.values()) <= 1
    rated = Counter(trial.same_origin for trial in counted(trials, "similarity"))
    assert rated == {True: 5, False: 5}


def test_over_listeners_every_clip_and_every_foil_is_asked_for_equally_often() -> None:
    trials = [trial for listener in range(9) for trial in plan_session(items(8), DESIGN, listener)]
    for task in DESIGN.tasks:
        some = [trial for trial in trials if trial.task == task and not trial.catch]
        assert set(Counter(trial.clip for trial in some).values()) == {9}
        assert set(Counter(trial.foil for trial in some).values()) == {9}
        pairs = Counter((trial.clip, trial.foil) for trial in some)
        assert set(pairs.values()) == {3}  # few foils, so that several listeners judge the same


def test_blocks_rotate_and_catch_trials_are_in_each() -> None:
    orders = []
    for listener in range(3):
        trials = plan_session(items(), DESIGN, listener)
        orders.append(tuple(dict.fromkeys(trial.task for trial in trials)))
        assert Counter(trial.task for trial in trials if trial.catch) == dict.fromkeys(DESIGN.tasks, 2)
        assert len(trials) == DESIGN.per_listener
    assert {order[0] for order in orders} == set(DESIGN.tasks)


def test_what_is_right_is_of_the_clip_and_what_is_wrong_of_its_foil() -> None:
    for trial in plan_session(items(samples=2), DESIGN, 0):
        if trial.task == "2afc":
            right, wrong = trial.options[trial.right or 0], trial.options[1 - (trial.right or 0)]
            assert right == (f"stimuli/{trial.clip}.mp3" if trial.catch else f"01/{trial.clip}-0.flac")
            assert wrong == f"01/{trial.foil}-0.flac"
        elif trial.task == "oddoneout":
            together = [sound for place, sound in enumerate(trial.options) if place != trial.right]
            assert trial.options[trial.right or 0] == f"01/{trial.foil}-0.flac"
            own = [f"stimuli/{trial.clip}.mp3"] * 2 if trial.catch else [f"01/{trial.clip}-{i}.flac" for i in (0, 1)]
            assert together == own
            assert trial.reference == ""
        elif not trial.catch:
            assert trial.options == (f"01/{trial.clip if trial.same_origin else trial.foil}-0.flac",)


def test_subjects_are_not_mixed_and_the_same_track_is_no_foil() -> None:
    material = items(4, ("01", "02"))
    shared = material[0].sounds
    material[1] = replace(material[1], sounds=shared)
    for listener in range(8):
        for trial in plan_session(material, DESIGN, listener):
            if not trial.catch and trial.task == "2afc":
                assert all(sound.startswith(f"{trial.subject}/") for sound in trial.options)
                assert trial.options[0] != trial.options[1]


def test_a_test_without_two_sounds_or_without_trials_is_refused() -> None:
    alike = [replace(item, sounds=(Path("same.flac"),)) for item in items(3)]
    with pytest.raises(InputError, match="the same reconstruction"):
        plan_session(alike, DESIGN, 0)
    with pytest.raises(InputError, match="0 trials"):
        TestDesign(n_trials=0)
    with pytest.raises(InputError, match="are no test"):
        TestDesign(("2afc", "2afc"))
