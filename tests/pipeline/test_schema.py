"""Schemas of tables: what is written is read back as it was, and whatever does not fit is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music.pipeline import outputs
from brain2music.pipeline.schema import TableSchema, vectors

SCHEMA = TableSchema(
    "one thing",
    {
        "name": (str, "its name"),
        "count": (int, "how many"),
        "share": (float, "how much"),
        "known": (bool, "whether"),
        "place": (list, "where"),
    },
)


@pytest.fixture
def table() -> pd.DataFrame:
    places = [np.array([0.0, 1.0]), np.array([2.0, 3.0])]
    columns = {"place": places, "known": [True, False], "share": [0.5, np.nan], "count": [1, 2], "name": ["a", None]}
    return pd.DataFrame(columns)


def test_a_table_is_read_as_it_was_written_in_the_order_of_its_schema(table: pd.DataFrame, tmp_path: Path) -> None:
    assert SCHEMA.read(tmp_path / "gone.parquet") is None
    SCHEMA.write(tmp_path / "t.parquet", table)
    found = SCHEMA.read(tmp_path / "t.parquet")
    assert found is not None
    assert list(found) == list(SCHEMA.columns)
    assert list(found["name"]) == ["a", ""]
    for column in ("count", "share", "known"):
        pd.testing.assert_series_equal(found[column], table[column])
    np.testing.assert_array_equal(vectors(found, "place", tmp_path, 2), np.stack(list(table["place"])))


@pytest.mark.parametrize(
    ("column", "values", "what"),
    [
        ("count", [0.5, 1.5], "count.*whole numbers"),
        ("share", ["a", "b"], "share.*numbers"),
        ("known", [1, 0], "known.*true and false"),
    ],
)
def test_a_column_of_another_type_is_named(
    table: pd.DataFrame, column: str, values: list[object], what: str, tmp_path: Path
) -> None:
    wrong = table.assign(**{column: values})
    wrong.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=rf"t\.parquet: .*{what}"):
        SCHEMA.read(tmp_path / "t.parquet")
    with pytest.raises(AssertionError):
        SCHEMA.write(tmp_path / "t.parquet", wrong)


@pytest.mark.parametrize("column", ["more", "name"])
def test_only_the_columns_of_the_schema_are_written(table: pd.DataFrame, column: str, tmp_path: Path) -> None:
    other = table.assign(more=1) if column == "more" else table.drop(columns=column)
    with pytest.raises(AssertionError, match=r"t\.parquet"):
        SCHEMA.write(tmp_path / "t.parquet", other)
    assert not list(tmp_path.iterdir())


def test_every_table_of_a_run_says_what_its_rows_and_columns_are() -> None:
    schemas = [value for value in vars(outputs).values() if isinstance(value, TableSchema)]
    assert len(schemas) == 11
    for schema in schemas:
        assert schema.row
        assert all(kind in (str, int, float, bool, list) and about for kind, about in schema.columns.values())
