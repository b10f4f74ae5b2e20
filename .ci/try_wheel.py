"""Try the wheel in a folder as a user would: ``python .ci/try_wheel.py dist [--python PYTHON] [--whole-demo]``.

Says how large wheel and source archive are and that nothing is in them that should not be. Then, in an environment that
was empty: ``import brain2music`` and every public name, ``--help``, and ``demo``, on a study of twelve clips unless
``--whole-demo`` is given. Last with all extras, each of whose libraries is imported. Needs a package registry.
"""

import argparse
import email.parser
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "brain2music"
SMALL_DEMO = ROOT / ".ci" / "small_demo.py"
BESIDE = {"src", "CHANGELOG.md", "CITATION.cff", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore"}
WEIGHTS = "musicnn"  # a package that is installed without what it depends on, as its files alone are read
NOT_FOR_USERS = {"dev", "docs"}
LIBRARIES = {
    "train": "accelerate",
    "hub": "diffusers, transformers",
    "ann": "faiss",
    "magenta": "ai_edge_litert, onnxruntime, sentencepiece",
    "cluster": "dask, distributed",
    "score": "ai_edge_litert, visqol",
    "formats": "av",
    "gzip": "isal",
    "fetch": "openneuro",
    "web": "fastapi, statsmodels, uvicorn",
    "prep": "ants",
}
UNCONSTRAINED = {"prep"}
"""Extras whose libraries bound numpy and scipy below the versions that are tested."""
NAMES = (
    "import brain2music as b2m, sys; print(b2m.__file__, [getattr(b2m, name) for name in b2m.__all__] and sys.version)"
)


def main() -> None:
    """Both archives, then the environment."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default=sys.executable, help="of the environment")
    parser.add_argument("--whole-demo", action="store_true")
    parser.add_argument("--keep", type=Path, help="an empty folder to work in, which is left as it is then")
    given = parser.parse_args()
    (wheel,), (source,) = given.folder.resolve().glob("*.whl"), given.folder.resolve().glob("*.tar.gz")
    extras = check_wheel(wheel)
    assert set(extras) == set(LIBRARIES), f"LIBRARIES does not say what these bring: {set(extras) ^ set(LIBRARIES)}"
    check_source(source)
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep.resolve() if given.keep else Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([given.python, "-m", "venv", folder / "env"], check=True)
        try_in(folder, wheel, extras, given.whole_demo)
    print("the wheel works in an empty environment, without and with extras")


def try_in(folder: Path, wheel: Path, extras: list[str], whole_demo: bool) -> None:
    """What a user does first, in the environment that is empty, and then what extras are for."""
    install(folder, str(wheel))
    run(folder, "python", "-c", NAMES)
    run(folder, "brain2music", "--help")
    run(folder, "brain2music", "models", "pull", WEIGHTS)
    run(folder, *(["brain2music", "demo"] if whole_demo else ["python", SMALL_DEMO]), "demo")
    assert (folder / "demo" / "index.html").is_file()
    for each in (sorted(set(extras) - UNCONSTRAINED), sorted(UNCONSTRAINED)):
        install(folder, f"brain2music[{','.join(each)}] @ {wheel.as_uri()}", constrained=not UNCONSTRAINED & set(each))
        run(folder, "python", "-c", f"import {', '.join(LIBRARIES[extra] for extra in each)}")
    run(folder, "brain2music", "models")


def check_wheel(wheel: Path) -> list[str]:
    """All of the package and nothing else; its extras for users."""
    with zipfile.ZipFile(wheel) as archive:
        files = {PurePosixPath(name) for name in archive.namelist()}
        (about,) = (name for name in files if name.name == "METADATA")
        metadata = email.parser.BytesParser().parsebytes(archive.read(str(about)))
    ours = {file for file in PACKAGE.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    expected = {PurePosixPath(file.relative_to(PACKAGE.parent).as_posix()) for file in ours}
    beside = {file for file in files - expected if file.parent != about.parent and file.parent.name != "licenses"}
    assert not expected - files, f"missing in the wheel: {sorted(map(str, expected - files))}"
    assert not beside, f"not of the package: {sorted(map(str, beside))}"
    assert PurePosixPath("brain2music/py.typed") in files
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    stubs = sum(file.suffix == ".pyi" for file in files)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(files)} files, {stubs} stubs")
    return [extra for extra in metadata.get_all("Provides-Extra") if extra not in NOT_FOR_USERS]


def check_source(source: Path) -> None:
    """The package and the texts beside it: no data, no tests, nothing of development."""
    with tarfile.open(source) as archive:
        files = [PurePosixPath(*PurePosixPath(name).parts[1:]) for name in archive.getnames()]
    found = {file.parts[0] for file in files}
    assert found == BESIDE, f"in the source archive: {sorted(found ^ BESIDE)}"
    assert not [file for file in files if file.suffix == ".pyc"]
    print(f"{source.name}: {source.stat().st_size / 1e6:.1f} MB, {len(files)} files")


def install(folder: Path, what: str, constrained: bool = True) -> None:
    """Install in the environment, at the versions that are tested; what does not fit together is an error."""
    versions = ["--constraint", ROOT / "constraints.txt"] if constrained else []
    run(folder, "python", "-m", "pip", "install", "--quiet", "--no-compile", *versions, what)
    command = [folder / "env" / "bin" / "python", "-m", "pip", "check"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    wrong = [line for line in told if not line.startswith(("No broken", f"{WEIGHTS} "))]
    assert not wrong, wrong


def run(folder: Path, command: str | Path, *arguments: str | Path) -> None:
    """A command of the environment, outside of the repository and without its settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL"))}
    environment |= {"PATH": f"{folder / 'env' / 'bin'}{os.pathsep}{environment['PATH']}", "PIP_CONSTRAINT": ""}
    environment |= {} if "pip" in arguments else {"XDG_CACHE_HOME": str(folder / "cache")}
    print("$", command, *arguments, flush=True)
    subprocess.run([folder / "env" / "bin" / command, *arguments], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    main()
