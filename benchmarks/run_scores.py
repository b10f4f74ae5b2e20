"""Keep scores of a run as results of a recipe, each the mean of the subjects' scores that a query selects.

    python benchmarks/run_scores.py NAME scores.parquet QUESTION QUERY [QUESTION QUERY …]

A query is one of pandas over the columns of scores (``metric == 'top1' and embedding == 'logmel'``). Columns that it
does not name are those of decoding all clips by the run's own settings. A question may end in its bar: ``…; ≥ 0.88``.
The interval and n are those of the score where it is one subject's.
"""

import sys
from pathlib import Path

from _results import Results

from brain2music.metrics import OWN, read_scores, scores_table
from brain2music.metrics.records import GROUP

DEFAULTS = {"stage": "decode", "metric": "identification", "condition": "decoded", **OWN}


def main(name: str, scores: Path, questions: list[str]) -> None:
    """Look each score up, print it and keep it; one that is not there is an error."""
    table = scores_table(read_scores(scores)).query(f"subject != {GROUP!r}")
    results = Results(name, command=f"recipes/{name}.sh")
    for asked, query in zip(questions[::2], questions[1::2], strict=True):
        found = table.query(query)
        for column, value in DEFAULTS.items():
            if column not in query:
                found = found[found[column].isna() if value is None else found[column] == value]
        if found.empty:
            sys.exit(f"{scores} has no score with {query}")
        question, _, bar = asked.partition("; ")
        value = float(found["value"].mean())
        print(f"{question}: {value:.4f}")
        known = found[["low", "high", "n"]].iloc[0].dropna().to_dict() if len(found) == 1 else {}
        results.add(question, value, bar=bar, **known)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
