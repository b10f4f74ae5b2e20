"""Do broken studies and files end in one readable line? Breaks a tiny study in every way below and runs the command.

Each case must end with exit code 1 and one line on stderr that names the file at fault, without a traceback; leave no
half-written file behind; and leave the inputs as they were. Prints one line a case, then ``cases`` and ``readable``.
"""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).parents[1]))
from brain2music.cli import main
from tests.study.tiny_study import TinyStudy, voxels  # the same study that the tests break

TRAIN, TEST = "task-Training_run-01", "task-Test_run-01"
SETTINGS = (
    'embeddings = ["logmel"]\nwindow_s = 1.5\n[events]\nlag_tr = 0\n[decoding]\nn_inner_folds = 2\nn_outer_folds = 4\n'
    "[evaluation]\nn_permutations = 100\n[stimuli]\nrms = 0.1\nfade_s = 0.1\n"
)


@dataclass(frozen=True)
class Bench:
    """A whole tiny study, its settings and the folder that outputs go to."""

    folder: Path
    study: TinyStudy

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run(self, *more: str | Path) -> list[str]:
        settings = self.folder / "settings.toml"
        return _words("run", self.study.root, self.out, "participant", "--config", settings, *more)

    def arrays(self, **changed: object) -> list[str]:
        np.save(self.folder / "responses.npy", np.random.default_rng(0).normal(size=(6, 9)))
        self.write("list.tsv", "file\n" + "\n".join(f"jazz/jazz.{n:05d}.wav" for n in range(1, 7)) + "\n")
        fields = {"name": "x", "tr": 1.5, "axes": ["clips", "voxels"], "n_outer_folds": 3} | changed
        lines = [f"{key} = {json.dumps(value)}" for key, value in fields.items() if value is not None]
        lines += ["[stimuli]", f'folder = "{self.study.root / "stimuli"}"', 'table = "list.tsv"']
        lines += ["[[subjects]]", 'label = "01"', 'train = { file = "responses.npy" }']
        self.write("arrays.toml", "\n".join(lines) + "\n")
        settings = self.folder / "settings.toml"
        return _words("run-arrays", self.folder / "arrays.toml", self.out, "--config", settings)

    def gallery(self) -> Path:
        built = self.folder / "gallery"
        status, errors = call(_words("gallery", "build", self.study.root / "stimuli", built, "--embedding", "logmel"))
        if status:
            raise RuntimeError(f"the gallery of the bench could not be built: {errors}")
        return built


Case = Callable[[Bench], tuple[list[str], str | Path]]
CASES: dict[str, Case] = {}


def case(breaker: Case) -> Case:
    """Register a way to break things: it returns the command, and what the line must name."""
    CASES[breaker.__name__.replace("_", " ")] = breaker
    return breaker


@case
def events_missing(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.events(TRAIN).unlink()
    return bench.run(), bench.study.func


@case
def events_without_onset(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.edit(bench.study.events(TRAIN), "onset", "start_of_event")
    return bench.run(), bench.study.events(TRAIN)


@case
def onsets_are_words(bench: Bench) -> tuple[list[str], str | Path]:
    events = bench.study.events(TRAIN)
    bench.study.edit(events, "\n3\t", "\nsoon\t")
    bench.study.edit(events, "\n6\t", "\nlater\t")
    return bench.run(), events


@case
def onsets_are_in_milliseconds(bench: Bench) -> tuple[list[str], str | Path]:
    events = bench.study.events(TRAIN)
    bench.study.edit(events, "\n3\t", "\n3000\t")
    bench.study.edit(events, "\n6\t", "\n6000\t")
    return bench.run(), events


@case
def stimulus_outside_the_folder(bench: Bench) -> tuple[list[str], str | Path]:
    events = bench.study.events(TRAIN)
    bench.study.edit(events, "\tjazz\t1\t", "\t../../jazz\t1\t")
    return bench.run(), events


@case
def events_overlap(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.edit(bench.study.events(TRAIN), "\n3\t", "\n1\t")
    return bench.run(), bench.study.events(TRAIN)


@case
def events_are_empty(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.events(TEST).write_text("")
    return bench.run(), bench.study.events(TEST)


@case
def events_are_binary(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.events(TEST).write_bytes(bytes(range(128, 256)))
    return bench.run(), bench.study.events(TEST)


@case
def run_ends_before_its_events(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.write_image(TRAIN, voxels(3))
    return bench.run(), bench.study.events(TRAIN)


@case
def image_truncated(bench: Bench) -> tuple[list[str], str | Path]:
    image = bench.study.image(TEST)
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    return bench.run(), image


@case
def image_empty(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.image(TEST).write_bytes(b"")
    return bench.run(), bench.study.image(TEST)


@case
def image_is_noise(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.image(TEST).write_bytes(np.random.default_rng(0).bytes(5000))
    return bench.run(), bench.study.image(TEST)


@case
def image_has_no_time(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.write_image(TEST, voxels(1)[..., 0])
    return bench.run(), bench.study.image(TEST)


@case
def image_on_another_grid(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.write_image(TEST, voxels(10, shape=(4, 4, 5)))
    return bench.run(), bench.study.image(TEST).name


@case
def tr_differs_from_header(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.write_json(bench.study.sidecar(TRAIN), {"RepetitionTime": 2.0})
    return bench.run(), bench.study.sidecar(TRAIN)


@case
def sidecar_missing(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.sidecar(TRAIN).unlink()
    return bench.run(), bench.study.func


@case
def sidecar_is_not_json(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.sidecar(TRAIN).write_text('{"RepetitionTime": 1.5')
    return bench.run(), bench.study.sidecar(TRAIN)


@case
def repetition_time_is_negative(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.write_json(bench.study.sidecar(TRAIN), {"RepetitionTime": -1.5})
    return bench.run(), bench.study.sidecar(TRAIN)


@case
def description_missing(bench: Bench) -> tuple[list[str], str | Path]:
    (bench.study.root / "dataset_description.json").unlink()
    return bench.run(), bench.study.root


@case
def description_is_not_json(bench: Bench) -> tuple[list[str], str | Path]:
    path = bench.study.root / "dataset_description.json"
    path.write_text("Name: Tiny")
    return bench.run(), path


@case
def study_is_not_there(bench: Bench) -> tuple[list[str], str | Path]:
    gone = bench.study.root.rename(bench.folder / "moved")
    return bench.run(), bench.study.root if gone else ""


@case
def stimulus_missing(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.track(5).unlink()
    return bench.run(), "jazz.00005"


@case
def stimulus_too_short(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.write_track(5, seconds=2.0)
    return bench.run(), bench.study.track(5)


@case
def stimulus_is_text(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.track(2).write_text("this is not sound")
    return bench.run(), bench.study.track(2)


@case
def stimulus_is_silent(bench: Bench) -> tuple[list[str], str | Path]:
    soundfile.write(bench.study.track(2), np.zeros(32_000), 8000)
    return bench.run(), bench.study.track(2)


@case
def stimulus_holds_nan(bench: Bench) -> tuple[list[str], str | Path]:
    soundfile.write(bench.study.track(2), np.full(32_000, np.nan, np.float32), 8000, subtype="FLOAT")
    return bench.run(), bench.study.track(2)


@case
def test_clip_is_trained_on(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.edit(bench.study.events(TRAIN), "\tjazz\t1\t", "\tjazz\t5\t")
    return bench.run(), "jazz.00005"


@case
def every_voxel_is_nan(bench: Bench) -> tuple[list[str], str | Path]:
    bench.study.write_image(TEST, np.full((3, 4, 5, 10), np.nan, np.float32))
    return bench.run(), "sub-01"


@case
def settings_are_not_toml(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.run(), bench.write("settings.toml", "folds 2")


@case
def settings_have_an_unknown_field(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.run(), bench.write("settings.toml", SETTINGS + "alpha = 3\n")


@case
def settings_out_of_range(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.run(), bench.write("settings.toml", SETTINGS.replace("n_inner_folds = 2", "n_inner_folds = 1"))


@case
def fewer_clips_than_two_folds(bench: Bench) -> tuple[list[str], str | Path]:
    for run, others in ((TRAIN, (2, 4)), (TRAIN.replace("01", "02"), (2, 3, 4))):
        for number in others:
            bench.study.edit(bench.study.events(run), f"\tjazz\t{number}\t", "\tjazz\t1\t")
    return bench.run(), "penalties cannot be chosen"


@case
def embedding_unknown(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.run("--embedding", "logmell"), "logmell"


@case
def subject_unknown(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.run("--participant-label", "99"), "99"


@case
def gallery_is_a_folder_of_music(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.run("--gallery", bench.study.root / "stimuli"), bench.study.root / "stimuli"


@case
def gallery_of_other_windows(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.run("--gallery", bench.gallery()), "window_s"


@case
def gallery_vectors_truncated(bench: Bench) -> tuple[list[str], str | Path]:
    vectors = next(bench.gallery().rglob("vectors.safetensors"))
    vectors.write_bytes(vectors.read_bytes()[:100])
    return _words("gallery", "info", bench.folder / "gallery"), vectors


@case
def gallery_folder_without_music(bench: Bench) -> tuple[list[str], str | Path]:
    return _words("gallery", "build", bench.study.func, bench.out, "--embedding", "logmel"), bench.study.func


@case
def query_vector_of_other_length(bench: Bench) -> tuple[list[str], str | Path]:
    np.save(bench.folder / "query.npy", np.ones(3))
    query = bench.folder / "query.npy"
    return _words("gallery", "search", bench.gallery(), "--embedding-file", query), query


@case
def query_vector_is_pickled(bench: Bench) -> tuple[list[str], str | Path]:
    np.save(bench.folder / "query.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    query = bench.folder / "query.npy"
    return _words("gallery", "search", bench.gallery(), "--embedding-file", query), query


@case
def arrays_without_tr(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.arrays(tr=None), bench.folder / "arrays.toml"


@case
def arrays_with_other_axes(bench: Bench) -> tuple[list[str], str | Path]:
    return bench.arrays(axes=["voxels", "clips"]), bench.folder / "responses.npy"


@case
def arrays_hold_nan(bench: Bench) -> tuple[list[str], str | Path]:
    command = bench.arrays()
    np.save(bench.folder / "responses.npy", np.full((6, 9), np.nan))
    return command, bench.folder / "responses.npy"


@case
def arrays_are_pickled(bench: Bench) -> tuple[list[str], str | Path]:
    command = bench.arrays()
    np.save(bench.folder / "responses.npy", np.array([None] * 6, dtype=object), allow_pickle=True)
    return command, bench.folder / "responses.npy"


@case
def sound_to_embed_is_text(bench: Bench) -> tuple[list[str], str | Path]:
    sound = bench.write("sound.wav", "no sound")
    return _words("embed", sound, "--output", bench.out / "e.parquet", "--embedding", "logmel"), sound


@case
def report_of_nothing(bench: Bench) -> tuple[list[str], str | Path]:
    bench.out.mkdir()
    return _words("report", bench.out), bench.out


@case
def output_is_a_file(bench: Bench) -> tuple[list[str], str | Path]:
    bench.write("out", "in the way")
    return bench.run(), bench.out


def try_case(name: str, folder: Path) -> str:
    """Break a fresh bench and run the command: "" where it ended as it must, else what was wrong."""
    bench = new_bench(folder)
    command, must_name = CASES[name](bench)
    before = _state(bench.folder, bench.out)
    status, errors = call(command)
    lines = [line for line in errors.splitlines() if not line.startswith(("{", "warning: "))]
    if status != 1:
        return f"exit code {status}: {errors[-300:]}"
    if len(lines) != 1 or not lines[0].startswith("error: "):
        return f"{len(lines)} lines: {errors[-300:]}"
    if str(must_name) not in lines[0]:
        return f"does not name {must_name}: {lines[0]}"
    if _state(bench.folder, bench.out) != before:
        return "inputs were changed"
    left = [path.name for path in bench.folder.rglob(".part-*")]
    if left or (bench.out / "index.html").exists():
        return f"half-written outputs were left: {left}"
    return ""


def new_bench(folder: Path) -> Bench:
    """A whole study and its settings in an empty folder."""
    bench = Bench(folder, TinyStudy(folder / "study"))
    mask = bench.study.root / "derivatives" / "masks" / "sub-01" / "anat" / "sub-01_desc-brain_mask.nii.gz"
    bench.study.write_image("", np.ones((3, 4, 5), np.uint8), path=mask)
    bench.write("settings.toml", SETTINGS)
    return bench


def call(command: list[str]) -> tuple[int, str]:
    """Run a command in this process as the console script would: exit code and stderr."""
    errors = io.StringIO()
    with (
        mock.patch.object(sys, "argv", ["brain2music", *command]),
        contextlib.redirect_stderr(errors),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            main()
        except SystemExit as stop:
            return int(stop.code or 0), errors.getvalue()
        except Exception as error:  # what a user would see as a traceback
            return -1, f"Traceback: {type(error).__name__}: {error}"
    return 0, errors.getvalue()


def _words(*words: str | Path) -> list[str]:
    return [str(word) for word in words]


def _state(folder: Path, out: Path) -> dict[str, str]:
    """Digest of every file but the outputs."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and out not in path.parents)
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def run_all() -> int:
    """Try the whole study, then every case; the number that ended well."""
    with tempfile.TemporaryDirectory() as whole:
        status, errors = call(new_bench(Path(whole)).run())
        if status:
            raise SystemExit(f"the unbroken study fails: {errors}")
    readable = 0
    for name in CASES:
        with tempfile.TemporaryDirectory() as folder:
            wrong = try_case(name, Path(folder))
        readable += not wrong
        print(f"{name}: {wrong or 'ok'}")
    print(f"cases: {len(CASES)}\nreadable: {readable}")
    from _results import Results

    question = "broken studies and files that end in one readable line"
    Results("bad_input").add(question, readable, "cases", bar=f"all {len(CASES)}", n=len(CASES))
    return len(CASES) - readable


if __name__ == "__main__":
    sys.exit(min(1, run_all()))
