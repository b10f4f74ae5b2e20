"""Print scores of a run as ``name: value`` lines: ``figures.py scores.json NAME=METRIC@EMBEDDING[@STAGE] …``."""

import json
import sys
from pathlib import Path


def main() -> None:
    """Look each asked score up; one that is not there is an error."""
    scores = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for asked in sys.argv[2:]:
        name, _, wanted = asked.partition("=")
        metric, embedding, stage = [*wanted.split("@"), "decode"][:3]
        key = {"metric": metric, "embedding": embedding, "stage": stage}
        found = [score for score in scores if key.items() <= score.items() and score["subject"] != "group"]
        if not found:
            sys.exit(f"{sys.argv[1]} has no score {wanted}")
        values = [score["value"] for score in found]
        print(f"{name}: {sum(values) / len(values):.4f}")


if __name__ == "__main__":
    main()
