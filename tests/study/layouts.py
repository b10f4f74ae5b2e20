"""Small studies in the layouts of real ones, with noise for scans, and what each clip must be given of it.

Every writer knows what it presents when, and lists it: :func:`expected` computes from that alone, with numpy, the scans
of each clip, with which those that are read are compared.
"""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import soundfile

RATE = 4000
GRID = (2, 2, 2)
Key = tuple[str, float, float]
"""A clip: its recording, where it starts and where it ends."""


@dataclass
class Layout:
    """A study in a folder, with the settings that read it and what is presented in it.

    ``heard`` has, for each subject, every image with the clips in it and their onsets; ``lasts`` is the seconds of
    scans that each clip is given.
    """

    root: Path
    tr: float
    lasts: float
    settings: dict[str, Any] = field(default_factory=dict)
    heard: dict[str, list[tuple[Path, list[tuple[Key, float]]]]] = field(default_factory=dict)
    genres: dict[str, str] = field(default_factory=dict)
    stimuli: Path | None = None

    @property
    def clips(self) -> set[Key]:
        """All clips of all subjects."""
        return {key for runs in self.heard.values() for _, clips in runs for key, _ in clips}

    def add_run(self, subject: str, name: str, seconds: float, clips: Sequence[tuple[Key, float]], rng) -> Path:
        """Write a run's image and sidecar, and list what is heard in it; the path is that of the image."""
        session = next((part for part in name.split("_") if part.startswith("ses-")), "")
        func = self.root / f"sub-{subject}" / session / "func"
        func.mkdir(parents=True, exist_ok=True)
        n = math.ceil(round(seconds / self.tr, 6))
        scans = rng.normal(100, 10, (*GRID, n)).astype(np.float32)
        image = nib.Nifti1Image(scans, np.diag([3.0, 3, 3, 1]))
        image.header.set_zooms((3, 3, 3, self.tr))
        image.header.set_xyzt_units("mm", "sec")
        path = func / f"sub-{subject}_{name}_bold.nii"
        nib.save(image, path)
        task = next(part for part in name.split("_") if part.startswith("task-")).removeprefix("task-")
        write_text(func / f"sub-{subject}_{name}_bold.json", json.dumps({"RepetitionTime": self.tr, "TaskName": task}))
        self.heard.setdefault(subject, []).append((path, list(clips)))
        return path

    def mask_all(self) -> None:
        """Write a mask of every voxel for every subject."""
        for subject in self.heard:
            path = (
                self.root / "derivatives" / "masks" / f"sub-{subject}" / "anat" / f"sub-{subject}_desc-brain_mask.nii"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(np.ones(GRID, np.uint8), np.diag([3.0, 3, 3, 1])), path)


def expected(layout: Layout, subject: str, lag: int = 0, sinc: bool = False) -> dict[Key, np.ndarray]:
    """The scans (scans, voxels) of each clip: interpolated from its onset on, and averaged over its presentations."""
    n = max(1, math.floor(layout.lasts / layout.tr + 0.05))
    found: dict[Key, list[np.ndarray]] = {}
    for path, clips in layout.heard[subject]:
        series = nib.load(path).get_fdata().reshape(-1, nib.load(path).shape[-1])
        for key, onset in clips:
            at = onset / layout.tr + lag + np.arange(n)
            found.setdefault(key, []).append((_lanczos if sinc else _line)(series, at).T)
    return {key: np.mean(each, axis=0) for key, each in found.items()}


def _line(series: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.stack([np.interp(at, np.arange(series.shape[1]), voxel) for voxel in series])


def _lanczos(series: np.ndarray, at: np.ndarray) -> np.ndarray:
    """A sum over all scans of a kernel of three lobes; the scans at the ends go on before and after the run."""
    long, pad = np.pad(series, ((0, 0), (40, 40)), mode="edge"), 40
    columns = []
    for position in at + pad:
        distance = position - np.arange(long.shape[1])
        weights = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
        columns.append(long @ weights / weights.sum())
    return np.stack(columns, axis=1)


def differences(layout: Layout, responses: Any, *, lag: int = 0, sinc: bool = False) -> float:
    """The largest difference of a subject's responses from what is expected; infinite where clips are others."""
    wanted = expected(layout, responses.subject, lag, sinc)
    found = {
        (clip.track, clip.start, clip.end): data for clip, data in zip(responses.clips, responses.data, strict=True)
    }
    return largest_difference(found, wanted)


def largest_difference(found: dict[Key, np.ndarray], wanted: dict[Key, np.ndarray]) -> float:
    """The largest difference of the scans of clips; infinite where the clips or their scans are others."""
    if found.keys() != wanted.keys() or any(found[key].shape != wanted[key].shape for key in wanted):
        return math.inf
    return max(float(np.abs(found[key] - wanted[key]).max()) for key in wanted)


def ds000113(root: Path, subjects: Sequence[str] = ("01", "02"), n_runs: int = 8) -> Layout:
    """The auditory perception of studyforrest: 25 clips of 6 s in five genres, in 8 runs, TR 2 s, catch trials.

    The column ``stim`` names the file, ``genre`` its genre; trials start 0.4 s after a scan.
    """
    layout, rng = _study(root, "studyforrest_phase2", tr=2.0, lasts=6.0)
    genres = ("ambient", "country", "metal", "rocknroll", "symphonic")
    files = {f"{genre}_{number:03d}.wav": genre for genre in genres for number in range(5)}
    for file, genre in files.items():
        _sound(root / "stimuli" / file, 6.0, rng)
        layout.genres[file] = genre
    for subject in subjects:
        for run in range(1, n_runs + 1):
            order = [list(files)[i] for i in rng.permutation(len(files))]
            onsets = np.cumsum([10.4, *(6.0 + rng.choice([4, 6, 8], size=len(order) - 1))])
            name = f"ses-auditoryperception_task-auditoryperception_run-{run:02d}"
            clips = [((file, 0.0, 6.0), float(onset)) for file, onset in zip(order, onsets, strict=True)]
            path = layout.add_run(subject, name, float(onsets[-1]) + 16, clips, rng)
            lines = ["onset\tduration\tsound_soa\tcatch\tvolume\trun\trun_id\tstim\tgenre"]
            for trial, (file, onset) in enumerate(zip(order, onsets, strict=True)):
                catch = "True" if trial % 9 == 4 else "False"
                lines.append(
                    f"{onset:g}\t6.0\t0.0\t{catch}\t{int(onset / 2)}\t{run - 1}\t{run:02d}\t{file}\t{files[file]}"
                )
            _events(path, lines)
    layout.mask_all()
    return layout


def ds002725(root: Path) -> Layout:
    """Affective music in EEG-fMRI: markers of numbers without duration, whose files a table gives, and rests.

    Every piece lasts until the next marker, 20 s, and is cut into clips of 10 s.
    """
    layout, rng = _study(root, "affective music", tr=2.0, lasts=10.0)
    codes = {str(101 + number): f"generated/piece_{number:02d}.wav" for number in range(10)}
    table = ["code,file,genre,artist"]
    for number, (code, file) in enumerate(codes.items()):
        _sound(root / "stimuli" / file, 24.0, rng)
        layout.genres[file] = "calm" if number % 2 else "excited"
        table.append(f'{code},{file},{layout.genres[file]},"Generator, no. {number}"')
    write_text(root / "code" / "stimuli.csv", "\n".join(table) + "\n")
    layout.settings = {"stimulus_table": "code/stimuli.csv", "clip_s": 10.0}
    for run in (1, 2):
        lines, clips, onset = ["onset\tduration\ttrial_type"], [], 7.0
        for code in [list(codes)[i] for i in rng.permutation(len(codes))]:
            lines += [f"{onset:g}\t0\t{code}", f"{onset + 20:g}\t0\t265"]
            clips += [((codes[code], start, start + 10.0), onset + start) for start in (0.0, 10.0)]
            onset += 31
        _events(layout.add_run("01", f"task-music_run-{run}", onset + 10, clips, rng), lines)
    layout.mask_all()
    return layout


def ds003085(root: Path) -> Layout:
    """Three pieces, one in each run, which nothing names but the task; TR 1 s. Blocks of 60 s with gaps of 20 s."""
    layout, rng = _study(root, "sad and happy music", tr=1.0, lasts=15.0)
    layout.settings = {"piece": "task"}
    for task, seconds in (("sadshort", 256.0), ("sadlong", 515.0), ("happy", 168.0)):
        _sound(root / "stimuli" / f"{task}.wav", seconds, rng)
        clips = [((task, start, start + 15.0), start) for start in _block_starts(seconds, 15.0)]
        layout.add_run("01", f"task-{task}", seconds + 12, clips, rng)
    layout.mask_all()
    return layout


def long_piece(root: Path, minutes: float = 45.0, tr: float = 0.8) -> Layout:
    """One piece that goes on for 45 minutes, scanned every 0.8 s; it begins 5 s after the first scan."""
    layout, rng = _study(root, "one piece", tr=tr, lasts=15.0)
    seconds = 60 * minutes
    _sound(root / "stimuli" / "opera.wav", seconds, rng)
    clips = [(("opera.wav", start, start + 15.0), 5.0 + start) for start in _block_starts(seconds, 15.0)]
    path = layout.add_run("01", "task-opera", seconds + 10, clips, rng)
    _events(path, ["onset\tduration\tstim_file", f"5\t{seconds:g}\topera.wav"])
    layout.mask_all()
    return layout


def bep044(root: Path, *, film: bool = True) -> Layout:
    """Stimuli as in BIDS extension proposal 44: tables in two folders, a part, a film, annotations, a sidecar.

    Eight songs of 30 s in events by ``stim_id``, cut into clips of 10 s; TR 1.5 s.
    """
    layout, rng = _study(root, "stimuli of their own", tr=1.5, lasts=10.0)
    folder = root / "stimuli"
    rows = ["stimulus_id\ttype\tURL\tlicense\tcopyright\tdescription\tpresent\tgenre\tartist"]
    tracks: dict[str, str] = {}
    for number in range(6):
        label = f"stim-song{number}"
        _sound(folder / f"{label}_audio.wav", 30.0, rng)
        rows.append(
            f"{label}\taudio\tn/a\tCC0\t2026 Lab\tA song\ttrue\t{'jazz' if number % 2 else 'rock'}\tBand {number}"
        )
        tracks[label] = label
    rows += [
        "stim-bbb_part-1\taudiovideo\tn/a\tCC-BY-3.0\tBlender Foundation\tThe first part of a film\ttrue\tfilm\tn/a",
        "stim-face01\timage\tn/a\tCC0\t2026 Lab\tA face\ttrue\tn/a\tn/a",
        "stim-tone01\taudio\tn/a\tCC0\t2026 Lab\tIn a folder of its own\ttrue\tn/a\tn/a",
    ]
    write_text(folder / "stimuli.tsv", "\n".join(rows) + "\n")
    columns = {"genre": {"Description": "Genre of the music"}, "artist": {"Description": "Who plays"}}
    write_text(folder / "stimuli.json", json.dumps(columns))
    write_text(folder / "tones" / "stimuli.tsv", "stimulus_id\tgenre\nstim-tone01\tblues\n")
    _sound(folder / "tones" / "stim-tone01_audio.wav", 30.0, rng)
    write_text(folder / "tones" / "stim-tone01_audio.json", json.dumps({"Artist": "The Sidecars"}))
    tracks["stim-tone01"] = "tones/stim-tone01_audio.wav"
    if film:
        write_film(folder / "stim-bbb_part-1_audiovideo.mp4", 30.0)
        write_text(folder / "stim-bbb_part-1_audiovideo.json", json.dumps({"License": "CC-BY-3.0"}))
        tracks["stim-bbb_part-1"] = "stim-bbb_part-1_audiovideo.mp4"
    annotations = "onset\tduration\tgenre\tcaption\n0\t10\trock\tguitars\n10\t20\tballad\ta voice alone\n"
    write_text(folder / "stim-song0_annot-sections_events.tsv", annotations)
    write_text(folder / "annotations.tsv", "annot_id\tdescription\nsections\tWhat is heard in each section\n")
    layout.settings = {"clip_s": 10.0}
    for run in (1, 2):
        lines, clips, onset = ["onset\tduration\ttrial_type\tstim_id"], [], 3.0
        for label in [list(tracks)[i] for i in rng.permutation(len(tracks))]:
            lines += [f"{onset:g}\t30\tstart\t{label}", f"{onset + 30:g}\t1\tn/a\tstim-face01"]
            clips += [((tracks[label], start, start + 10.0), onset + start) for start in (0.0, 10.0, 20.0)]
            onset += 36
        _events(layout.add_run("01", f"task-listen_run-{run}", onset + 6, clips, rng), lines)
    for label, track in tracks.items():
        layout.genres[track] = {"stim-tone01": "blues", "stim-bbb_part-1": "film"}.get(label, "")
    layout.mask_all()
    return layout


def ds003720(root: Path, metadata: Path) -> Layout:
    """The real tables and sidecars of a subject of ds003720, with noise for scans: clips on the grid of TR 1.5 s."""
    layout, rng = _study(root, "music_genre", tr=1.5, lasts=15.0)
    for table in sorted((metadata / "sub-001" / "func").glob("*_events.tsv")):
        rows = [line.split("\t") for line in table.read_text().splitlines()[1:]]
        clips = []
        for row in rows[1:]:  # the first only carries over from the run before
            genre = row[2].strip("'")
            clips.append(((f"{genre}.{int(row[3]):05d}", float(row[4]), float(row[5])), float(row[0])))
        name = table.name.removeprefix("sub-001_").removesuffix("_events.tsv")
        path = layout.add_run("001", name, 615.0, clips, rng)
        shutil.copyfile(table, path.parent / table.name)
        layout.genres |= {key[0]: key[0].split(".")[0] for key, _ in clips}
    layout.mask_all()
    return layout


def write_film(path: Path, seconds: float) -> None:
    """A film of a few frames with noise for sound."""
    import av

    noise = np.random.default_rng(3).uniform(-0.3, 0.3, round(seconds * 16000)).astype(np.float32)
    with av.open(str(path), "w") as container:
        sound, frames = container.add_stream("aac", rate=16000), container.add_stream("mpeg4", rate=1)
        sound.layout = "mono"
        frames.width, frames.height, frames.pix_fmt = 32, 32, "yuv420p"
        for number in range(math.ceil(seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 8 * number % 255, np.uint8), format="rgb24")
            container.mux(frames.encode(frame))
        for first in range(0, len(noise), 1024):
            part = av.AudioFrame.from_ndarray(noise[None, first : first + 1024], format="fltp", layout="mono")
            part.sample_rate, part.pts, part.time_base = 16000, first, Fraction(1, 16000)
            container.mux(sound.encode(part))
        container.mux(frames.encode())
        container.mux(sound.encode())


def _study(root: Path, name: str, *, tr: float, lasts: float) -> tuple[Layout, np.random.Generator]:
    root.mkdir(parents=True, exist_ok=True)
    write_text(root / "dataset_description.json", json.dumps({"Name": name, "BIDSVersion": "1.10.0"}))
    return Layout(root, tr, lasts), np.random.default_rng(len(name))


def _block_starts(seconds: float, clip_s: float, block_s: float = 60.0, gap_s: float = 20.0) -> Iterator[float]:
    """Where clips start: every clip_s seconds in each block, as long as they end within block and piece."""
    first = 0.0
    while first < seconds:
        start = first
        while start + clip_s <= min(first + block_s, seconds):
            yield start
            start += clip_s
        first += block_s + gap_s


def _sound(path: Path, seconds: float, rng: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, rng.uniform(-0.3, 0.3, round(seconds * RATE)), RATE)


def _events(image: Path, lines: Sequence[str]) -> None:
    write_text(image.with_name(image.name.replace("_bold.nii", "_events.tsv")), "\n".join(lines) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
