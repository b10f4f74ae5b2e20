"""Whole data sets: planned, interrupted, resumed, verified, and not written over what is there."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from brain2music import InputError
from brain2music.study.downloads import FetchPlan, Patience, Servers, fetch, plan_fetch

from .server import PAGE, Site, cut, page, stall, status, wrong

RECORD = "8275363"
FILES = {
    "sub-001_Resp_Training.npy": b"\x93NUMPY" + bytes(range(256)) * 3000,
    "sub-001_Resp_Test_Mean.npy": b"\x93NUMPY" + b"b" * 1000,
    "sub-002_Resp_Training.npy": b"\x93NUMPY" + b"c" * 1000,
    "README.txt": b"Responses",
}
Plan = Callable[..., FetchPlan]


@pytest.fixture
def plan(servers: Servers, patience: Patience, tmp_path: Path) -> Plan:
    def make(**more: object) -> FetchPlan:
        return plan_fetch("zenodo-8275363", tmp_path / "out", servers=servers, patience=patience, **more)  # type: ignore[arg-type]

    return make


def contents(folder: Path) -> dict[str, bytes]:
    """The files that a user sees."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if ".brain2music" not in path.parts
    }


def test_sizes_come_first_and_files_are_verified(plan: Plan, site: Site, patience: Patience, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    planned = plan()
    assert planned.n_bytes == planned.n_bytes_left == sum(map(len, FILES.values()))
    assert not (tmp_path / "out").exists()
    assert "4 files, 770.0 kB" in str(planned)
    assert "free there" in str(planned)
    paths = fetch(planned, patience=patience)
    assert contents(tmp_path / "out") == FILES
    assert [path.name for path in paths] == list(FILES)
    record = json.loads((tmp_path / "out" / ".brain2music" / "downloads.json").read_text())["files"]
    assert record["README.txt"]["checksum"].startswith("md5 ")
    assert list((tmp_path / "out" / ".brain2music" / "parts").iterdir()) == []


def test_what_is_there_is_not_downloaded_again(plan: Plan, site: Site, patience: Patience, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    fetch(plan(), patience=patience)
    again = plan()
    assert again.is_complete
    assert again.n_bytes_left == 0
    fetch(again, patience=patience)
    (tmp_path / "out" / ".brain2music" / "downloads.json").unlink()
    assert plan().is_complete  # verified anew
    assert [len(asked) for path, asked in site.requests.items() if path.endswith("/content")] == [1] * 4


def test_subjects_and_patterns_are_chosen(plan: Plan, site: Site, patience: Patience, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    assert [f.remote.path for f in plan(subjects=["sub-002"]).files] == ["sub-002_Resp_Training.npy", "README.txt"]
    assert [f.remote.path for f in plan(include=["*Mean*"]).files] == ["sub-001_Resp_Test_Mean.npy"]
    assert len(plan(exclude=["*.npy"]).files) == 1
    with pytest.raises(InputError, match="none of the files"):
        plan(subjects=["009"])
    with pytest.raises(InputError, match="none of the files"):
        plan(include=["*.mat"])


def test_a_file_that_fails_does_not_keep_others_back(
    plan: Plan, site: Site, patience: Patience, tmp_path: Path
) -> None:
    site.put_record(RECORD, FILES)
    bad = site.site[f"/api/records/{RECORD}/files/README.txt/content"]
    bad.faults = [wrong, wrong]
    with pytest.raises(InputError, match=r"README.txt cannot be downloaded: .* other bytes"):
        fetch(plan(), patience=patience)
    assert set(contents(tmp_path / "out")) == set(FILES) - {"README.txt"}
    fetch(plan(), patience=patience)
    assert contents(tmp_path / "out") == FILES


def test_several_failures_are_counted(plan: Plan, site: Site, patience: Patience) -> None:
    site.put_record(RECORD, FILES, *[status(404)] * 9)
    with pytest.raises(InputError, match=r"no such file .* so do 3 more of 4 files"):
        fetch(plan(), patience=patience)


def test_a_cut_is_continued_by_the_next_call(plan: Plan, site: Site, patience: Patience, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    name = "sub-001_Resp_Training.npy"
    path = f"/api/records/{RECORD}/files/{name}/content"
    site.site[path].faults = [cut(300_000), status(503), status(503), status(503)]
    with pytest.raises(InputError, match="continues where this ended"):
        fetch(plan(), patience=patience)
    planned = plan()
    (begun,) = [file for file in planned.files if file.state != "here"]
    assert (begun.state, begun.held, planned.n_bytes_left) == ("begun", 300_000, len(FILES[name]) - 300_000)
    assert "300.0 kB of others" in str(planned)
    site.site[path].faults = []
    fetch(planned, patience=patience)
    assert contents(tmp_path / "out") == FILES
    assert site.requests[path][-1] == "bytes=300000-"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_what_resumes(number: int, site: Site, tmp_path: Path) -> None:
    name = "sub-001_Resp_Training.npy"
    site.put_record(RECORD, FILES)
    path = f"/api/records/{RECORD}/files/{name}/content"
    site.site[path].faults = [stall(400_000)]
    out = tmp_path / "out"
    words = ["fetch", "zenodo-8275363", str(out), "--yes", "--server", f"zenodo={site.url}/api/records"]
    heeded = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"  # also below nohup
    call = [sys.executable, "-c", f"{heeded}; from brain2music.cli import main; main()", *words, "--timeout", "60"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _wait_for(lambda: _bytes_of_parts(out) >= 400_000)
        process.send_signal(number)
        told = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    assert "run the same command again to finish" in told
    assert "Traceback" not in told
    assert name not in contents(out)
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert contents(out) == FILES
    assert site.requests[path][-1] == "bytes=400000-"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no such signal")
def test_a_killed_download_resumes(site: Site, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    path = f"/api/records/{RECORD}/files/sub-001_Resp_Training.npy/content"
    site.site[path].faults = [stall(400_000)]
    out = tmp_path / "out"
    words = ["fetch", "zenodo-8275363", str(out), "--yes", "--server", f"zenodo={site.url}/api/records"]
    call = [sys.executable, "-c", "from brain2music.cli import main; main()", *words]
    with subprocess.Popen(call, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait_for(lambda: _bytes_of_parts(out) >= 400_000)
        process.kill()
    assert subprocess.run(call, capture_output=True, timeout=60, check=False).returncode == 0
    assert contents(out) == FILES


def _bytes_of_parts(out: Path) -> int:
    return sum(path.stat().st_size for path in out.glob(".brain2music/parts/*.part"))


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def test_other_files_are_not_written_over(plan: Plan, site: Site, patience: Patience, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    own = tmp_path / "out" / "README.txt"
    own.parent.mkdir()
    own.write_bytes(b"My notes.")
    with pytest.raises(InputError, match=r"has the md5 .* add --overwrite"):
        plan()
    own.write_bytes(b"My own longer notes")
    with pytest.raises(InputError, match="has 19 bytes, and that of the server 9"):
        plan()
    planned = plan(overwrite=True)
    assert "it is replaced" in planned.remarks[0]
    fetch(planned, patience=patience)
    assert contents(tmp_path / "out") == FILES


def test_a_changed_file_is_found_again(plan: Plan, site: Site, patience: Patience, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    fetch(plan(), patience=patience)
    path = tmp_path / "out" / "README.txt"
    times = path.stat()
    path.write_bytes(b"responses")
    with pytest.raises(InputError, match="has the md5"):
        plan()
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert plan().is_complete  # of the same size and time: only looked into when asked to
    with pytest.raises(InputError, match="has the md5"):
        plan(rehash=True)


@pytest.mark.parametrize("left", [PAGE, b"", b'{"message": "Too many requests"}'], ids=["page", "empty", "json"])
def test_pages_that_were_saved_as_files_are_replaced(
    left: bytes, plan: Plan, site: Site, patience: Patience, tmp_path: Path
) -> None:
    site.put_record(RECORD, FILES)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sub-002_Resp_Training.npy").write_bytes(left)
    planned = plan()
    assert any("it is replaced" in remark for remark in planned.remarks)
    fetch(planned, patience=patience)
    assert contents(tmp_path / "out") == FILES


def test_content_of_git_annex_is_not_replaced(plan: Plan, site: Site, tmp_path: Path) -> None:
    site.put_record(RECORD, FILES)
    (tmp_path / "out" / ".git").mkdir(parents=True)
    link = tmp_path / "out" / "README.txt"
    link.symlink_to(".git/annex/objects/a/b/MD5E-s9--0/MD5E-s9--0")
    with pytest.raises(InputError, match=r"git-annex has not fetched\. Run `git -C .* annex get README.txt`, or name"):
        plan()
    assert link.is_symlink()


def test_two_downloads_do_not_share_a_folder(plan: Plan, site: Site, patience: Patience, tmp_path: Path) -> None:
    from brain2music._utils.locks import locked

    site.put_record(RECORD, FILES)
    planned = plan()
    with (
        locked(tmp_path / "out" / ".brain2music" / "lock", "downloading zenodo-8275363"),
        pytest.raises(InputError, match="is downloading zenodo-8275363 here"),
    ):
        fetch(planned, patience=patience)


def test_the_disk_must_have_room(plan: Plan, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.put_record(RECORD, FILES)
    monkeypatch.setattr("brain2music.study.downloads.planning.free_bytes", lambda _: 1000)
    with pytest.raises(InputError, match=r"770.0 kB are needed, and 1.0 kB are free there"):
        plan()


@pytest.mark.parametrize(
    ("name", "says"),
    [("../x.npy", "leads out"), ("/etc/x", "leads out"), ("a\\b", "leads out"), ("C:/x", "leads out"), ("", "leads")],
)
def test_names_that_lead_out_of_the_folder_are_refused(name: str, says: str, plan: Plan, site: Site) -> None:
    site.put_record(RECORD, {name: b"x"})
    with pytest.raises(InputError, match=says):
        plan()


def test_files_of_one_name_are_refused(plan: Plan, site: Site) -> None:
    site.put_record(RECORD, {"a.npy": b"x", "A.npy": b"y"})
    with pytest.raises(InputError, match="two files there are called"):
        plan()
    site.put_record(RECORD, {"a": b"x", "a/b": b"y"})
    with pytest.raises(InputError, match="in a folder that is a file"):
        plan()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"{}", "no record with public files"),
        (b"[1]", "no record with public files"),
        (b"not json", "not valid JSON"),
        (PAGE, "the server sent a web page"),
        (b'{"files": [{"key": "a", "size": 1, "checksum": "crc:1"}]}', "unknown kind"),
        (b'{"files": [{"key": "a", "size": "many", "checksum": "md5:1"}]}', "no record with public files"),
    ],
)
def test_listings_that_are_none(answer: bytes, says: str, plan: Plan, site: Site) -> None:
    site.put(f"/api/records/{RECORD}", answer)
    with pytest.raises(InputError, match=says):
        plan()


def test_a_listing_is_asked_for_again(plan: Plan, site: Site) -> None:
    site.put_record(RECORD, FILES)
    site.site[f"/api/records/{RECORD}"].faults = [status(504), page]
    assert len(plan().files) == 4


def test_the_folder_may_not_be_a_file(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match="this is a file"):
        plan()
