"""The pages: what they show, that they stand alone, and that nothing hostile or broken gets through."""

import html as markup
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.metrics.records import read_scores, summarise, write_scores
from brain2music.metrics.score import Score
from brain2music.pipeline.outputs import MOTION, Outputs
from brain2music.report.page import build_report, page_templates

MakeRun = Callable[..., Path]
MakePages = Callable[..., dict[str, str]]
BANNER = "Simulated brain data: no person was scanned."
MEGABYTE = 1_000_000


class Tags(HTMLParser):
    """Every start tag with its attributes, and the text of every caption."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.captions: list[str] = []
        self._depth = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in ("caption", "figcaption"):
            self._depth += 1
            self.captions.append("")

    def handle_endtag(self, tag: str) -> None:
        self._depth -= tag in ("caption", "figcaption")

    def handle_data(self, data: str) -> None:
        if self._depth:
            self.captions[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def pages_of(root: Path) -> dict[str, str]:
    build_report(root)
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(root.glob("*.html"))}


def text_of(html: str) -> str:
    """What a reader sees, with single spaces."""
    return " ".join(markup.unescape(re.sub(r"<[^>]+>", " ", html)).split())


def section(html: str, name: str) -> str:
    found = re.search(f'<section id="{name}">.*?</section>', html, re.DOTALL)
    assert found is not None
    return found[0]


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_every_section_is_there(make_pages: MakePages) -> None:
    pages = make_pages(subjects=("001", "002"))
    assert set(pages) == {"index.html", "sub-001.html", "sub-002.html"}
    for heading in ("Scores", "Design", "Leaks and warnings", "Methods", "Provenance"):
        assert f"<h2>{heading}</h2>" in pages["index.html"]
    subject = pages["sub-001.html"]
    for heading in ("Listen", "Decoding", "Genres left out", "Encoding", "Responses", "Design"):
        assert f"<h2>{heading}</h2>" in subject
    for caption in (
        "Identification matrix",
        "Two-way identification of each",
        "principal components",
        "α chosen",
    ):
        assert caption in subject
    tags = Tags(subject)
    assert len([item for item in tags.named("li") if item.get("class") == "clip"]) == 6
    assert len(tags.named("audio")) == 18  # presented, retrieved by the decoded and by the true embedding
    assert len(tags.named("img")) == 18 + 1  # and the map
    assert all(audio["preload"] == "none" and audio["aria-label"] for audio in tags.named("audio"))
    assert all(image["alt"] for image in tags.named("img"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in tags.named("svg"))


def test_scores_come_with_chance_interval_candidates_and_p(make_pages: MakePages) -> None:
    index = make_pages()["index.html"]
    row = re.search(r"<td>decode</td><td class=\"metric\">identification</td>.*?</tr>", index, re.DOTALL)
    assert row is not None
    texts = (re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<td.*?</td>", row[0], re.DOTALL))
    expected = "decode identification decoded 0.870 0.810 to 0.920  0.500 1.000 6 6 <\u00a00.001"
    assert markup.unescape(" ".join(texts)) == expected
    sentence = "more similar to the presented clip than to another clip in 87 % of comparisons"
    assert f"{sentence} (95 % interval 81 % to 92 %, chance 50 %, 6 candidates, n = 6 clips" in index.replace(
        "\u00a0", " "
    )


def test_the_summary_names_control_and_other_judge(make_pages: MakePages) -> None:
    index = make_pages()["index.html"].replace("\u00a0", " ")
    assert "the same decoder fitted to permuted clips reaches 50 %." in index
    other = "Compared in another embedding, logmel, it was more similar in 66 % of comparisons"
    assert f"{other} (95 % interval 60 % to 71 %, chance 50 %" in index
    assert "retrieval by the true embedding reaches 93 %" in index


def test_several_subjects_are_summed_up_by_their_range(make_pages: MakePages) -> None:
    index = make_pages(subjects=("001", "002"), gallery=False)["index.html"].replace("\u00a0", " ")
    assert "decoded for 2 subjects" in index
    assert "lowest 87 %, highest 87 %, chance 50 %, 6 candidates, n = 6 clips each" in index
    assert "That is above chance in 2 of 2 subjects." in index


def test_a_score_shows_its_remark_and_not_the_note_of_the_banner(make_pages: MakePages) -> None:
    index = make_pages(note="rank 6")["index.html"]
    assert '<span class="note">one sample</span>' in index
    assert '<span class="note">rank 6' not in index


def test_numbers_have_no_negative_zero_and_nouns_agree_with_their_counts() -> None:
    page = page_templates().from_string(
        "{{ value|number }}; {{ value|number(2) }}; {{ 1|counted('clip') }}; {{ 1200|counted('clip') }}"
    )
    assert page.render(value=-0.0004) == "0.000; 0.00; 1 clip; 1,200 clips"
    assert page.render(value=-0.006).startswith("-0.006; -0.01")


def test_the_summary_tells_how_well_voxels_are_predicted(make_pages: MakePages) -> None:
    index = text_of(make_pages()["index.html"])
    assert (
        "From music to simulated brain responses: the musicnn-mtt embedding predicted responses of subject 001 to test "
        "clips with r = 0.55 (mean over 10 reliable voxels, 0.69 of the ceiling, 95 % interval 0.49 to 0.60, "
        "n = 6 clips, permutation p < 0.001). That is above chance."
    ) in index


def test_regions_stand_with_interval_ceiling_and_share(make_pages: MakePages) -> None:
    shown = text_of(section(make_pages(embeddings=("musicnn-mtt", "logmel"))["sub-001.html"], "encoding"))
    assert "reliable voxels 10 0.80 0.550 0.47 to 0.62 0.69 11 % 0.450 0.37 to 0.52 0.56 9 %" in shown
    assert "planum temporale 10 0.80 0.450 0.37 to 0.52 0.56 9 % 0.350 0.27 to 0.42 0.44 7 %" in shown
    order = ["reliable voxels 10", "all voxels 60", "Heschl's gyrus 10", "planum", "superior", "inferior"]
    table = shown[shown.index("Encoding by region") :]
    assert sorted(order, key=table.index) == order
    assert "musicnn-mtt minus logmel +0.100 +0.040 to +0.150" in shown


def test_significant_voxels_stand_side_by_side_and_the_gaussian_null_is_called_inflated(make_pages: MakePages) -> None:
    shown = text_of(section(make_pages(simulated=False)["sub-001.html"], "encoding"))
    heads = "Embedding Clips permuted, FDR Clips permuted, max-T Gaussian (paper), FDR inflated"
    assert f"{heads} musicnn-mtt 20.0 % 12 10.0 % 6 55.0 % 33" in shown
    assert "it calls too many voxels significant" in shown


def test_of_many_regions_the_figure_shows_some_and_the_table_all(make_run: MakeRun) -> None:
    root = make_run()
    path = Outputs(root).encoding_rois("001")
    table = pd.read_parquet(path)
    more = [table.iloc[[-1]].assign(roi=f"parcel {i:02d}", mean_r=-0.01 * i) for i in range(20)]
    pd.concat([table, *more]).to_parquet(path)
    shown = section(pages_of(root)["sub-001.html"], "encoding")
    assert "come first, 8 more in the table." in shown
    assert shown.count("parcel 11<") == 2
    assert shown.count("parcel 12<") == shown.count("parcel 19<") == 1


def test_genres_left_out_are_beside_the_full_model(make_pages: MakePages) -> None:
    page = make_pages(note="rank 6")["sub-001.html"]
    shown = text_of(section(page, "left-out"))
    assert "Averaged over 3 genres, identification is 0.700 without the genre in training and 0.900 with it" in shown
    row = "classical 2 0.700 0.64 to 0.75 0.200 0.900 0.84 to 0.95 0.550 0.652 when trained on"
    assert row in shown
    assert "without this genre" not in section(page, "decoding")


def test_decoders_are_compared_with_lags_and_controls(make_pages: MakePages) -> None:
    shown = text_of(section(make_pages()["sub-001.html"], "decoding"))
    rows = ("ridge, lag 3 0.870 0.81 to 0.92", "kernel 0.840 0.78 to 0.89", "lag 0 0.790 0.73 to 0.84")
    controls = ("true genre, no brain 0.810 0.75 to 0.86", "permuted clips 0.502 0.44 to 0.55")
    assert " ".join(rows + controls) in shown


@pytest.mark.parametrize(
    ("dropped", "line"),
    [
        (lambda score: score.held_out == "genre", "No genres left out:"),
        (lambda score: score.ablation != "none" or score.condition in ("genre", "permuted"), "No comparison:"),
    ],
)
def test_sections_without_scores_say_so(
    make_run: MakeRun, make_pages: MakePages, dropped: Callable[[Score], bool], line: str
) -> None:
    root = make_run()
    write_scores(Outputs(root).scores, [score for score in read_scores(Outputs(root).scores) if not dropped(score)])
    assert line not in make_pages()["sub-001.html"]
    assert line in pages_of(root)["sub-001.html"]


def test_encoding_that_was_not_asked_for_is_said_so(make_run: MakeRun) -> None:
    root = make_run()
    for path in root.rglob("*.parquet"):
        path.unlink()
    edit_json(Outputs(root).study, settings={"encoding.enabled": False})
    assert "No encoding: the settings of the run turn encoding off." in pages_of(root)["sub-001.html"]


def test_the_group_comes_first(make_run: MakeRun) -> None:
    root = make_run(subjects=("001", "002"), gallery=False)
    for path in root.rglob("*.parquet"):
        path.unlink()
    scores = read_scores(Outputs(root).scores)
    write_scores(Outputs(root).scores, [*scores, *summarise(scores)])
    pages = pages_of(root)
    tables = re.findall(r"<tbody>(.*?)</tbody>", section_of_scores(pages["index.html"]), re.DOTALL)
    assert len(tables) == 3  # identification, encoding, every score
    for table in tables:
        first = text_of(table.partition("</tr>")[0])
        assert first.startswith("group musicnn-mtt")
        assert "2 subjects" in first
    assert "sub-group" not in pages["index.html"]


def section_of_scores(html: str) -> str:
    found = re.search(r"<h2>Scores</h2>.*?</section>", html, re.DOTALL)
    assert found is not None
    return found[0]


@pytest.mark.parametrize(("p", "verdict"), [(0.2, "That cannot be told from chance."), (0.01, "That is above chance.")])
def test_the_summary_claims_no_more_than_p_allows(make_run: MakeRun, p: float, verdict: str) -> None:
    root = make_run(gallery=False)
    for path in root.rglob("*.parquet"):
        path.unlink()
    scores = [{**score, "p": p} for score in json.loads(Outputs(root).scores.read_text())]
    Outputs(root).scores.write_text(json.dumps(scores))
    assert verdict in pages_of(root)["index.html"]


@pytest.mark.parametrize(("low", "doubt"), [(0.48, True), (0.5, True), (0.51, False)])
def test_the_summary_tells_of_an_interval_that_includes_chance(make_run: MakeRun, low: float, doubt: bool) -> None:
    root = make_run(gallery=False)
    scores = [
        score | ({"p": 0.018, "low": low, "high": 0.9} if score["metric"] == "identification" else {})
        for score in json.loads(Outputs(root).scores.read_text())
    ]
    Outputs(root).scores.write_text(json.dumps(scores))
    summary = text_of(pages_of(root)["index.html"]).partition("From music to")[0]
    assert ("That is above chance, though the interval includes chance." in summary) is doubt
    assert ("That is above chance." in summary) is not doubt


def test_rank_of_the_presented_clip_counts_ties_against_it(make_run: MakeRun) -> None:
    root = make_run()
    path = Outputs(root).similarity("001", "musicnn-mtt")
    table = pd.read_parquet(path)
    rows = [[0.9, 0.1, 0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0.4, 0.3, 0.2, 0.1], *[[0.1] * 5 + [0.0]] * 3]
    table["similarity"] = [*rows, [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]]
    table.to_parquet(path)
    clips = [item for item in Tags(pages_of(root)["sub-001.html"]).named("li") if item.get("class") == "clip"]
    assert [clip["data-rank"] for clip in clips] == ["1", "2", "5", "5", "5", "6"]


@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_is_said_exactly_when_it_is(make_pages: MakePages, simulated: bool) -> None:
    for name, html in make_pages(simulated=simulated).items():
        title = re.search("<title>(.*?)</title>", html)
        assert title is not None
        assert (BANNER in html) is ("(simulated)" in title[1]) is simulated, name
        if not simulated:
            assert "simulated" not in html


def test_the_note_stands_wherever_scores_are_shown(make_pages: MakePages) -> None:
    for name, html in make_pages(simulated=False, note="rank 6").items():
        assert "Note on the data: rank 6." in html
        about_scores = [caption for caption in Tags(html).captions if re.search("core|dentification", caption)]
        assert len(about_scores) >= 2, name
        assert all("rank 6" in caption for caption in about_scores)
        assert html.index("rank 6") < html.index("comparisons")


def test_pages_need_nothing_from_elsewhere(make_pages: MakePages) -> None:
    for html in make_pages(hostile=" 50% #1?").values():
        for tag, attributes in Tags(html).found:
            for name in ("src", "href", "xlink:href", "action", "data", "poster"):
                address = attributes.get(name) or ""
                assert not re.match(r"[a-z]+:|//", address) or address.startswith("data:image/"), (
                    tag,
                    address,
                )
        assert not re.search(r"@import|url\((?!#)", html)
        assert not {"link", "iframe", "object", "embed"} & {tag for tag, _ in Tags(html).found}


def test_all_links_resolve(make_run: MakeRun) -> None:
    root = make_run(hostile=" 50% #1?")
    for html in pages_of(root).values():
        tags = Tags(html)
        ids = [attributes["id"] for _, attributes in tags.found if "id" in attributes]
        assert len(ids) == len(set(ids))
        addresses = [item["href"] for item in tags.named("a")] + [item["src"] for item in tags.named("audio")]
        for address in addresses:
            assert address
            known = address[1:] in ids if address.startswith("#") else (root / unquote(address)).is_file()
            assert known, address
        for reference in re.findall(r'(?:xlink:href="#|url\(#)([\w-]+)', html):
            assert reference in ids


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "$\\frac{$ & -->"])
def test_what_users_name_is_escaped(make_pages: MakePages, hostile: str) -> None:
    for name, html in make_pages(hostile=hostile, note=hostile).items():
        assert len(Tags(html).named("script")) == 1
        assert len(Tags(html).named("img")) == (0 if name == "index.html" else 18 + 1)
        assert all("onerror" not in attributes for _, attributes in Tags(html).found)
        assert hostile.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split('"')[-1] in html


def test_rebuilding_gives_the_same_bytes(make_run: MakeRun, make_pages: MakePages) -> None:
    assert pages_of(make_run()) == make_pages()


def test_only_the_pages_are_written(make_run: MakeRun) -> None:
    root = make_run()
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert build_report(root) == root / "index.html"
    after = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert {path.name for path in set(after) - set(before)} == {"index.html", "sub-001.html"}
    assert all(after[path] == content for path, content in before.items())


@pytest.mark.slow
def test_the_demo_and_a_page_of_60_clips_keep_their_size(make_run: MakeRun) -> None:
    tens = [f"genre{i}" for i in range(10)]
    root = make_run(genres=tuple(tens), per_genre=6, dims=753, voxels=5000, seconds=3.0)
    build_report(root)
    page = (root / "sub-001.html").stat().st_size
    assert page < 8 * MEGABYTE
    assert page / 60 * 20 < 3 * MEGABYTE
    assert (root / "index.html").stat().st_size < MEGABYTE / 2


def test_pages_of_a_run_that_is_under_way_say_so_until_they_are_replaced(make_run: MakeRun) -> None:
    root = make_run(gallery=False)
    build_report(root, under_way="<music> is being made.")
    for page in (root / "index.html", root / "sub-001.html"):
        text = page.read_text()
        assert "<strong>Under way:</strong> &lt;music&gt; is being made." in text
        assert '<body class="under-way">' in text
        assert "No retrieval" not in text
    build_report(root)
    for page in (root / "index.html", root / "sub-001.html"):
        assert "Under way:" not in page.read_text()
        assert "<body>" in page.read_text()
    assert "No retrieval" in (root / "sub-001.html").read_text()


ABSENT = {
    "retrieval": (lambda o: o.retrieval("001", "musicnn-mtt"), "No retrieval:"),
    "reliability": (lambda o: o.reliability("001"), "No reliability:"),
    "similarity": (lambda o: o.similarity("001", "musicnn-mtt"), "No identification matrix:"),
    "predictions": (lambda o: o.predictions("001", "musicnn-mtt"), "No map of the embeddings:"),
    "alphas": (lambda o: o.alphas("001", "musicnn-mtt"), "No histogram of α:"),
    "regions": (lambda o: o.encoding_rois("001"), "No encoding:"),
    "map": (lambda o: o.encoding_figure("001", "musicnn-mtt"), "No map: the voxels"),
    "stimulus": (lambda o: o.stimulus("jazz.00000_0-0.5"), "No audio of it was left"),
}


@pytest.mark.parametrize("which", ABSENT)
def test_what_is_absent_is_said_to_be(make_run: MakeRun, which: str) -> None:
    root = make_run(genres=("jazz", "rock"))
    ABSENT[which][0](Outputs(root)).unlink()
    page = pages_of(root)["sub-001.html"]
    assert [name for name, (_, line) in ABSENT.items() if line in page] == [which]


def test_a_run_with_nothing_but_its_description_still_has_pages(make_run: MakeRun) -> None:
    root = make_run(simulated=True)
    for path in root.rglob("*.parquet"):
        path.unlink()
    Outputs(root).scores.write_text("[]")
    pages = pages_of(root)
    assert "No decoded embedding" in pages["sub-001.html"]
    assert "scores.json holds no scores" in pages["index.html"]
    assert all(BANNER in html for html in pages.values())


@pytest.mark.parametrize("find", [f for f, _ in ABSENT.values()] + [lambda o: o.study, lambda o: o.scores])
def test_a_broken_file_is_named_and_nothing_is_written(make_run: MakeRun, find: Callable[[Outputs], Path]) -> None:
    root = make_run(genres=("jazz", "rock"))
    path = find(Outputs(root))
    path.write_bytes(b"\x00not what it was\xff" * 40)
    with pytest.raises(InputError, match=re.escape(path.name)):
        build_report(root)
    assert not list(root.glob("*.html"))


def test_missing_description_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"study\.json"):
        build_report(tmp_path)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda t: t.drop(columns="similarity"), "lacks the columns similarity"),
        (lambda t: t.head(0), "empty"),
        (lambda t: t.assign(similarity=[[0.1]] * len(t)), "have .1. values instead of 6"),
        (lambda t: t.assign(similarity=[["a"] * 6] * len(t)), "other than numbers"),
        (lambda t: t.assign(similarity=[[float("nan")] * 6] * len(t)), "not finite"),
        (lambda t: t.assign(clip=["another", *t["clip"][1:]]), "its clips differ"),
    ],
)
def test_a_table_with_wrong_contents_is_named(
    make_run: MakeRun, change: Callable[[pd.DataFrame], pd.DataFrame], what: str
) -> None:
    root = make_run()
    path = Outputs(root).similarity("001", "musicnn-mtt")
    change(pd.read_parquet(path)).to_parquet(path)
    with pytest.raises(InputError, match=what):
        build_report(root)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"simulated": "perhaps"}, "simulated: input should be a valid boolean"),
        ({"design": {}}, r"design\.tr: field required"),
        ({"subjects": None}, "subjects: "),
    ],
)
def test_a_wrong_description_is_named(make_run: MakeRun, changes: dict[str, object], what: str) -> None:
    root = make_run()
    edit_json(Outputs(root).study, **changes)
    with pytest.raises(InputError, match=f"study.json: {what}"):
        build_report(root)


@pytest.mark.parametrize("scores", [{"metric": "top1"}, [1], [{"metric": "top1", "value": 0.5}]])
def test_wrong_scores_are_named(make_run: MakeRun, scores: object) -> None:
    root = make_run()
    Outputs(root).scores.write_text(json.dumps(scores))
    with pytest.raises(InputError, match=r"scores\.json"):
        build_report(root)


def test_leaks_and_edges_are_shown(make_run: MakeRun) -> None:
    root = make_run(dims=40)
    edit_json(Outputs(root).study, leaks=[{"kind": "same artist", "what": "Miles in train and test"}])
    pages = pages_of(root)
    assert "<td>same artist</td><td>Miles in train and test</td>" in pages["index.html"]
    edge = int(pd.read_parquet(Outputs(root).alphas("001", "musicnn-mtt"))["on_edge"].sum())
    assert edge > 0
    assert f"{edge} of 40 dimensions are best predicted by an α on the edge of the grid." in pages["sub-001.html"]


def test_players_hold_the_sound_they_show(make_run: MakeRun) -> None:
    root = make_run()
    for audio in Tags(pages_of(root)["sub-001.html"]).named("audio"):
        assert soundfile.info(root / unquote(audio["src"] or "")).duration == pytest.approx(0.5, abs=0.1)


def test_head_motion_is_shown_where_it_is_known(make_run: MakeRun, rng: np.random.Generator) -> None:
    root = make_run()
    assert "Head motion" not in (build_report(root).parent / "sub-001.html").read_text()
    table = pd.DataFrame({name: rng.normal(size=40) for name in MOTION.columns if name not in ("run", "scan")})
    table["framewise_displacement"] = [np.nan, *[0.2] * 29, *[0.8] * 10]
    table["dvars"], table["dvars_uncorrected"] = 12.0, 30.0
    table["run"], table["scan"] = ["run-1"] * 20 + ["run-2"] * 20, np.arange(40)
    MOTION.write(Outputs(root).motion("001"), table)
    page = (build_report(root).parent / "sub-001.html").read_text()
    words = " ".join(page.split())
    assert "the head moved by 0.20 mm (median framewise displacement), and by more than 0.5 mm in 26 % of 40" in words
    assert "from 30.0 to 12.0" in words
    assert "over the scans of all 2 runs" in words
    table["dvars_uncorrected"] = np.nan  # as in fMRIPrep's tables
    MOTION.write(Outputs(root).motion("001"), table)
    words = " ".join((build_report(root).parent / "sub-001.html").read_text().split())
    assert "Head motion" in words
    assert "before and after correction" not in words
