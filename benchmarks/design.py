"""Does the study read from the real ds003720 have the design that its authors describe? Metadata only."""

import os
from collections import Counter
from pathlib import Path

from _results import Results

from brain2music.study.bids import read_study
from brain2music.study.study import Split, Study

RESULTS = Results("design")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", SHARED))


def main() -> None:
    study = read_study(REAL_DATA / "ds003720", need_images=False)
    assert len(study.runs) == 5 * 18
    for subject in study.subjects:
        check_split(study, subject, "train", clips_per_genre=48, repeats=1)
        check_split(study, subject, "test", clips_per_genre=6, repeats=4)
    repeats = presentations(study, study.subjects[0], "test")
    print(f"subjects: {len(study.subjects)}")
    print(f"train_clips: {len(study.train_clips)}")
    print(f"test_clips: {len(study.test_clips)}")
    print(f"repeats: {max(repeats.values())}")
    for question, value, bar in (
        ("subjects of ds003720", len(study.subjects), "5"),
        ("training clips of ds003720", len(study.train_clips), "480"),
        ("test clips of ds003720", len(study.test_clips), "60"),
        ("repeats of test clips of ds003720", max(repeats.values()), "4"),
    ):
        RESULTS.add(question, value, bar=bar)


def check_split(study: Study, subject: str, split: Split, clips_per_genre: int, repeats: int) -> None:
    """Assert the split's genres, its repeats, its carry-ins and its scans, for one subject."""
    genres = Counter(clip.genre for clip in study.clips_of(split, subject))
    assert len(genres) == 10, genres
    assert set(genres.values()) == {clips_per_genre}, genres
    assert set(presentations(study, subject, split).values()) == {repeats}
    for run in study.runs_of(subject, split):
        carried = [presentation.carry_in for presentation in run.presentations]
        assert carried == [True] + [False] * 40, run.name
        scans = [scan for presentation in run.presentations for scan in presentation.volumes]
        assert scans == list(range(410)), run.name


def presentations(study: Study, subject: str, split: Split) -> Counter:
    """How often each clip of a split was heard, carry-ins apart."""
    return Counter(
        presentation.clip
        for run in study.runs_of(subject, split)
        for presentation in run.presentations
        if not presentation.carry_in
    )


if __name__ == "__main__":
    main()
