"""Parquet tables of a run: their columns, checked when a table is written and when it is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from .._utils.errors import InputError
from .._utils.files import write_table

HINT = "run the study again, or restore the file"
_IS_KIND = {
    bool: pd.api.types.is_bool_dtype,
    int: pd.api.types.is_integer_dtype,
    float: pd.api.types.is_numeric_dtype,
}


@dataclass(frozen=True)
class TableSchema:
    """The schema of one kind of table.

    Attributes
    ----------
    row : str
        What one row is about.
    columns : mapping of str to (type, str)
        Name to type (str, int, float, bool, or list for a vector of floats) and meaning.
    """

    row: str
    columns: Mapping[str, tuple[type, str]]

    def write(self, path: Path, table: pd.DataFrame) -> None:
        """Write a table of exactly these columns, in this order, atomically."""
        assert set(table.columns) == set(self.columns), f"{path.name}: {sorted(table.columns)}"
        assert not (fault := self._fault(table)), f"{path.name}: {fault}"
        write_table(path, table[list(self.columns)])

    def read(self, path: Path) -> pd.DataFrame | None:
        """Read a table; missing texts are "".

        Returns
        -------
        DataFrame or None
            None where there is no such file.

        Raises
        ------
        InputError
            The file is no Parquet table, is empty, lacks a column, or a column has another type.
        """
        if not path.is_file():
            return None
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"this is not a readable Parquet table ({error})", path, HINT) from None
        if fault := self._fault(table):
            raise InputError(fault, path, HINT)
        for name, (kind, _) in self.columns.items():
            if kind is str:
                table[name] = table[name].astype(object).where(table[name].notna(), "").map(str)
        return table[list(self.columns)]

    def _fault(self, table: pd.DataFrame) -> str:
        missing = [name for name in self.columns if name not in table]
        if missing:
            return f"the table lacks the columns {', '.join(missing)}"
        if table.empty:
            return "the table is empty"
        for name, (kind, _) in self.columns.items():
            if kind in _IS_KIND and not _IS_KIND[kind](table[name]):
                return f"the column {name!r} holds something other than {_SPELT[kind]}"
        return ""


_SPELT: dict[Any, str] = {bool: "true and false", int: "whole numbers", float: "numbers"}


def vectors(table: pd.DataFrame, column: str, path: Path, length: int) -> Float[np.ndarray, "rows length"]:
    """A column of vectors as one array.

    Raises
    ------
    InputError
        A vector has another length, or holds something other than finite numbers.
    """
    lengths = {np.size(row) for row in table[column]}
    if lengths != {length}:
        raise InputError(f"rows of {column!r} have {sorted(lengths)} values instead of {length}", path, HINT)
    try:
        values = np.stack([np.asarray(row, dtype=np.float64) for row in table[column]])
    except (TypeError, ValueError):
        raise InputError(f"{column!r} holds something other than numbers", path, HINT) from None
    if not np.isfinite(values).all():
        raise InputError(f"{column!r} holds values that are not finite", path, HINT)
    return values
