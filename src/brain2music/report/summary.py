"""Sentences about scores: how well each step went, against which chance, over how many clips and candidates."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from brain2music.metrics.records import OWN, select_scores
from brain2music.metrics.score import Score, ScoredStage
from brain2music.report.anchors import anchors_sentence
from brain2music.report.data import RunRecord
from brain2music.report.select import MAIN, encoding_headlines, judged_by_itself, values_of

ALPHA = 0.05


def summary_sentences(run: RunRecord, subjects: Sequence[str]) -> list[str]:
    """Plain sentences on the first scored embedding, for the given subjects: decoding, retrieval, control, encoding."""
    scores = [score for score in run.scores if score.subject in subjects]
    identified = select_scores(scores, metric="identification", **OWN)
    sentences: list[str] = []
    steps: tuple[tuple[ScoredStage, Callable[[RunRecord, Sequence[Score]], str]], ...] = (
        ("decode", _decoding),
        ("retrieve", _retrieval),
        ("generate", _generation),
    )
    for stage, describe in steps:
        of_step = select_scores(identified, stage=stage, condition=MAIN[stage])
        found = _first_embedding(run, [score for score in of_step if judged_by_itself(score)])
        if found:
            sentences.append(describe(run, found) + " " + _verdict(found))
            if stage == "generate" and (near := anchors_sentence(_made(run, subjects, found[0].embedding))):
                sentences.append(near)
            sentences += [_judged(judged) for judged in _other_judges(of_step, found)[:1]]
    control = _first_embedding(run, select_scores(identified, stage="decode", condition="permuted"))
    if control:
        value = _percent(_mean(control))
        sentences.append(f"As a control, the same decoder fitted to permuted clips reaches {value}.")
    encoded = _first_embedding(run, encoding_headlines(scores))
    if encoded:
        sentences.append(_encoding(run, encoded) + " " + _verdict(encoded))
    return sentences


def _made(run: RunRecord, subjects: Sequence[str], embedding: str) -> Iterator[Path]:
    """Files of the pieces that were made from what was decoded for subjects."""
    for subject in run.subjects:
        for decoded in subject.decoded:
            made = decoded.generated
            if subject.label in subjects and decoded.embedding.name == embedding and made is not None:
                yield from (run.outputs.root / file for file in made.loc[made["condition"] == MAIN["generate"], "file"])


def _decoding(run: RunRecord, scores: Sequence[Score]) -> str:
    brain = "simulated brain responses" if run.study.simulated else "brain responses"
    embedding = scores[0].embedding
    return (
        f"From {brain} to music: the {embedding} embedding decoded for {_whose(scores)} was more similar to the "
        f"presented clip than to another clip in {_percent(_mean(scores))} of comparisons ({_frame(scores)})."
    )


def _retrieval(run: RunRecord, scores: Sequence[Score]) -> str:
    gallery = f"the gallery “{run.study.gallery.name}”" if run.study.gallery else "the gallery"
    ceilings = [score.ceiling for score in scores if score.ceiling is not None]
    oracle = f"; retrieval by the true embedding reaches {_percent(sum(ceilings) / len(ceilings))}" if ceilings else ""
    return (
        f"Music retrieved from {gallery} with that embedding, and compared in it, was more similar to the presented "
        f"clip than to another clip in {_percent(_mean(scores))} of comparisons ({_frame(scores)}{oracle})."
    )


def _generation(run: RunRecord, scores: Sequence[Score]) -> str:
    ceilings = [score.ceiling for score in scores if score.ceiling is not None]
    oracle = f"; from the true embedding it reaches {_percent(sum(ceilings) / len(ceilings))}" if ceilings else ""
    return (
        f"Music generated from the {scores[0].embedding} embedding with {scores[0].generator}, and compared in that "
        f"embedding, was more similar to the presented clip than to another clip in {_percent(_mean(scores))} of "
        f"comparisons ({_frame(scores)}{oracle})."
    )


def _encoding(run: RunRecord, scores: Sequence[Score]) -> str:
    brain = "simulated brain responses" if run.study.simulated else "brain responses"
    over = scores[0].detail if len(scores) == 1 else "mean over voxels and subjects"
    parts = [over] if over else []
    parts += [*_interval_or_range(scores, "{:.2f}".format), *_tested(scores)]
    return (
        f"From music to {brain}: the {scores[0].embedding} embedding predicted responses of {_whose(scores)} to test "
        f"clips with r\u00a0=\u00a0{_mean(scores):.2f} ({', '.join(parts)})."
    )


def _judged(scores: Sequence[Score]) -> str:
    where = f"Compared in another embedding, {scores[0].judge}"
    return f"{where}, it was more similar in {_percent(_mean(scores))} of comparisons ({_frame(scores)})."


def _other_judges(scores: Iterable[Score], found: Sequence[Score]) -> list[list[Score]]:
    """The same scores in every other evaluation embedding, in order of appearance."""
    same = [score for score in select_scores(scores, embedding=found[0].embedding) if not math.isnan(score.value)]
    others = [score for score in same if not judged_by_itself(score)]
    return [select_scores(others, judge=judge) for judge in values_of(others, "judge")]


def _whose(scores: Sequence[Score]) -> str:
    return f"subject {scores[0].subject}" if len(scores) == 1 else f"{len(scores)} subjects"


def _frame(scores: Sequence[Score]) -> str:
    """Interval or range, chance, candidates, n and p."""
    chance = f"chance {_percent(scores[0].chance)}"
    candidates = f"{_numbers(score.candidates for score in scores)} candidates"
    return ", ".join([*_interval_or_range(scores, _percent), chance, candidates, *_tested(scores)])


def _interval_or_range(scores: Sequence[Score], spell: Callable[[float], str]) -> list[str]:
    """Interval of one score, range of several."""
    only = scores[0]
    if len(scores) > 1:
        values = [score.value for score in scores]
        return [f"lowest {spell(min(values))}, highest {spell(max(values))}"]
    if only.low is not None and only.high is not None:
        return [f"95\u00a0% interval {spell(only.low)} to {spell(only.high)}"]
    return []


def _tested(scores: Sequence[Score]) -> list[str]:
    """How many clips, and p."""
    parts = [f"n\u00a0=\u00a0{_numbers(score.n for score in scores)} clips{' each' if len(scores) > 1 else ''}"]
    known = [score.p for score in scores if score.p is not None]
    if known:
        largest = "largest " if len(scores) > 1 else ""
        parts.append(f"{largest}permutation p\u00a0{spell_p(max(known), equals=True)}")
    return parts


def _verdict(scores: Sequence[Score]) -> str:
    above = sum(map(_above, scores))
    if any(score.p is None for score in scores):
        return "No permutation test was made."
    if len(scores) == 1:
        if not above:
            return "That cannot be told from chance."
        doubt = ", though the interval includes chance" if _includes_chance(scores[0]) else ""
        return f"That is above chance{doubt}."
    doubtful = sum(_above(score) and _includes_chance(score) for score in scores)
    doubt = f", though the interval includes chance in {doubtful} of these" if doubtful else ""
    return f"That is above chance in {above} of {len(scores)} subjects{doubt}."


def _above(score: Score) -> bool:
    return score.p is not None and score.p < ALPHA and score.value > score.chance


def _includes_chance(score: Score) -> bool:
    return score.low is not None and score.low <= score.chance


def spell_p(p: float, equals: bool = False) -> str:
    """A p-value as text: three decimals, or "< 0.001"."""
    if p < 0.001:
        return "<\u00a00.001"
    return f"=\u00a0{p:.3f}" if equals else f"{p:.3f}"


def _percent(share: float) -> str:
    return f"{share * 100:.0f}\u00a0%"


def _numbers(values: Iterable[int]) -> str:
    distinct = sorted(set(values))
    return str(distinct[0]) if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]}"


def _mean(scores: Sequence[Score]) -> float:
    return sum(score.value for score in scores) / len(scores)


def _first_embedding(run: RunRecord, scores: Sequence[Score]) -> list[Score]:
    """Scores of the study's first embedding that has any defined: chosen by order, not by result."""
    for embedding in run.study.embeddings:
        found = [score for score in scores if score.embedding == embedding.name and not math.isnan(score.value)]
        if found:
            return found
    return []
