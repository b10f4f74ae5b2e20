"""Listings of OpenNeuro, its bucket, Kaggle and FMA, in the form in which these servers give them."""

import hashlib
import io
import json
import sys
import types
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from brain2music import Brain2MusicWarning, InputError
from brain2music.study import check_study, read_study
from brain2music.study.downloads import (
    FetchPlan,
    Patience,
    Servers,
    download_by_openneuro_py,
    fetch,
    find_dataset,
    list_datasets,
    plan_fetch,
)
from brain2music.study.downloads.records import FMA_SHA1
from brain2music.study.downloads.remote import Checksum
from brain2music.study.downloads.selection import with_servers

from ..tiny_study import TinyStudy
from .server import Handler, Site, page, status

GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")


def bids(dataset: str) -> dict[str, bytes]:
    """Names as in the data set, with little in them."""
    if dataset == "ds000113":
        func = "sub-01/ses-auditoryperception/func/sub-01_ses-auditoryperception_task-auditoryperception_run-01"
        names = [
            f"{func}_bold.nii.gz",
            f"{func}_events.tsv",
            "task-auditoryperception_bold.json",
            "task-movie_bold.json",
        ]
        names += [
            "sub-01/ses-movie/func/sub-01_ses-movie_task-movie_run-1_bold.nii.gz",
            "stimuli/annotations/scenes.csv",
        ]
        names += [f"sub-01/ses-forrestgump/anat/sub-01_ses-forrestgump_{kind}.nii.gz" for kind in ("T1w", "T2w")]
        names += ["sub-02/ses-movie/func/sub-02_ses-movie_task-movie_run-1_bold.nii.gz"]
    else:
        names = ["sourcedata/notes.txt", "derivatives/x/sub-001/func/sub-001_task-Test_run-01_desc-preproc_bold.nii"]
        for label in ("001", "002"):
            names += [f"sub-{label}/anat/sub-{label}_T1w.{end}" for end in ("json", "nii")]
            for task in ("Test", "Training"):
                stem = f"sub-{label}/func/sub-{label}_task-{task}_run-01"
                names += [f"{stem}_bold.json", f"{stem}_bold.nii", f"{stem}_events.tsv"]
    names += ["dataset_description.json", "README", "CHANGES", ".bidsignore", ".gitattributes", ".datalad/config"]
    return {name: f"{name} of {dataset}\n".encode() for name in names}


def identifier(name: str, body: bytes) -> str:
    """The key of git-annex of an image, the hash of the git blob of others: what OpenNeuro calls the id."""
    if name.endswith((".nii", ".nii.gz")):
        return f"MD5E-s{len(body)}--{hashlib.md5(body).hexdigest()}{name[name.index('.nii') :]}"
    return hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()


def serve_openneuro(
    site: Site, dataset: str, tags: Iterable[str] = ("1.0.0", "1.0.1"), files: dict[str, bytes] | None = None
) -> dict[str, bytes]:
    """Answer as OpenNeuro's interface does."""
    files = files or bids(dataset)
    entries = []
    for name, body in files.items():
        url = site.put(f"/openneuro.org/{dataset}/{name}", body)
        entries.append(
            {"id": identifier(name, body), "filename": name, "size": len(body), "urls": [f"{url}?versionId=x"]}
        )

    def answer(handler: Handler) -> tuple[int, bytes]:
        variables = site.posted[-1]["variables"]
        snapshots = [{"id": f"{dataset}:{tag}"} for tag in tags]
        known = variables["dataset"] == dataset
        query = site.posted[-1]["query"]
        if "latestSnapshot" in query:
            data: dict[str, Any] = {
                "dataset": {"latestSnapshot": snapshots[-1] | {"files": entries}} if known else None
            }
        elif "snapshot(" in query:
            found = known and variables["tag"] in tags
            data = {"snapshot": {"id": f"{dataset}:{variables['tag']}", "files": entries} if found else None}
        else:
            data = {"dataset": {"snapshots": snapshots} if known else None}
        return 200, json.dumps({"data": data}).encode()

    site.answers["/crn/graphql"] = answer
    return files


def serve_bucket(site: Site, dataset: str, per_page: int = 4) -> dict[str, bytes]:
    """Answer as the bucket's listing does, page by page."""
    files = bids(dataset)
    names = sorted(files)

    def answer(handler: Handler) -> tuple[int, bytes]:
        from urllib.parse import parse_qs, urlsplit

        asked = parse_qs(urlsplit(handler.path).query)
        start = int(asked.get("continuation-token", ["0"])[0])
        shown = names[start : start + per_page] if asked["prefix"] == [f"{dataset}/"] else []
        rows = "".join(
            f"<Contents><Key>{dataset}/{name}</Key><ETag>&quot;{hashlib.md5(files[name]).hexdigest()}&quot;</ETag>"
            f"<Size>{len(files[name])}</Size></Contents>"
            for name in shown
        )
        more = (
            f"<NextContinuationToken>{start + per_page}</NextContinuationToken>"
            if start + per_page < len(names)
            else ""
        )
        text = f'<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{rows}{more}'
        return 200, f"{text}</ListBucketResult>".encode()

    for name, body in files.items():
        site.put(f"/openneuro.org/{dataset}/{name}", body)
    site.answers["/openneuro.org"] = answer
    return files


def paths(plan: FetchPlan) -> list[str]:
    return sorted(file.remote.path for file in plan.files)


def test_ds003720(site: Site, servers: Servers, patience: Patience, tmp_path: Path) -> None:
    files = serve_openneuro(site, "ds003720")
    plan = plan_fetch("ds003720", tmp_path, servers=servers, patience=patience)
    raw = [name for name in files if name.startswith("sub-")]
    assert paths(plan) == sorted([*raw, "dataset_description.json", "README", "CHANGES", ".bidsignore"])
    assert plan.version == "1.0.1"
    assert {file.remote.checksums[0].algorithm for file in plan.files} == {"md5", "git"}
    fetch(plan, patience=patience)
    assert all((tmp_path / name).read_bytes() == files[name] for name in paths(plan))
    assert "every" not in str(plan)


def test_subjects_and_tasks(site: Site, servers: Servers, patience: Patience, tmp_path: Path) -> None:
    serve_openneuro(site, "ds003720")
    plan = plan_fetch("ds003720", tmp_path, subjects=["sub-002"], tasks=["Test"], servers=servers, patience=patience)
    subject = [path for path in paths(plan) if path.startswith("sub-")]
    stem = "sub-002/func/sub-002_task-Test_run-01"
    anatomy = ["sub-002/anat/sub-002_T1w.json", "sub-002/anat/sub-002_T1w.nii"]
    assert subject == [*anatomy, f"{stem}_bold.json", f"{stem}_bold.nii", f"{stem}_events.tsv"]
    assert "README" in paths(plan)
    images = plan_fetch("ds003720", tmp_path, include=["derivatives/*"], servers=servers, patience=patience)
    assert len(images.files) == 2
    for asked, says in (
        ({"subjects": ["009"]}, "no subject 009. Choose among 001, 002"),
        ({"tasks": ["Rest"]}, "no task Rest. Choose among Test, Training"),
        ({"sessions": ["1"]}, "no session 1"),
    ):
        with pytest.raises(InputError, match=says):
            plan_fetch("ds003720", tmp_path, servers=servers, patience=patience, **asked)  # type: ignore[arg-type]


def test_the_session_of_auditory_perception(site: Site, servers: Servers, patience: Patience, tmp_path: Path) -> None:
    serve_openneuro(site, "ds000113")
    plan = plan_fetch("ds000113", tmp_path, servers=servers, patience=patience)
    func = "sub-01/ses-auditoryperception/func/sub-01_ses-auditoryperception_task-auditoryperception_run-01"
    kept = [f"{func}_bold.nii.gz", f"{func}_events.tsv", "task-auditoryperception_bold.json"]
    kept += ["sub-01/ses-forrestgump/anat/sub-01_ses-forrestgump_T1w.nii.gz"]
    assert paths(plan) == sorted([*kept, "dataset_description.json", "README", "CHANGES", ".bidsignore"])


def test_versions(site: Site, servers: Servers, patience: Patience, tmp_path: Path) -> None:
    serve_openneuro(site, "ds003720")
    assert plan_fetch("ds003720", tmp_path, version="1.0.0", servers=servers, patience=patience).version == "1.0.0"
    with pytest.raises(InputError, match=r"no version 9 of ds003720. Choose among 1.0.0, 1.0.1"):
        plan_fetch("ds003720", tmp_path, version="9", servers=servers, patience=patience)
    with pytest.raises(InputError, match="no public data set ds000113"):
        plan_fetch("ds000113", tmp_path, servers=servers, patience=patience)


def test_the_bucket_is_listed_where_the_interface_fails(
    site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    files = serve_bucket(site, "ds003720")
    site.put("/crn/graphql", b"", *[status(504)] * 20)
    plan = plan_fetch("ds003720", tmp_path, servers=servers, patience=patience)
    assert len(plan.files) == 20
    assert "the bucket's own listing is used" in plan.remarks[0]
    assert plan.files[0].remote.checksums[0].algorithm == "md5"
    fetch(plan, patience=patience)
    assert all((tmp_path / name).read_bytes() == files[name] for name in paths(plan))
    with pytest.raises(InputError, match=r"the listing of ds003720 1\.0\.0 cannot be had"):
        plan_fetch("ds003720", tmp_path, version="1.0.0", servers=servers, patience=patience)
    with pytest.raises(InputError, match="there is no data set ds000113"):
        plan_fetch("ds000113", tmp_path, servers=servers, patience=patience)


@pytest.mark.parametrize(
    "answer", [{"errors": [{"message": "504: Gateway Timeout"}]}, {"data": None}, [], {"data": []}]
)
def test_faults_of_the_interface_that_are_answers(
    answer: Any, site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    serve_bucket(site, "ds003720")
    site.put_json("/crn/graphql", answer)
    if answer == {"data": None} or answer == {"data": []}:
        with pytest.raises(InputError, match="no public data set"):
            plan_fetch("ds003720", tmp_path, servers=servers, patience=patience)
    else:
        assert len(plan_fetch("ds003720", tmp_path, servers=servers, patience=patience).files) == 20


def test_an_identifier_of_another_kind_leaves_the_etag(
    site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    """Earlier versions of the interface gave the hash of the hash and the path; the bucket's MD5 is compared then."""
    files = serve_openneuro(site, "ds003720")
    before = site.answers["/crn/graphql"]

    def other(handler: Handler) -> tuple[int, bytes]:
        found = json.loads(before(handler)[1])
        for entry in found["data"]["dataset"]["latestSnapshot"]["files"]:
            entry["id"] = hashlib.sha1(f"{entry['id']}:{entry['filename']}".encode()).hexdigest()
        return 200, json.dumps(found).encode()

    site.answers["/crn/graphql"] = other
    plan = plan_fetch("ds003720", tmp_path, servers=servers, patience=patience)
    fetch(plan, patience=patience)
    assert all((tmp_path / name).read_bytes() == files[name] for name in paths(plan))


def captions(n_wrong: int = 0) -> bytes:
    """A table like that of the captions, with its byte-order mark and its wrong id."""
    rows = [f"{genre}.{number:05d}_15s,A {genre} piece." for genre in GENRES for number in range(54)]
    rows = [row.replace("disco.00011_15s", "disco.000011_15s") for row in rows[: len(rows) - n_wrong]]
    return "\r\n".join(["ID,DescEN", *rows, ""]).encode("utf-8-sig")


def archive(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, body in files.items():
            opened.writestr(name.replace("__", "/").replace("_dot_", "."), body)
    return buffer.getvalue()


KAGGLE = "/api/v1/datasets/download/nishimotolab/music-caption-brain2music"


def test_captions(site: Site, servers: Servers, patience: Patience, tmp_path: Path) -> None:
    from brain2music.embeddings import read_captions

    site.put(KAGGLE, archive(captions_dot_csv=captions()))
    plan = plan_fetch("captions", tmp_path, servers=servers, patience=patience)
    assert "no checksum of this archive is published" in str(plan)
    with pytest.warns(Brain2MusicWarning, match="not word by word"):
        (path,) = fetch(plan, patience=patience)
    assert len(read_captions(path)) == 540
    assert not (tmp_path / "music-caption-brain2music.zip").exists()
    again = plan_fetch("captions", tmp_path, servers=servers, patience=patience)
    assert again.is_complete
    assert again.unpacked == ("music-caption-brain2music.zip",)


@pytest.mark.real_data
def test_the_captions_at_hand_are_those_that_are_known(real_data: Path) -> None:
    from brain2music.study.downloads.captions import captions_problem, has_known_texts

    assert captions_problem(real_data / "gtzan") is None
    assert has_known_texts(real_data / "gtzan")


@pytest.mark.parametrize(
    ("table", "says"),
    [(captions(1), "of 539 clips"), (b"ID,Text\n1,2\n", "no CSV file"), (b"ID,DescEN\nx,y\n", "'x' is no clip")],
)
def test_captions_that_are_not_whole(
    table: bytes, says: str, site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    site.put(KAGGLE, archive(captions_dot_csv=table))
    with pytest.raises(InputError, match=says):
        fetch(plan_fetch("captions", tmp_path, servers=servers, patience=patience), patience=patience)


def test_a_login_is_said(site: Site, servers: Servers, patience: Patience, tmp_path: Path) -> None:
    site.put(KAGGLE, b"", status(403))
    with pytest.raises(
        InputError, match=r"refuses access .* kaggle.com/datasets/nishimotolab/music-caption-brain2music"
    ):
        plan_fetch("captions", tmp_path, servers=servers, patience=patience)


def test_a_page_in_place_of_an_archive(site: Site, servers: Servers, patience: Patience, tmp_path: Path) -> None:
    site.put(KAGGLE, b"", *[page] * 9)
    with pytest.raises(InputError, match="a web page"):
        fetch(plan_fetch("captions", tmp_path, servers=servers, patience=patience), patience=patience)


@pytest.fixture
def fma(site: Site, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Archives in place of those of FMA."""
    files = {
        "fma_small/000/000002.mp3": b"ID3" + bytes(5000),
        "fma_small/checksums": b"x",
        "fma_small/README.txt": b"y",
    }
    with_names = {name.replace("/", "__").replace(".", "_dot_"): body for name, body in files.items()}
    archives = {
        "fma_small.zip": archive(**with_names),
        "fma_metadata.zip": archive(fma_metadata__tracks_dot_csv=b"a,b"),
    }
    for name, body in archives.items():
        site.put(f"/fma/{name}", body)
        monkeypatch.setitem(FMA_SHA1, name, hashlib.sha1(body).hexdigest())
    return files | {"fma_metadata/tracks.csv": b"a,b"}


@pytest.mark.parametrize("keep", [True, False])
def test_fma(
    keep: bool, fma: dict[str, bytes], site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    plan = plan_fetch("fma-small", tmp_path, servers=servers, patience=patience)
    fetch(plan, keep_archives=keep, patience=patience)
    assert all((tmp_path / name).read_bytes() == body for name, body in fma.items())
    assert (tmp_path / "fma_small.zip").exists() == keep
    again = plan_fetch("fma-small", tmp_path, servers=servers, patience=patience)
    assert again.unpacked == ("fma_metadata.zip", "fma_small.zip")
    (tmp_path / "fma_small" / "000" / "000002.mp3").unlink()
    missing = plan_fetch("fma-small", tmp_path, servers=servers, patience=patience)
    assert missing.unpacked == ("fma_metadata.zip",)
    fetch(missing, patience=patience)
    assert (tmp_path / "fma_small" / "000" / "000002.mp3").read_bytes() == fma["fma_small/000/000002.mp3"]


def test_unpacking_that_was_interrupted_goes_on_without_a_download(
    fma: dict[str, bytes],
    site: Site,
    servers: Servers,
    patience: Patience,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("brain2music.study.downloads.archive.shutil.copyfileobj", interrupt)
        with pytest.raises(KeyboardInterrupt):
            fetch(plan_fetch("fma-small", tmp_path, servers=servers, patience=patience), patience=patience)
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".csv", ".mp3") or "unpacking" in path.name]
    again = plan_fetch("fma-small", tmp_path, servers=servers, patience=patience)
    assert again.is_complete
    assert len(fetch(again, patience=patience)) == 4
    assert all((tmp_path / name).read_bytes() == body for name, body in fma.items())
    assert [len(site.requests[f"/fma/{name}"]) for name in ("fma_small.zip", "fma_metadata.zip")] == [3, 3]


def test_another_archive_than_the_authors_is_refused(
    fma: dict[str, bytes], site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    site.put("/fma/fma_small.zip", archive(evil=b"x"))
    with pytest.raises(InputError, match=r"fma_small.zip cannot be downloaded: .* \(sha1"):
        fetch(plan_fetch("fma-small", tmp_path, servers=servers, patience=patience), patience=patience)
    assert not (tmp_path / "evil").exists()


def test_checksums_of_gtzan_must_be_those_that_mirdata_names(
    site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    site.put_record("13993311", {"gtzan_genre_index_1.0.json": b"{}"})
    with pytest.raises(InputError, match="no file with the md5 533ca050855f22acf2feb283d9957fe3"):
        plan_fetch("gtzan-checksums", tmp_path, servers=servers, patience=patience)


def test_openneuro_py_downloads_and_files_are_verified(
    site: Site, servers: Servers, patience: Patience, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = serve_openneuro(site, "ds003720")
    asked: dict[str, Any] = {}

    def download(**given: Any) -> None:
        asked.update(given)
        for name in given["include"]:
            path = tmp_path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"<html><title>Busy</title></html>" if name.endswith("README") else files[name[1:]])

    fake = types.ModuleType("openneuro")
    fake.download = download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openneuro", fake)
    plan = plan_fetch("ds003720", tmp_path, subjects=["001"], servers=servers, patience=patience)
    fetch(plan, patience=patience, download=download_by_openneuro_py)
    assert (asked["dataset"], asked["tag"], asked["target_dir"]) == ("ds003720", "1.0.1", tmp_path)
    assert all((tmp_path / name).read_bytes() == files[name] for name in paths(plan))  # the page, too, was replaced
    fake.download = lambda **given: 1 / 0  # type: ignore[attr-defined]
    (tmp_path / "README").unlink()
    with pytest.raises(InputError, match="openneuro-py could not download ds003720"):
        fetch(plan_fetch("ds003720", tmp_path, servers=servers, patience=patience), download=download_by_openneuro_py)
    monkeypatch.setitem(sys.modules, "openneuro", None)
    with pytest.raises(InputError, match=r"not installed\. Pip install"):
        download_by_openneuro_py(plan)


@pytest.mark.parametrize(
    ("name", "asked"),
    [("fma-small", {"subjects": ["001"]}), ("zenodo-8275363", {"tasks": ["Test"]}), ("captions", {"version": "2"})],
)
def test_what_a_data_set_is_not_divided_by_is_not_passed_over(name: str, asked: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"{name} is not divided by {next(iter(asked))}"):
        plan_fetch(name, tmp_path, **asked)


def test_a_study_that_was_fetched_is_the_study(
    site: Site, servers: Servers, patience: Patience, tmp_path: Path
) -> None:
    """From the download to what `check` finds, without and with what git-annex would have left out."""
    tiny = TinyStudy(tmp_path / "original")
    files = {
        path.relative_to(tiny.root).as_posix(): path.read_bytes() for path in tiny.root.rglob("*") if path.is_file()
    }
    serve_openneuro(site, "ds003720", files=files)
    out = tmp_path / "fetched"
    chosen = plan_fetch("ds003720", out, servers=servers, patience=patience)
    fetch(chosen, patience=patience)
    found = check_study(out, tiny.root / "stimuli")
    expected = check_study(tiny.root, tiny.root / "stimuli")
    assert [(each.code, each.what) for each in found] == [(each.code, each.what) for each in expected]
    assert read_study(out, stimuli=tiny.root / "stimuli").train_clips == read_study(tiny.root).train_clips


def test_names_of_data_sets() -> None:
    names = [dataset.name for dataset in list_datasets()]
    assert len(set(names)) == len(names)
    with pytest.raises(InputError, match=r"no data set 'ds1' to download\. Choose among ds003720"):
        find_dataset("ds1")
    with pytest.raises(InputError, match="GTZAN is not downloaded"):
        find_dataset("GTZAN")


def test_servers_are_given_by_name() -> None:
    changed = with_servers(Servers(), ["zenodo=http://localhost:1/api/", "fma=https://mirror.example.org"])
    assert (changed.zenodo, changed.fma) == ("http://localhost:1/api", "https://mirror.example.org")
    for wrong in ("zenodo", "nobody=https://x", "zenodo=ftp://x"):
        with pytest.raises(InputError, match="no address of a server"):
            with_servers(Servers(), [wrong])


@pytest.mark.parametrize("value", ["", "xyz", "0" * 31, "g" * 32, "A" * 32])
def test_checksums_are_hex_of_their_length(value: str) -> None:
    with pytest.raises(ValueError, match="is no md5"):
        Checksum("md5", value)
