"""Scores in words: how well it went, against what chance, over how many clips and candidates."""

import math
from collections.abc import Callable, Iterable, Sequence

from brain2music.metrics.records import GROUP
from brain2music.metrics.score import Score
from brain2music.report.data import RunRecord

ALPHA = 0.05
GENRE = "identification/genre="
UNSEEN = "identification/unseen-genre="
JUDGE = "identification/judge="


def summarise(run: RunRecord, subjects: Sequence[str]) -> list[str]:
    """Plain sentences on the first scored embedding, for the given subjects: decoding, retrieval, control, encoding."""
    scores = [score for score in run.scores if score.subject in subjects]
    sentences: list[str] = []
    for stage, tell in (("decode", _decoding), ("retrieve", _retrieval), ("generate", _generation)):
        found = _first_embedding(run, pick(scores, "identification", stage))
        if found:
            sentences.append(tell(run, found) + " " + _verdict(found))
            sentences += [_judged(judged) for judged in _other_judges(scores, found)[:1]]
    control = _first_embedding(run, pick(scores, "identification/shuffled", "decode"))
    if control:
        value = _percent(_mean(control))
        sentences.append(f"As a control, the same decoder fitted to shuffled clips reaches {value}.")
    encoded = _first_embedding(run, pick(scores, "r", "encode"))
    if encoded:
        sentences.append(_encoding(run, encoded) + " " + _verdict(encoded))
    return sentences


def pick(scores: Iterable[Score], metric: str, stage: str) -> list[Score]:
    """The scores of one metric in one stage."""
    return [score for score in scores if score.metric == metric and score.stage == stage]


def headlines(scores: Iterable[Score]) -> list[Score]:
    """Identification by every embedding, by every judge of what was retrieved, and of shuffled clips.

    Rows that sum up subjects come first.
    """
    names = ("identification", "identification/shuffled")
    chosen = [score for score in scores if score.metric in names or score.metric.startswith(JUDGE)]
    return sorted(chosen, key=lambda score: (score.subject != GROUP, score.stage))


def encoding_headlines(scores: Iterable[Score]) -> list[Score]:
    """Mean r over the voxels that stand for the brain, by every embedding; rows that sum up subjects come first."""
    return sorted(pick(scores, "r", "encode"), key=lambda score: score.subject != GROUP)


def genre_of(score: Score) -> str | None:
    """The genre whose clips alone a score is about, or None."""
    return score.metric.removeprefix(GENRE) if score.metric.startswith(GENRE) else None


def unseen_genre_of(score: Score) -> str | None:
    """The genre that the scored decoder was never trained on, or None."""
    if not score.metric.startswith(UNSEEN):
        return None
    return score.metric.removeprefix(UNSEEN).removesuffix("/within-genre")


def own_note(score: Score, study_note: str) -> str:
    """What a score's note says beyond the note on the whole study."""
    return "; ".join(part for part in score.note.split("; ") if part and part != study_note)


def _decoding(run: RunRecord, scores: Sequence[Score]) -> str:
    brain = "simulated brain responses" if run.study.simulated else "brain responses"
    embedding = scores[0].embedding
    return (
        f"From {brain} to music, the {embedding} embedding decoded for {_whose(scores)} was closer to the "
        f"clip that was heard than to another in {_percent(_mean(scores))} of comparisons ({_frame(scores)})."
    )


def _retrieval(run: RunRecord, scores: Sequence[Score]) -> str:
    gallery = f"the gallery “{run.study.gallery.name}”" if run.study.gallery else "the gallery"
    ceilings = [score.ceiling for score in scores if score.ceiling is not None]
    oracle = f"; retrieval by the true embedding reaches {_percent(sum(ceilings) / len(ceilings))}" if ceilings else ""
    return (
        f"Music retrieved from {gallery} by that embedding, and judged by it, resembled the clip that was "
        f"heard more than another in {_percent(_mean(scores))} of comparisons ({_frame(scores)}{oracle})."
    )


def _generation(run: RunRecord, scores: Sequence[Score]) -> str:
    ceilings = [score.ceiling for score in scores if score.ceiling is not None]
    oracle = f"; from the true embedding it reaches {_percent(sum(ceilings) / len(ceilings))}" if ceilings else ""
    generator = run.study.settings.get("generation.generator")
    return (
        f"Music generated from the {scores[0].embedding} embedding by {generator}, judged by that embedding, resembled "
        f"the clip that was heard more than another in {_percent(_mean(scores))} of comparisons "
        f"({_frame(scores)}{oracle})."
    )


def _encoding(run: RunRecord, scores: Sequence[Score]) -> str:
    brain = "simulated brain responses" if run.study.simulated else "brain responses"
    over = own_note(scores[0], run.study.note) if len(scores) == 1 else "mean over voxels and subjects"
    parts = [over] if over else []
    parts += [*_spread(scores, "{:.2f}".format), *_tested(scores)]
    return (
        f"From music to {brain}, the {scores[0].embedding} embedding predicted those of {_whose(scores)} to unheard "
        f"clips with r\u00a0=\u00a0{_mean(scores):.2f} ({', '.join(parts)})."
    )


def _judged(scores: Sequence[Score]) -> str:
    judge = scores[0].metric.removeprefix(JUDGE)
    return f"Judged by another embedding, {judge}, it did in {_percent(_mean(scores))} ({_frame(scores)})."


def _other_judges(scores: Iterable[Score], found: Sequence[Score]) -> list[list[Score]]:
    """Scores of what the same embedding retrieved, by every other judge, in order of appearance."""
    judged: dict[str, list[Score]] = {}
    for score in scores:
        same = (score.embedding, score.stage) == (found[0].embedding, found[0].stage)
        if same and score.metric.startswith(JUDGE) and not math.isnan(score.value):
            judged.setdefault(score.metric, []).append(score)
    return list(judged.values())


def _whose(scores: Sequence[Score]) -> str:
    return f"subject {scores[0].subject}" if len(scores) == 1 else f"{len(scores)} subjects"


def _frame(scores: Sequence[Score]) -> str:
    """Interval or range, chance, candidates, n and p."""
    chance = f"chance {_percent(scores[0].chance)}"
    candidates = f"{_numbers(score.candidates for score in scores)} candidates"
    return ", ".join([*_spread(scores, _percent), chance, candidates, *_tested(scores)])


def _spread(scores: Sequence[Score], spell: Callable[[float], str]) -> list[str]:
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
    above = sum(score.p is not None and score.p < ALPHA and score.value > score.chance for score in scores)
    if any(score.p is None for score in scores):
        return "No permutation test was made."
    if len(scores) == 1:
        return "That is above chance." if above else "That cannot be told from chance."
    return f"That is above chance in {above} of {len(scores)} subjects."


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
