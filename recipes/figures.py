"""Print scores of a run as ``name: value`` lines, each the mean of the subjects' scores that a query selects.

python recipes/figures.py scores.parquet NAME QUERY [NAME QUERY …]

A query is one of pandas over the columns of scores (``metric == 'top1' and embedding == 'logmel'``). Columns that it
does not name are those of decoding all clips by the run's own settings.
"""

import sys
from pathlib import Path

from brain2music.metrics import OWN, read_scores, scores_table
from brain2music.metrics.records import GROUP

DEFAULTS = {"stage": "decode", "metric": "identification", "condition": "decoded", **OWN}


def main() -> None:
    """Look each score up; one that is not there is an error."""
    table = scores_table(read_scores(Path(sys.argv[1]))).query(f"subject != {GROUP!r}")
    for name, query in zip(sys.argv[2::2], sys.argv[3::2], strict=True):
        found = table.query(query)
        for column, value in DEFAULTS.items():
            if column not in query:
                found = found[found[column].isna() if value is None else found[column] == value]
        if found.empty:
            sys.exit(f"{sys.argv[1]} has no score with {query}")
        print(f"{name}: {found['value'].mean():.4f}")


if __name__ == "__main__":
    main()
