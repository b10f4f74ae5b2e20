"""Whatever is sent to it, the server's memory stays as it is."""

import os
from pathlib import Path

import pytest

from brain2music.models.plugins import VARIABLE
from tests.web.hostile import GIGABYTES, Attack, served_alone

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="memory is read from /proc"),
]
MOST_MIB = 24
"""Growth over a round: less than one upload may hold, a hundredth of what is sent."""


def test_memory_is_flat_under_hostile_input(run_folder: Path, plugin: None) -> None:
    environment = {VARIABLE: os.environ[VARIABLE]}
    with served_alone(run_folder, "--generator", "endless", environment=environment) as server:
        attack = Attack(server.client, [])
        attack.round()  # after which libraries are loaded and threads have their memory
        before = server.resident
        attack.round()
        assert server.resident - before < MOST_MIB
        assert server.peak - before < 2 * MOST_MIB
        assert all(400 <= status < 500 for status in attack.statuses)
        assert attack.sent < GIGABYTES / 20
        assert attack.accepted <= 9
        assert server.client.get("/api/run").status_code == 200
