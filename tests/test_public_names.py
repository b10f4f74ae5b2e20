"""The public names of every package can be imported, and importing a package loads no heavy library."""

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import brain2music

PACKAGES = [package.name for package in pkgutil.walk_packages(brain2music.__path__, "brain2music.") if package.ispkg]
LAZY = [f"brain2music.{name}" for name in ("study", "brain", "embeddings", "encoding", "gallery", "simulation.brain")]
HEAVY = ("torch", "nilearn", "pandas", "matplotlib", "sklearn")


def public(package: str) -> list[str]:
    return list(getattr(importlib.import_module(package), "__all__", []))


@pytest.mark.parametrize("package", [package for package in PACKAGES if public(package)])
def test_public_names_are_there_and_are_no_modules(package: str) -> None:
    module = importlib.import_module(package)
    assert sorted(set(module.__all__)) == sorted(module.__all__)
    assert not [name for name in module.__all__ if isinstance(getattr(module, name), ModuleType)]
    assert set(module.__all__) <= set(dir(module))


def test_packages_with_public_names_are_light() -> None:
    lazy = [
        f"brain2music.{name}" for name in ("study", "brain", "embeddings", "encoding", "gallery", "simulation.brain")
    ]
    assert all(map(public, lazy))
    script = f"import sys, {', '.join(LAZY)}; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "[]"


def test_modules_of_ridge_are_private() -> None:
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module("brain2music.ridge").__path__)]
    assert [name for name in names if not name.startswith("_")] == []


def test_packages_are_loaded_when_they_are_reached() -> None:
    script = "import sys, brain2music as b2m; before = 'brain2music.models' in sys.modules; b2m.models.Abilities; "
    script += "print(before, b2m.cli.__name__, hasattr(b2m, 'nothing'))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert found.split() == ["False", "brain2music.cli", "False"]
