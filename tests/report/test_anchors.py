"""Pages of anchored runs: what every piece was made from, and how near it is to that."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from brain2music._utils.files import write_json
from brain2music.metrics.records import read_scores, select_scores, write_scores
from brain2music.pipeline.outputs import GENERATED, Outputs
from brain2music.report.anchors import anchor_line, anchors_sentence
from brain2music.report.page import build_report

NEAR = {"anchored": "vary", "anchor": "blues/7.ogg", "anchor_similarity": 0.641, "anchor_correlation": 0.068}


def origin(folder: Path, name: str, **more: object) -> Path:
    write_json(folder / f"{name}.json", {"generator": "jen1-small", **more})
    return folder / f"{name}.wav"


def test_a_line_names_the_tracks_and_both_numbers(tmp_path: Path) -> None:
    varied = origin(tmp_path, "varied", **NEAR)
    assert anchor_line(varied) == "A variation of blues/7.ogg: cosine 0.64 with it, waveforms correlate by 0.07"
    filled = origin(tmp_path, "filled", **{**NEAR, "anchored": "inpaint", "anchor_after": "rock/1.ogg"})
    assert anchor_line(filled).startswith("Filled between the ends of blues/7.ogg and rock/1.ogg: cosine 0.64")
    same = origin(tmp_path, "same", **{**NEAR, "anchored": "inpaint", "anchor_after": "blues/7.ogg"})
    assert "blues/7.ogg and" not in anchor_line(same)


def test_pieces_of_embeddings_alone_have_no_line(tmp_path: Path) -> None:
    alone = origin(tmp_path, "alone")
    assert anchor_line(alone) == anchor_line(tmp_path / "without.wav") == anchors_sentence([alone]) == ""


def test_the_sentence_has_the_means(tmp_path: Path) -> None:
    pieces = [origin(tmp_path, str(i), **{**NEAR, "anchor_similarity": 0.5 + 0.2 * i}) for i in range(2)]
    sentence = anchors_sentence([*pieces, origin(tmp_path, "alone")])
    for part in ("(vary)", "cosine of 0.60", "by 0.07 (means over 2 pieces"):
        assert part in sentence


@pytest.mark.parametrize("anchored", [True, False])
def test_the_pages_say_it_beside_every_piece_and_score(make_run: Callable[..., Path], anchored: bool) -> None:
    root = make_run()
    outputs = Outputs(root)
    scores = read_scores(outputs.scores)
    (found,) = select_scores(scores, stage="retrieve", metric="identification", judge="musicnn-mtt")
    made = replace(found, stage="generate", condition="denoised", generator="jen1-small")
    for path in (outputs.scores, outputs.scores_table):
        write_scores(path, [*scores, made])
    clip = next(outputs.stimulus("x").parent.iterdir()).stem
    file = outputs.generated("001", "musicnn-mtt", "denoised", clip, 0)
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(outputs.stimulus(clip), file)
    write_json(file.with_suffix(".json"), {"generator": "jen1-small", **(NEAR if anchored else {})})
    place = file.relative_to(root).as_posix()
    row = (clip, clip.split(".")[0], "denoised", 0, -1, place, "jen1-small", 0)
    GENERATED.write(outputs.generated_table("001", "musicnn-mtt"), pd.DataFrame([row], columns=list(GENERATED.columns)))
    build_report(root)
    subject, index = ((root / name).read_text(encoding="utf-8") for name in ("sub-001.html", "index.html"))
    assert ("A variation of blues/7.ogg: cosine 0.64" in subject) is anchored
    for page in (subject, index):
        assert ("These pieces were made from retrieved tracks (vary)" in page) is anchored
