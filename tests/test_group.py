"""Processes that work together: shares, sums, what the first one found, and how they end."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from ranks import ended, run_ranks, start_ranks

from wspace.errors import WspaceError
from wspace.group import ALONE, current, joined, launched

# What each rank of three works out; it prints one line of JSON.
CALLS = """
import json
import torch
from wspace.errors import WspaceError
from wspace.group import current, joined

def refused():
    raise WspaceError("no such folder")

with joined() as group:
    found = {"rank": group.rank, "first": group.is_first, "current": current() is group}
    rows = torch.arange(6.0).reshape(6, 1) * torch.ones(1, 2)
    own = group.own(rows)
    found["own"] = own[:, 0].tolist()
    found["whole"] = group.whole(own, "rows").tolist() == rows.tolist()
    found["sum"] = group.sum(torch.tensor([group.rank, 1]), "sums").tolist()
    found["gathered"] = group.gather({"rank": group.rank}, "things")
    found["shared"] = group.share(f"of {group.rank}", "a thing")
    found["called"] = group.from_first(lambda: group.rank * 10 + 7, "a call")
    try:
        group.from_first(refused, "a call")
    except WspaceError as error:
        found["refused"] = str(error)
    tensors = [torch.full((3,), float(group.rank)), torch.full((2, 2), 1.0 + group.rank)]
    group.average(tensors, "gradients")
    found["average"] = [one.flatten().tolist() for one in tensors]
    # a loss of each rank that depends on the mean of all
    x = torch.tensor([1.0 + group.rank, 2.0], requires_grad=True)
    loss = ((x - group.mean(x.mean(), "a mean")) ** 2).mean()
    loss.backward()
    found["gradient"] = x.grad.tolist()
    with group.first_here_first("a cache"):
        pass
    print(json.dumps(found), flush=True)
"""


@pytest.fixture(scope="module")
def found() -> list[dict[str, Any]]:
    """What ranks 0, 1 and 2 print."""
    ran = run_ranks(3, ["-c", CALLS])
    assert [status for status, _, _ in ran] == [0, 0, 0], ran
    return [json.loads(out) for _, out, _ in ran]


def test_each_rank_knows_which_one_it_is(found: list[dict[str, Any]]) -> None:
    assert [one["rank"] for one in found] == [0, 1, 2]
    assert [one["first"] for one in found] == [True, False, False]
    assert all(one["current"] for one in found)


def test_ranks_take_every_third_row_and_put_them_together_again(
    found: list[dict[str, Any]],
) -> None:
    assert [one["own"] for one in found] == [[0, 3], [1, 4], [2, 5]]
    assert all(one["whole"] for one in found)


def test_sums_and_means_are_those_of_all_ranks(found: list[dict[str, Any]]) -> None:
    for one in found:
        assert one["sum"] == [3, 3]
        assert one["average"] == [[1, 1, 1], [2, 2, 2, 2]]


def test_the_gradient_of_a_mean_is_that_of_one_process(found: list[dict[str, Any]]) -> None:
    x = torch.tensor([[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]], requires_grad=True)
    ((x - x.mean()) ** 2).mean().backward()
    assert x.grad is not None
    averaged = torch.tensor([one["gradient"] for one in found]) / 3  # as gradients of weights are
    torch.testing.assert_close(averaged, x.grad)


def test_things_are_gathered_in_order_and_shared_from_the_first(
    found: list[dict[str, Any]],
) -> None:
    for one in found:
        assert one["gathered"] == [{"rank": 0}, {"rank": 1}, {"rank": 2}]
        assert one["shared"] == "of 0"
        assert one["called"] == 7
        assert one["refused"] == "no such folder"


def test_alone_everything_stays_as_it_is() -> None:
    rows = torch.arange(4.0)
    assert not launched()
    with joined() as group:
        assert group is ALONE is current()
        assert group.own(rows) is rows is group.whole(rows, "rows")
        assert group.sum(rows, "rows") is rows is group.mean(rows, "rows")
        group.average([rows], "rows")
        assert rows.tolist() == [0, 1, 2, 3]
        assert group.gather(1, "one") == [1]
        assert group.share(2, "two") == group.from_first(lambda: 2, "two") == 2
        group.barrier("nowhere")
        assert group.fail("said") == "said"


def test_a_rank_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(WspaceError, match="RANK='2' and WORLD_SIZE='2' name no process"):
        launched()


# What the ranks of the next tests run: rank 1 does something else than the others.
FAILING = """
import sys, time
from wspace.cli.main import main
from wspace.cli import models
from wspace.errors import WspaceError
from wspace.group import current
import wspace.cli.main as cli
cli.IN_GROUPS += ("models",)

def command(**_):
    group = current()
    group.timeout_seconds = 2.0
    print("hello from", group.rank)
    group.barrier("the first place")
    if group.rank == 1:
        {otherwise}
    group.barrier("the second place")

models.models_command.callback = command
main(["models"])
"""


def failing(otherwise: str) -> list[str]:
    return ["-c", FAILING.format(otherwise=otherwise)]


def test_an_error_of_one_rank_is_one_line_of_rank_0_and_ends_all() -> None:
    began = time.monotonic()
    ran = run_ranks(2, failing("raise WspaceError('picture 7 is damaged: remove it.')"))
    assert [status for status, _, _ in ran] == [2, 2]
    assert ran[0][1:] == ("hello from 0\n", "wspace: picture 7 is damaged: remove it.\n")
    assert ran[1][1:] == ("", "")
    assert time.monotonic() - began < 60


def test_a_wait_that_takes_too_long_says_who_waits_where_and_who_is_missing() -> None:
    ran = run_ranks(2, failing("time.sleep(300)"))
    assert [status for status, _, _ in ran] == [2, 2]
    (line,) = ran[0][2].splitlines()
    assert line.startswith("wspace: after 2 s: rank 1 is after the first place for ")
    assert "; rank 0 waits at the second place: look at what holds it up" in line
    assert ran[1][1:] == ("", "")


def test_a_rank_that_dies_leaves_none_that_waits() -> None:
    processes = start_ranks(2, failing("time.sleep(300)"))
    assert processes[0].stdout is not None
    assert processes[0].stdout.readline() == "hello from 0\n"
    time.sleep(0.5)
    processes[1].send_signal(signal.SIGKILL)
    (first, _) = ended(processes, 10)
    assert first[0] == 2
    assert "rank 0 has lost the others at the second place" in first[2]
    assert first[2].count("\n") == 1


def test_commands_for_one_process_say_so(tmp_path: Path) -> None:
    ran = run_ranks(2, ["-m", "wspace", "mix", "avatars"])
    assert [status for status, _, _ in ran] == [2, 2]
    assert ran[0][2].startswith("wspace: wspace mix works in one process, not in 2: start it")
    assert ran[1][1:] == ("", "")
