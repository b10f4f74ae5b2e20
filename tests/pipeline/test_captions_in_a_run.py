"""A run with captions, in an embedding that embeds text: what words find, and what they tell without a brain."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.find import find_audio
from brain2music.audio.io import read_audio
from brain2music.embeddings.protocols import Embedder
from brain2music.metrics.records import OWN, read_scores, select_scores
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from tests.study.tiny_study import TinyStudy

from .test_pipeline import CONFIG, gallery_of, read


class Worded:
    """A sound embedding whose texts end in a track's name and lie where that track lies."""

    def __init__(self, heard: Embedder, music: Path) -> None:
        self.space, self.embed = heard.space, heard.embed
        self.tracks = {path.stem: path for path in find_audio(music)}

    def embed_text(self, texts: list[str]) -> np.ndarray:
        sounds = (read_audio(self.tracks[text.split()[-1]], self.space.sample_rate) for text in texts)
        return np.stack([self.embed(*sound).mean(axis=0) for sound in sounds])


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    return study


def run_with(study: TinyStudy, captions: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> Outputs:
    def worded(name: str, *settings: float | None) -> Embedder:
        found = get_embedder(name, *settings)
        return Worded(found, study.root / "stimuli") if name == "logmel" else found

    monkeypatch.setattr("brain2music.pipeline.gate.get_embedder", worded)
    config = CONFIG.changed(captions=str(captions), encoding={"enabled": False}, leave_one_genre_out=False)
    return run_pipeline(read(study, config), out, config, galleries=[gallery_of(study, out.parent)])


def captions_of(study: TinyStudy, file: Path, count: int | None = None) -> Path:
    tracks = [path.stem for path in find_audio(study.root / "stimuli")][:count]
    pd.DataFrame({"ID": tracks, "DescEN": [f"much like {track}" for track in tracks]}).to_csv(file, index=False)
    return file


def test_captions_search_the_gallery_and_stand_beside_the_brain(
    study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs = run_with(study, captions_of(study, tmp_path / "captions.csv"), tmp_path / "out", monkeypatch)
    table = pd.read_parquet(outputs.retrieval("01", "logmel"))
    said = table[table["condition"] == "caption"]
    assert set(said["clip"]) == set(table["clip"])
    assert said["caption"].str.startswith("much like jazz.").all()
    assert (table.loc[table["condition"] != "caption", "caption"] == "").all()
    scores = select_scores(read_scores(outputs.scores), metric="identification", condition="caption", **OWN)
    by_judge = {(score.stage, score.embedding, score.judge): score.value for score in scores}
    assert by_judge["decode", "logmel", None] == pytest.approx(1.0)
    assert set(by_judge) == {  # mfcc-chroma embeds no text
        ("decode", "logmel", None),
        ("retrieve", "logmel", "logmel"),
        ("retrieve", "logmel", "mfcc-chroma"),
    }
    page = (build_report(outputs.root).parent / "sub-01.html").read_text()
    assert "Retrieved by the caption" in page
    assert said["caption"].iloc[0] in page


def test_a_clip_without_a_caption_is_named(study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="there is no caption for jazz"):
        run_with(study, captions_of(study, tmp_path / "captions.csv", 1), tmp_path / "out", monkeypatch)


def test_other_captions_are_scored_and_searched_again_and_nothing_else(
    study: TinyStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = captions_of(study, tmp_path / "captions.csv")
    outputs = run_with(study, captions, tmp_path / "first" / "out", monkeypatch)
    of_texts = [place("01", "logmel") for place in (outputs.scores_of, outputs.retrieval)]
    others = [place("01", "mfcc-chroma") for place in (outputs.scores_of, outputs.predictions)]
    times = {file: file.stat().st_mtime_ns for file in (*of_texts, *others)}
    captions.write_text(captions.read_text().replace("much like", "rather like"))
    shutil.rmtree(tmp_path / "first" / "music")
    shutil.rmtree(tmp_path / "first" / "gallery")
    run_with(study, captions, outputs.root, monkeypatch)
    again = {file for file, time in times.items() if file.stat().st_mtime_ns != time}
    assert again == set(of_texts)
