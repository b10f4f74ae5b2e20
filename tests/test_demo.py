"""The demonstration: decoding is seen first, then everything, with music that can be heard."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music import demo
from brain2music.metrics.records import read_scores, select_scores
from brain2music.pipeline.outputs import Outputs
from brain2music.simulation.brain.design import DESIGNS

SECONDS = 2.0


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve clips, larger voxels, and short pieces for two clips."""
    few = {"train_runs": 1, "train_clips": 9, "test_runs": 1, "test_clips": 3, "repeats": 2}
    monkeypatch.setitem(DESIGNS, "quick", replace(DESIGNS["quick"], **few, resolution_mm=12.0, clip_s=12.0))
    monkeypatch.setattr(demo, "TRACKS_PER_GENRE", 1)
    changes = {"n_clips": 2, "duration_s": SECONDS, "n_permutations": 100, "n_permuted_fits": 1}
    monkeypatch.setattr(demo, "SETTINGS", demo.SETTINGS | changes)


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_the_demo_shows_decoding_first_and_then_music(tmp_path: Path) -> None:
    seen: list[tuple[str, bool, bool]] = []

    def first_page(page: Path) -> None:
        outputs = Outputs(page.parent)
        others = (outputs.generated_table("001", "mulan-small"), outputs.encoding_rois("001"))
        seen.append((page.read_text(), outputs.scores.is_file(), any(file.exists() for file in others)))

    page = demo.run_demo(tmp_path, n_jobs=1, first_page=first_page)
    ((text, scored, more),) = seen
    assert "Under way:" in text
    assert scored
    assert not more

    outputs = Outputs(tmp_path)
    assert "Under way:" not in page.read_text()
    listening = outputs.page("001").read_text()
    pieces = pd.read_parquet(outputs.generated_table("001", "mulan-small"))
    assert pieces["clip"].nunique() == 2
    assert set(pieces["condition"]) == {"denoised", "decoded", "true"}
    for file in pieces["file"]:
        sound, rate = soundfile.read(outputs.root / file)
        assert len(sound) / rate == pytest.approx(SECONDS, abs=0.1)
        assert 0.01 < np.sqrt((sound**2).mean()) < 0.5
        assert np.abs(sound).max() < 1
        assert f'src="{file}"' in listening
    assert "Music was generated for 2 of the 3 clips" in listening
    scores = select_scores(read_scores(outputs.scores), stage="generate", metric="identification")
    assert {(score.judge, score.n) for score in scores} == {("mulan-small", 2), ("logmel", 2)}
    assert outputs.retrieval("001", "mulan-small").is_file()
    assert outputs.encoding_rois("001").is_file()

    made = {file: (outputs.root / file).stat().st_mtime_ns for file in pieces["file"]}
    demo.run_demo(tmp_path, n_jobs=1, first_page=first_page)
    assert len(seen) == 1  # a page that shows everything is not replaced by one that shows less
    assert made == {file: (outputs.root / file).stat().st_mtime_ns for file in pieces["file"]}
