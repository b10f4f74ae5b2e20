"""Broken studies and files end in exit 1 and one readable line; the cases are those of ``benchmarks/bad_input.py``."""

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "benchmarks" / "bad_input.py"
_SPEC = importlib.util.spec_from_file_location("bad_input", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
bad_input = importlib.util.module_from_spec(_SPEC)
sys.modules["bad_input"] = bad_input
_SPEC.loader.exec_module(bad_input)


def test_the_unbroken_study_runs(tmp_path: Path) -> None:
    bench = bad_input.new_bench(tmp_path)
    status, errors = bad_input.call(bench.run())
    assert status == 0, errors
    assert (bench.out / "index.html").is_file()


@pytest.mark.parametrize("name", bad_input.CASES)
def test_a_broken_input_ends_in_one_readable_line(name: str, tmp_path: Path) -> None:
    assert bad_input.try_case(name, tmp_path) == ""
