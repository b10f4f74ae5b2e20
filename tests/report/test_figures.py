"""Figures and spectrograms against what was planted in them."""

import base64
import io
import re
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from brain2music._utils.errors import InputError
from brain2music.metrics.score import Score
from brain2music.report import figures
from brain2music.report.forest import Point, forest_plot, genre_pairs
from brain2music.report.pictures import MOST_BYTES, WIDEST, shrunken
from brain2music.report.spectrogram import HEIGHT, WIDTH, thumbnail


def picture_of(path: Path) -> np.ndarray:
    uri = thumbnail(path)
    assert uri.startswith("data:image/webp;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert image.size == (WIDTH, HEIGHT)
    return np.asarray(image.convert("L"), dtype=float)


@pytest.mark.parametrize("rate", [16000, 22050, 44100])
def test_spectrogram_shows_a_tone_at_its_time_and_height(tmp_path: Path, rate: int) -> None:
    time = np.arange(2 * rate) / rate
    low_then_high = np.where(time < 1, np.sin(2 * np.pi * 220 * time), np.sin(2 * np.pi * 3000 * time))
    soundfile.write(tmp_path / "tone.wav", 0.3 * low_then_high, rate)
    brightest = picture_of(tmp_path / "tone.wav").argmax(axis=0)
    first, second = brightest[20 : WIDTH // 2 - 20], brightest[WIDTH // 2 + 20 : -20]
    assert np.ptp(first) <= 3
    assert np.ptp(second) <= 3
    assert np.median(first) - np.median(second) > HEIGHT / 3  # rows run downwards


def test_spectrogram_of_silence_is_dark_and_of_nothing_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(8000), 16000)
    assert picture_of(tmp_path / "silence.wav").max() < 40
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 16000)
    with pytest.raises(InputError, match=r"nothing\.wav: the sound file is empty"):
        thumbnail(tmp_path / "nothing.wav")


def test_figures_take_their_colours_from_the_page_and_leave_no_settings(rng: np.random.Generator) -> None:
    before = dict(matplotlib.rcParams)
    table = pd.DataFrame({"alpha": [1.0, 1.0, 10.0], "on_edge": [True, True, False]})
    svg = str(figures.alpha_histogram(table, "a"))
    assert dict(matplotlib.rcParams) == before
    assert {"var(--accent)", "var(--warn)", "var(--muted)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert "#000000" not in svg
    assert svg.startswith("<svg viewBox=")
    assert svg.rstrip().endswith("</svg>")
    assert 'aria-label="Histogram of α over 3 dimensions; 2 are on the edge of the grid"' in svg


def test_identification_matrix_groups_genres_and_counts_hits() -> None:
    similarity = np.eye(4)
    similarity[0] = [0.1, 0.9, 0.0, 0.0]
    svg = str(figures.identification_matrix(similarity, ["rock", "jazz", "rock", "jazz"], "m"))
    assert "most similar in 3 rows" in svg
    assert svg.index(">jazz<") < svg.index(">rock<")


def test_identification_matrix_of_many_clips_stays_small(rng: np.random.Generator) -> None:
    genres = [f"genre {i % 11}" for i in range(165)]
    svg = str(figures.identification_matrix(rng.normal(size=(165, 165)), genres, "m"))
    assert len(svg) < 500_000


def test_pca_finds_the_planted_plane_and_shrinkage(rng: np.random.Generator) -> None:
    plane = np.linalg.qr(rng.normal(size=(20, 2)))[0]
    true = rng.normal(size=(30, 2)) * [5, 3] @ plane.T
    svg, ratio = figures.pca_map(0.5 * true + 7.0, true, ["a", "b", "c"] * 10, "p")
    assert ratio == pytest.approx(0.25)
    shares = dict(re.findall(r"PC (\d) \((\d+) %", str(svg)))
    assert int(shares["1"]) + int(shares["2"]) == pytest.approx(100, abs=1)
    assert int(shares["1"]) > int(shares["2"])


def test_reliability_shows_the_best_dozen_regions(rng: np.random.Generator) -> None:
    names = [f"region {i:02d}" for i in range(15)]
    table = pd.DataFrame({"roi": np.repeat(names, 20), "reliability": np.repeat(np.arange(15) / 20, 20)})
    svg = str(figures.reliability_by_roi(table, "r"))
    shown = re.findall(r">(region \d\d)<", svg)
    assert sorted(shown) == names[3:]


def height_of(svg: str, label: str) -> float:
    """Where a label stands, downwards from the top."""
    found = re.search(rf'y="([\d.]+)"[^>]*>{label}<|translate\([\d.]+ ([\d.]+)\)[^>]*>{label}<', svg)
    assert found is not None
    return float(found[1] or found[2])


def test_a_forest_plot_has_one_colour_per_series_and_its_rows_from_the_top() -> None:
    series = {"x": [Point(0.8, 0.7, 0.9), Point(0.2)], "y": [None, Point(0.4, 0.3, 0.5)]}
    svg = str(forest_plot(["top", "bottom"], series, "d", xlabel="score", chance=0.5, ceilings=[0.95, float("nan")]))
    assert height_of(svg, "top") < height_of(svg, "bottom")
    assert {"#4c7fd9", "#d9733a"} <= set(re.findall(r"#[0-9a-f]{6}", svg))
    assert 'aria-label="score: x: top 0.80, bottom 0.20"' in svg
    alone = str(forest_plot(["top"], {"x": [Point(0.8)]}, "d", xlabel="score", chance=0.5, ceilings=[float("nan")]))
    assert "#d9733a" not in alone
    assert ">x<" not in alone  # one series needs no legend


def test_the_labels_of_an_axis_from_minus_1_to_1_have_room() -> None:
    spread = {"x": [Point(0.0, -1.0, 1.0)]}
    svg = str(forest_plot(["a region of a long name"], spread, "d", xlabel="r", chance=0.0, ceilings=[float("nan")]))
    ticks = re.findall(r">([−-]?\d\.\d+)<", svg)
    assert ticks == ["−1.0", "−0.5", "0.0", "0.5", "1.0"]


def test_pairs_of_bars_keep_the_order_given_and_allow_for_genres_without_full_model() -> None:
    def score(value: float) -> Score:
        columns = {"stage": "decode", "metric": "identification", "condition": "decoded", "embedding": "e"}
        interval = {"low": value - 0.1, "high": value + 0.1}
        return Score(**columns, subject="001", value=value, chance=0.5, n=2, candidates=6, **interval)  # type: ignore[arg-type]

    svg = str(genre_pairs({"rock": score(0.9)}, {"rock": score(0.7), "jazz": score(0.6)}, "u"))
    assert height_of(svg, "rock") < height_of(svg, "jazz")
    assert "rock 0.70, jazz 0.60" in svg
    bars = {colour: svg.count(f"fill: var({colour}); opacity") for colour in ("--muted", "--accent")}
    assert bars == {"--muted": 1 + 1, "--accent": 2 + 1}  # with the legend's


def test_pictures_shrink_until_they_are_small(tmp_path: Path, rng: np.random.Generator) -> None:
    noise = rng.integers(256, size=(900, 2400, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    Image.new("RGB", (110, 40), "teal").save(tmp_path / "plain.png")
    sizes = {}
    for name in ("noise", "plain"):
        uri = shrunken(tmp_path / f"{name}.png")
        assert len(uri) <= MOST_BYTES
        sizes[name] = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).size
    assert sizes["plain"] == (110, 40)
    assert sizes["noise"][0] <= WIDEST
    assert sizes["noise"][0] / sizes["noise"][1] == pytest.approx(2400 / 900, rel=0.02)
    (tmp_path / "broken.png").write_bytes((tmp_path / "plain.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"broken\.png: this is not a readable picture"):
        shrunken(tmp_path / "broken.png")
