"""The worker process of jobs: ``python -m brain2music.web.worker DEVICE``, asked in lines of JSON on standard input.

Every line asks for one task of :mod:`brain2music.web.tasks`; answers are lines ``{"progress": [done, total]}``, and at
last ``{"result": ...}`` or ``{"error": ...}``. The process ends when its input does.
"""

import json
import os
import sys
import time
import traceback
import warnings
from typing import Any

EVERY_S = 0.1
"""Progress is told this often at most."""


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what libraries print is no answer
    device = sys.argv[1]
    for line in sys.stdin:
        answers.write(json.dumps(_answer(json.loads(line), device, answers)) + "\n")
        answers.flush()


def _answer(asked: dict[str, Any], device: str, answers: Any) -> dict[str, Any]:
    from .._utils.errors import Brain2MusicWarning, InputError
    from .limits import spoken
    from .tasks import TASKS

    told = 0.0

    def advance(done: int, total: int) -> None:
        nonlocal told
        if done >= total or time.monotonic() - told > EVERY_S:
            told = time.monotonic()
            answers.write(json.dumps({"progress": [done, total]}) + "\n")

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = TASKS[asked["task"]](device=device, advance=advance, **asked["arguments"])
        except InputError as error:
            return {"error": spoken(error)}
        except Exception:
            traceback.print_exc()
            return {"error": "this failed on the server; its log says why"}
    notes = [str(each.message) for each in caught if issubclass(each.category, Brain2MusicWarning)]
    return {"result": {**result, "notes": list(dict.fromkeys(notes))}}


if __name__ == "__main__":
    main()
