"""Does the application's memory stay flat under hostile input?

    python benchmarks/web_hostile.py [--rounds 6] [--seed 0]

``brain2music serve`` is started on a run of invented clips in a process of its own. A round asks for 108 paths that
lead out of the folder, eleven malformed ranges, uploads a zip, a WAV and a FLAC bomb, declares an upload of two
gigabytes, streams another one that does not say so, and asks for a hundred jobs without end, which are cancelled. The
first two rounds load libraries and fill what threads keep; ``growth_mib`` is what the server's resident memory gained
over the rounds after these, and ``peak_mib`` the most that it ever had above that. Workers are processes with bounds
of their own. ``unexpected`` counts answers that are no 4xx, and ``accepted`` is the most jobs of a round that were.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

from _results import Results
from web_load import write_run

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.web.conftest import PLUGIN, VARIABLE  # the same generator without end as in the tests
from tests.web.hostile import Attack, served_alone  # the same input

RESULTS = Results("web_hostile")
WARM = 2


def main() -> None:
    """Attack round after round, and look at the server's memory after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plugin = folder / "endless.py"
        plugin.write_text(PLUGIN, encoding="utf-8")
        run = write_run(folder / "out", given.seed)
        with served_alone(run, "--generator", "endless", environment={VARIABLE: str(plugin), "TMPDIR": name}) as server:
            attack, resident, accepted = Attack(server.client, []), [server.resident], []
            for number in range(WARM + given.rounds):
                attack.round()
                resident.append(server.resident)
                accepted.append(attack.accepted)
                print(f"round {number + 1}: {resident[-1]:.1f} MiB", flush=True)
            peak = server.peak
    before = resident[WARM]
    unexpected = sum(not 400 <= status < 500 for status in attack.statuses)
    found = {"growth_mib": round(resident[-1] - before, 1), "peak_mib": round(peak - before, 1)}
    print(json.dumps({**found, "unexpected": unexpected, "accepted": max(accepted)}))
    count, note = len(attack.statuses), f"{given.rounds} rounds; {before:.0f} MiB before them, {resident[0]:.0f} at the start"  # noqa: E501  # fmt: skip
    RESULTS.add("Growth of the server's resident memory under hostile input", resident[-1] - before, "MiB", bar="≤ 24", n=given.rounds, note=note)  # noqa: E501  # fmt: skip
    RESULTS.add("Most that it held above that, uploads of 2 GB and bombs among them", peak - before, "MiB", bar="≤ 48", n=given.rounds, note=note)  # noqa: E501  # fmt: skip
    RESULTS.add("Answers to hostile requests that are no 4xx", unexpected, "answers", bar="0", n=count, note=note)
    RESULTS.add("Jobs of a hundred that were accepted", max(accepted), "jobs", bar="≤ 9", n=given.rounds, note="8 wait, 1 runs")  # noqa: E501  # fmt: skip


if __name__ == "__main__":
    main()
