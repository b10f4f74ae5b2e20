"""Pages hold nothing inline, the run is told as it is, and sounds come whole and in parts."""

import io
import re
from importlib.resources import files

import numpy as np
import pytest
import soundfile
from PIL import Image

from brain2music.web.ranges import part_of
from brain2music.web.sounds import LEVEL
from tests.web.conftest import Served
from tests.web.hostile import NO_RANGES


@pytest.mark.parametrize("page", ["/", "/listen"])
def test_a_page_has_no_inline_script_or_style_and_a_policy_that_forbids_them(shared: Served, page: str) -> None:
    answer = shared.client.get(page)
    assert answer.status_code == 200
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://", answer.text)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    for source in re.findall(r'(?:src|href)="(/static/[^"]+)"', answer.text):
        assert shared.client.get(source).status_code == 200


def test_scripts_ask_no_other_server_and_write_no_html() -> None:
    for file in files("brain2music.web").joinpath("static").iterdir():
        if file.name.endswith((".js", ".css")):
            text = file.read_text(encoding="utf-8")
            assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|\beval\(|document\.write", text), (
                file
            )


def test_subjects_clips_and_sounds_are_those_of_the_run(shared: Served) -> None:
    run = shared.client.get("/api/run").json()
    assert [each["label"] for each in run["subjects"]] == ["001", "002"]
    assert run["simulated"] is True
    subject = shared.client.get("/api/subjects/001").json()
    assert len(subject["clips"]) == 6
    assert subject["maps"] == ["musicnn-mtt"]
    assert subject["regions"]["musicnn-mtt"][0]["roi"] == "all"
    clip = shared.client.get("/api/subjects/001/clips/0").json()
    kinds = [(sound["kind"], sound["embedding"]) for sound in clip["sounds"]]
    assert kinds[0] == ("presented", "")
    assert {("retrieved-decoded", "logmel"), ("retrieved-true", "musicnn-mtt")} < set(kinds)
    assert kinds.count(("generated-denoised", "musicnn-mtt")) == 2
    assert clip["sounds"][1]["next"] == ["Piece no. 2  (0.80)", "A Long Title for a Small Piece (0.75)"]
    assert shared.client.get("/api/subjects/001/map/musicnn-mtt").headers["content-type"] == "image/png"
    for absent in ("/api/subjects/003", "/api/subjects/001/clips/6", "/api/subjects/001/map/logmel"):
        assert shared.client.get(absent).status_code == 404


def test_every_sound_is_at_one_level_and_has_a_spectrogram(shared: Served) -> None:
    clip = shared.client.get("/api/subjects/001/clips/1").json()
    for sound in clip["sounds"]:
        data = shared.client.get(f"/api/sounds/{sound['sound']}").content
        waveform, rate = soundfile.read(io.BytesIO(data))
        assert rate == 22050
        assert np.sqrt(np.mean(waveform**2)) == pytest.approx(LEVEL, rel=0.05)
    picture = shared.client.get(f"/api/sounds/{clip['sounds'][0]['sound']}/spectrogram")
    assert Image.open(io.BytesIO(picture.content)).size == (360, 100)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [("bytes=0-0", 0, 0), ("bytes=10-19", 10, 19), ("bytes=100-", 100, None), ("bytes=-7", -7, None),
     ("bytes=0-999999999", 0, None), ("bytes=-999999999", 0, None)],
)  # fmt: skip
def test_a_part_of_a_sound_is_that_part(shared: Served, asked: str, first: int, last: int | None) -> None:
    name = shared.client.get("/api/subjects/001/clips/0").json()["sounds"][0]["sound"]
    whole = shared.client.get(f"/api/sounds/{name}")
    part = shared.client.get(f"/api/sounds/{name}", headers={"range": asked})
    assert (whole.status_code, part.status_code) == (200, 206)
    assert whole.headers["accept-ranges"] == "bytes"
    assert part.content == whole.content[first : None if last is None else last + 1]
    start, end, size = map(int, re.findall(r"\d+", part.headers["content-range"]))
    assert whole.content[start : end + 1] == part.content
    assert size == len(whole.content)


@pytest.mark.parametrize("asked", NO_RANGES)
def test_what_is_no_part_is_refused(shared: Served, asked: str) -> None:
    name = shared.client.get("/api/subjects/001/clips/0").json()["sounds"][0]["sound"]
    answer = shared.client.get(f"/api/sounds/{name}", headers={"range": asked})
    assert answer.status_code == 416
    assert answer.headers["content-range"].startswith("bytes */")


def test_parts_and_caches_know_when_a_sound_is_the_same(shared: Served) -> None:
    name = shared.client.get("/api/subjects/001/clips/0").json()["sounds"][0]["sound"]
    address = f"/api/sounds/{name}"
    tag = shared.client.get(address).headers["etag"]
    assert shared.client.get(address, headers={"if-none-match": tag}).status_code == 304
    assert shared.client.get(address, headers={"range": "bytes=0-1", "if-range": tag}).status_code == 206
    assert shared.client.get(address, headers={"range": "bytes=0-1", "if-range": '"other"'}).status_code == 200
    assert shared.client.get(address, headers={"range": "bytes=0-1,4-5"}).status_code == 200
    assert part_of("bytes=0-", 0) is None


def test_words_and_galleries_that_are_not_there_are_told(shared: Served) -> None:
    answer = shared.client.get("/api/gallery/search", params={"text": "calm piano"})
    assert answer.status_code == 409
    assert "--gallery" in answer.json()["error"]
    answer = shared.client.get("/api/subjects/001/tags/logmel")
    assert answer.status_code == 404
    assert "sound only" in answer.json()["error"]
