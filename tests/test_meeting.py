"""Processes that find each other, however often others have done so before them."""

from __future__ import annotations

import json

from ranks import run_ranks

# Three starts, one after the other, in a store that outlives them, as torchrun's does; only one of
# its agents counts restarts.
STARTS = """
import json, os
from datetime import timedelta
from torch.distributed import TCPStore
from wspace.group import joined

rank, port = int(os.environ["RANK"]), int(os.environ["MASTER_PORT"])
kept = TCPStore("127.0.0.1", port, is_master=rank == 0, timeout=timedelta(seconds=60))
os.environ["TORCHELASTIC_USE_AGENT_STORE"] = "True"
found = []
for start in range(3):
    os.environ["TORCHELASTIC_RESTART_COUNT"] = str(start * rank)
    with joined() as group:
        found.append(group.gather([start, group.rank], "who is here"))
        if start == 0:
            group.fail(f"rank {rank} had enough")  # later ones do not hear of it
    kept.set(f"{rank} of {start} is over", "1")
    kept.wait([f"{1 - rank} of {start} is over"])
print(json.dumps(found))
"""


def test_processes_meet_those_of_their_own_start_alone() -> None:
    ran = run_ranks(2, ["-c", STARTS])
    assert [status for status, _, _ in ran] == [0, 0], ran
    for _, out, _ in ran:
        assert json.loads(out) == [[[start, 0], [start, 1]] for start in range(3)]
