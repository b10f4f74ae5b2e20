"""Studies of response arrays: the Zenodo layout in small, every kind of file and list, and the real natsound165."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.numpy import save_file
from scipy.io import loadmat, savemat

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain.arrays import read_arrays_study, shift_within_runs
from brain2music.config import RunConfig
from brain2music.pipeline.check import check_arrays

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sounds(tmp_path) -> Path:
    """Six simulated sounds of two seconds."""
    folder = tmp_path / "wav"
    folder.mkdir()
    for i in range(6):
        soundfile.write(folder / f"s{i}.wav", np.sin(np.arange(16000) * (i + 1) / 10), 8000)
    return folder


@pytest.fixture
def write_toml(tmp_path) -> Callable[..., Path]:
    def write(stimuli: str, arrays: str, **top: object) -> Path:
        lines = [f"{key} = {value}" for key, value in {"name": '"toy"', "tr": 2.0, **top}.items()]
        path = tmp_path / "arrays.toml"
        text = "\n".join(lines) + f'\n[stimuli]\nfolder = "wav"\n{stimuli}\n[[subjects]]\nlabel = "1"\n{arrays}\n'
        path.write_text(text)
        return path

    return write


def table(tmp_path: Path, text: str) -> str:
    (tmp_path / "list.tsv").write_text(text)
    return 'table = "list.tsv"'


SIX = "file\tgenre\n" + "".join(f"s{i}.wav\tpop\n" for i in range(6))
CLIPS = '["clips", "voxels"]'


@pytest.mark.parametrize("kind", ["npy", "mat", "safetensors"])
def test_every_kind_of_array_file(tmp_path, sounds, write_toml, rng, kind):
    data = rng.standard_normal((6, 3)).astype(np.float32)
    if kind == "npy":
        np.save(tmp_path / "r.npy", data)
    elif kind == "mat":
        savemat(tmp_path / "r.mat", {"R": data, "other": 1})
    else:
        save_file({"R": data, "other": data[:1]}, tmp_path / "r.safetensors")
    variable = "" if kind == "npy" else ', variable = "R"'
    path = write_toml(table(tmp_path, SIX), f'train = {{ file = "r.{kind}"{variable} }}', axes=CLIPS, n_outer_folds=3)
    study = read_arrays_study(path)
    train, test = study.responses("1", 0)
    assert test is None
    np.testing.assert_array_equal(train.data[:, 0], data)
    assert [clip.track for clip in train.clips] == [f"s{i}.wav" for i in range(6)]
    assert (train.clips[0].end, train.clips[0].genre, study.folds) == (2.0, "pop", 3)
    waveform, rate = study.stimuli.waveform(train.clips[3])
    np.testing.assert_allclose(waveform, np.sin(np.arange(16000) * 0.4), atol=1e-3)
    assert rate == 8000
    assert set(study.digests("1")) == {"arrays.toml", "stimuli", f"r.{kind}"}


@pytest.mark.parametrize("axes", [("voxels", "time"), ("time", "voxels"), ("scans", "voxels", "clips")])
def test_layouts_are_brought_to_clips_scans_voxels(tmp_path, sounds, write_toml, rng, axes):
    data = rng.standard_normal((6, 4, 3)).astype(np.float32)
    if "time" in axes:
        array = data.reshape(24, 3) if axes[0] == "time" else data.reshape(24, 3).T
    else:
        array = data.transpose(1, 2, 0)
    np.save(tmp_path / "r.npy", array)
    top = {"axes": str(list(axes)).replace("'", '"'), "n_outer_folds": 2}
    if "time" in axes:
        top["scans_per_clip"] = 4
    path = write_toml(table(tmp_path, SIX), 'train = { file = "r.npy" }', **top)
    np.testing.assert_array_equal(read_arrays_study(path).responses("1", 0)[0].data, data)


def test_split_runs_and_lag_of_a_table(tmp_path, sounds, write_toml, rng):
    rows = [("s0.wav", 1, "train"), ("s1.wav", 1, "train"), ("s2.wav", 2, "train"), ("s3.wav", 3, "test")]
    text = "file\trun\tsplit\tstart\tend\n" + "".join(f"{f}\t{r}\t{s}\t0.5\t1.5\n" for f, r, s in rows)
    for name, n in (("train", 3), ("test", 1)):
        np.save(tmp_path / f"{name}.npy", rng.standard_normal((2, 4 * n)).astype(np.float32))
    arrays = 'train = { file = "train.npy" }\ntest = { file = "test.npy" }'
    path = write_toml(table(tmp_path, text), arrays, axes='["voxels", "time"]', scans_per_clip=4, test_repeats=4)
    study = read_arrays_study(path)
    train, test = study.responses("1", 3)
    series = np.load(tmp_path / "train.npy").T
    np.testing.assert_array_equal(train.data[0], series[3:7])
    np.testing.assert_array_equal(train.data[1], series[[7, 7, 7, 7]])
    np.testing.assert_array_equal(train.data[2], series[[11, 11, 11, 11]])
    assert (train.clips[0].start, train.clips[0].end, train.lag_tr) == (0.5, 1.5, 3)
    assert train.runs.tolist() == [0, 0, 1]
    assert test.n_repeats.tolist() == [4]
    assert [clip.track for clip in study.test_clips] == ["s3.wav"]


def epochs(
    tmp_path: Path, write_toml: Callable[..., Path], runs: Sequence[str], axes: str, rng
) -> tuple[Path, np.ndarray]:
    """Six clips of three scans of two voxels in the given layout, one run label per clip ("-" for no column)."""
    data = rng.standard_normal((6, 3, 2)).astype(np.float32)
    columns = [
        f"s{i}.wav" + ("" if runs == "-" else f"\t{run}") for i, run in enumerate(runs if runs != "-" else "-" * 6)
    ]
    text = "\n".join(["file" if runs == "-" else "file\trun", *columns]) + "\n"
    np.save(tmp_path / "r.npy", data if "clips" in axes else data.reshape(18, 2))
    top = {"axes": axes, "n_outer_folds": 2} | ({} if "clips" in axes else {"scans_per_clip": 3})
    return write_toml(table(tmp_path, text), 'train = { file = "r.npy" }', **top), data


@pytest.mark.parametrize("axes", ['["clips", "scans", "voxels"]', '["time", "voxels"]'])
@pytest.mark.parametrize("runs", ["-", "123456"], ids=["no column", "one run per clip"])
def test_rows_that_nothing_is_known_to_follow_are_never_shifted(tmp_path, sounds, write_toml, rng, axes, runs):
    path, data = epochs(tmp_path, write_toml, runs, axes, rng)
    study = read_arrays_study(path)
    with pytest.warns(Brain2MusicWarning, match="column run"):
        responses = study.responses("1", 2)[0]
    np.testing.assert_array_equal(responses.data, data)
    assert (responses.lag_tr, study.has_time) == (0, False)


@pytest.mark.parametrize("axes", ['["clips", "scans", "voxels"]', '["time", "voxels"]'])
def test_rows_of_a_run_are_shifted_within_it(tmp_path, sounds, write_toml, rng, axes):
    path, data = epochs(tmp_path, write_toml, "111222", axes, rng)
    responses = read_arrays_study(path).responses("1", 2)[0]
    series = data.reshape(2, 9, 2)
    wanted = series[:, np.minimum(np.arange(9) + 2, 8)].reshape(6, 3, 2)
    np.testing.assert_array_equal(responses.data, wanted)


@pytest.mark.parametrize("runs", ["121212", "112221"])
def test_clips_of_a_run_that_are_apart_are_refused(tmp_path, sounds, write_toml, rng, runs):
    path, _ = epochs(tmp_path, write_toml, runs, '["clips", "scans", "voxels"]', rng)
    with pytest.raises(InputError, match="column run"):
        read_arrays_study(path)


def test_a_row_without_its_run_is_named(tmp_path, sounds, write_toml, rng):
    path, _ = epochs(tmp_path, write_toml, ["1", "1", "1", "", "2", "2"], '["clips", "scans", "voxels"]', rng)
    with pytest.raises(InputError, match=r"s3\.wav"):
        read_arrays_study(path).responses("1", 0)


def test_shift_by_nothing_is_the_same(rng):
    data = rng.standard_normal((4, 3, 2)).astype(np.float32)
    np.testing.assert_array_equal(shift_within_runs(data, np.array([0, 0, 1, 1]), 0), data)


@pytest.mark.parametrize(
    ("axes", "shape", "top"),
    [
        ('["clips", "voxels", "scans"]', (6, 4, 200), {}),
        ('["time", "voxels"]', (600, 4), {"scans_per_clip": 100}),
    ],
)
def test_scans_that_last_far_longer_than_the_clips_are_refused(tmp_path, sounds, write_toml, rng, axes, shape, top):
    np.save(tmp_path / "r.npy", rng.standard_normal(shape).astype(np.float32))
    top = {"axes": axes, "n_outer_folds": 2, **top}
    path = write_toml(table(tmp_path, SIX), 'train = { file = "r.npy" }', **top)
    n_scans = top.get("scans_per_clip", 200)
    says = rf"r\.npy: {n_scans} scans per clip and 4 voxels: .* last {2 * n_scans} s, but the longest clip 2 s"
    with pytest.raises(InputError, match=says):
        read_arrays_study(path).responses("1", 0)
    (found,) = (
        each for each in check_arrays(path, RunConfig.of(embeddings=("logmel",))) if each.code == "array-unusable"
    )
    assert (found.severity, found.subject) == ("error", "1")
    assert "order of axes" in found.hint


def test_scans_may_follow_a_clip_for_as_long_as_responses_do(tmp_path, sounds, write_toml, rng):
    for n_scans, fits in ((11, True), (12, False)):  # of 2 s, after clips of 2 s
        np.save(tmp_path / "r.npy", rng.standard_normal((6, n_scans, 3)).astype(np.float32))
        top = {"axes": '["clips", "scans", "voxels"]', "n_outer_folds": 2}
        study = read_arrays_study(write_toml(table(tmp_path, SIX), 'train = { file = "r.npy" }', **top))
        assert (study.examine()[0].severity == "warning") == fits


FAULTY_TOP = {
    "unknown key": {"axes": CLIPS, "n_outer_folds": 2, "colour": 3},
    "no folds": {"axes": CLIPS},
    "old name": {"axes": CLIPS, "folds": 2},
    "axes": {"axes": '["voxels"]', "n_outer_folds": 2},
    "scans": {"axes": CLIPS, "n_outer_folds": 2, "scans_per_clip": 2},
    "rank": {"axes": '["clips", "scans", "voxels"]', "n_outer_folds": 2},
    "milliseconds": {"axes": '["clips", "scans", "voxels"]', "n_outer_folds": 2, "tr": 1500},
}
FAULTY_LISTS = {
    "count": SIX.replace("s5.wav\tpop\n", ""),
    "twice": SIX.replace("s5", "s4"),
    "no sound": SIX.replace("s5", "s9"),
    "split": "file\tsplit\ns0.wav\tvalid\n",
    "end": "file\tend\ns0.wav\tlater\n",
    "no column": "sound\ns0.wav\n",
    "twice by measured times": "file\tend\ns4.wav\t1.97\ns4.wav\t2.02\n",
    "outside": SIX.replace("s5.wav", "../s5.wav"),
}
FAULTY_STIMULI = {
    "two lists": 'table = "list.tsv"\nevents = "ds"',
    "variable": 'table = "${NO_SUCH_FOLDER}/list.tsv"',
    "no list": 'table = "gone.tsv"',
}


def broken(case: str, tmp_path: Path, write_toml: Callable[..., Path]) -> Path:
    """An arrays file with one fault; a case that no table names is the name of the array's file."""
    np.save(tmp_path / "r.npy", np.zeros((6, 3), np.float32))
    np.save(tmp_path / "objects.npy", np.array([{}, 1], dtype=object), allow_pickle=True)
    np.save(tmp_path / "nan.npy", np.full((6, 3), np.nan, np.float32))
    np.save(tmp_path / "complex.npy", np.zeros((6, 3), np.complex64))
    np.save(tmp_path / "text.npy", np.full((6, 3), "a"))
    np.save(tmp_path / "constant.npy", np.ones((6, 3)))
    (tmp_path / "text.mat").write_text("no matrix")
    savemat(tmp_path / "r.mat", {"R": 1, "S": 2})
    listed = table(tmp_path, FAULTY_LISTS.get(case, SIX))
    top = FAULTY_TOP.get(case, {"axes": CLIPS, "n_outer_folds": 2})
    named = case in FAULTY_TOP or case in FAULTY_LISTS or case in FAULTY_STIMULI
    array = "r.npy" if named else case
    return write_toml(FAULTY_STIMULI.get(case, listed), f'train = {{ file = "{array}" }}', **top)


FAULTS = {
    "unknown key": r"arrays\.toml: colour: Extra inputs are not permitted",
    "old name": r"arrays\.toml: folds is now n_outer_folds\.",
    "no folds": r"arrays\.toml: .*give n_outer_folds, or a test array",
    "axes": r"arrays\.toml: .*axes are clips and voxels",
    "scans": r"arrays\.toml: .*scans_per_clip is given with a time axis",
    "rank": r"r\.npy: the array has 2 axes",
    "count": r"r\.npy: the array \(6, 3\) has 6 clips, but 5 clips make 5",
    "twice": r"list\.tsv: s4\.wav_0-2 is listed twice",
    "twice by measured times": r"list\.tsv: s4\.wav_0-2\.02 is listed twice, also as 0-1\.97 s",
    "outside": r"the stimulus '\.\./s5\.wav' is outside the folder",
    "no sound": r"wav: the recording of 's9\.wav' is missing",
    "split": r"list\.tsv: the split 'valid'",
    "no column": r"list\.tsv: the list of stimuli has no column file",
    "no list": r"gone\.tsv: the list of stimuli is missing",
    "two lists": r"arrays\.toml: .*exactly one of table, names and events",
    "end": r"list\.tsv: the row of 's0\.wav' is not valid",
    "variable": r"arrays\.toml: the environment variable NO_SUCH_FOLDER is not set",
    "none.npy": r"none\.npy: the array is missing",
    "objects.npy": r"objects\.npy: this is not a readable array",
    "complex.npy": r"complex\.npy: the array holds complex64",
    "text.npy": r"text\.npy: the array holds <U1",
    "constant.npy": r"constant\.npy: no voxel of the array ever changes",
    "milliseconds": r"arrays\.toml: tr is the seconds between scans",
    "nan.npy": r"nan\.npy: the array holds NaN",
    "text.mat": r"text\.mat: this is not a readable \.mat file",
    "r.mat": r"r\.mat: there is no variable None.*Choose among R, S",
    "list.tsv": r"list\.tsv: \.tsv is not a supported type of array",
}


def test_a_missing_field_is_named_without_all_others(tmp_path, sounds, write_toml):
    path = write_toml(table(tmp_path, SIX), 'train = { file = "r.npy" }', axes=CLIPS, n_outer_folds=2)
    path.write_text(path.read_text().replace("tr = 2.0\n", ""))
    with pytest.raises(InputError, match=r"arrays\.toml: tr: Field required\. See"):
        read_arrays_study(path)


@pytest.mark.parametrize("case", FAULTS)
def test_faults_are_named_with_their_file(tmp_path, sounds, write_toml, case):
    with pytest.raises(InputError, match=FAULTS[case]):
        read_arrays_study(broken(case, tmp_path, write_toml)).responses("1", 0)


def test_stimuli_whose_names_differ_in_signs_have_names_of_their_own(tmp_path, sounds, write_toml):
    folder = Path(read_arrays_study(broken("r.npy", tmp_path, write_toml)).stimuli.folder)
    for number, name in enumerate(["a 0!.wav", "a 0#.wav"]):
        (folder / f"s{number}.wav").rename(folder / name)
    listed = table(tmp_path, SIX.replace("s0.wav", "a 0!.wav").replace("s1.wav", "a 0#.wav"))
    study = read_arrays_study(write_toml(listed, 'train = { file = "r.npy" }', axes=CLIPS, n_outer_folds=2))
    names = [clip.name for clip in study.train_clips]
    assert len(set(names)) == 6
    assert names[2] == "s2.wav_0-2"


def test_cells_are_read_as_in_tables_of_events(tmp_path, sounds, write_toml):
    folder = Path(read_arrays_study(broken("r.npy", tmp_path, write_toml)).stimuli.folder)
    (folder / "s0.wav").rename(folder / '"s" 0.wav')
    rows = ['"s" 0.wav\tn/a\tn/a', '"s1.wav"\t"pop"\t1.5', *(f"s{number}.wav\tpop\tn/a" for number in range(2, 6))]
    listed = table(tmp_path, "file\tgenre\tend\n" + "\n".join(rows) + "\n")
    study = read_arrays_study(write_toml(listed, 'train = { file = "r.npy" }', axes=CLIPS, n_outer_folds=2))
    assert [(clip.track, clip.genre, clip.end) for clip in study.train_clips[:2]] == [
        ('"s" 0.wav', "", 2.0),
        ("s1.wav", "pop", 1.5),
    ]


def test_a_stimulus_under_two_names_is_listed_twice(tmp_path, sounds, write_toml):
    folder = Path(read_arrays_study(broken("r.npy", tmp_path, write_toml)).stimuli.folder)
    shutil.copyfile(folder / "s1.wav", folder / "s5.wav")
    with pytest.raises(InputError, match=r"s5\.wav_0-2 is listed twice, also by the name of s1\.wav"):
        read_arrays_study(broken("r.npy", tmp_path, write_toml)).responses("1", 0)


def test_unknown_subjects_are_named(tmp_path, sounds, write_toml):
    study = read_arrays_study(broken("r.npy", tmp_path, write_toml))
    with pytest.raises(InputError, match="no subject '7'"):
        study.responses("7", 0)


@pytest.mark.real_data
def test_natsound165(real_data, monkeypatch):
    monkeypatch.setenv("BRAIN2MUSIC_REAL_DATA", str(real_data))
    study = read_arrays_study(ROOT / "recipes" / "natsound165.toml")
    responses, none = study.responses("pooled", 3)
    assert none is None
    components = loadmat(real_data / "natsound165" / "components.mat")
    np.testing.assert_allclose(responses.data[:, 0], components["R"], rtol=1e-6)
    assert [f"{name[0]}.wav" for name in components["stim_names"].ravel()] == [c.track for c in responses.clips]
    assert (study.note, study.folds, len(study.train_clips), study.test_clips) == ("rank 6", 10, 165, ())
    assert study.train_clips[0].genre == "Music"
    assert responses.lag_tr == 0
    waveform, rate = study.stimuli.waveform(study.train_clips[0])
    assert len(waveform) == 2 * rate


@pytest.mark.real_data
def test_zenodo_8275363_layout_on_the_real_events(real_data, tmp_path, sounds, write_toml, rng):
    """Simulated arrays in the record's shapes: voxels x 4800 and voxels x 600, run-major, carry-in dropped."""
    arrays = {"Training": 4800, "Test_Mean": 600}
    for name, n in arrays.items():
        np.save(tmp_path / f"sub-001_Resp_{name}.npy", rng.standard_normal((5, n)).astype(np.float32))
    path = write_toml(
        f'events = "{real_data / "ds003720"}"\nfade_s = 2.0\nrms = 0.1321',
        'train = { file = "sub-001_Resp_Training.npy" }\ntest = { file = "sub-001_Resp_Test_Mean.npy" }',
        axes='["voxels", "time"]',
        scans_per_clip=10,
        test_repeats=4,
        tr=1.5,
    )
    path.write_text(
        path.read_text().replace('label = "1"', 'label = "001"').replace('folder = "wav"', 'folder = "gone"')
    )
    study = read_arrays_study(path)
    train, test = study.responses("001", 0)
    assert train.data.shape == (480, 10, 5)
    assert test.data.shape == (60, 10, 5)
    assert np.bincount(train.runs).tolist() == [40] * 12
    assert np.bincount(test.runs).tolist() == [10] * 6
    series = np.load(tmp_path / "sub-001_Resp_Training.npy").T
    np.testing.assert_array_equal(train.data[41], series[410:420])
    np.testing.assert_array_equal(
        study.responses("001", 3)[0].data[39], series[[393 + i for i in range(7)] + [399] * 3]
    )
    assert not {clip.track for clip in train.clips} & {clip.track for clip in test.clips}
