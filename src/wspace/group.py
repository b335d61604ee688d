"""The processes that work on one thing together: who is who, and what they tell each other.

Started by ``torchrun``, each process is one rank of a group; started alone it is the only one, and
everything here does nothing. No other module knows about ranks: whoever works in a group asks one
for its own share of a batch, for sums and means over all ranks, and for what the first one found.

A rank that fails tells the others by a watcher, a thread of every rank that looks once a second:
all end, with one line from rank 0. It also ends a wait that takes too long, and says which rank
stands where.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from wspace.errors import WspaceError, reason

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store

__all__ = ["ALONE", "Group", "LostRankError", "current", "joined", "launched", "processes_here"]

_Value = TypeVar("_Value")

TIMEOUT_SECONDS = 1800.0  # for the others, where nothing else is said
LOOK_SECONDS = 1.0  # from one look of a watcher to the next
TOLD_SECONDS = 5.0  # that a rank which failed waits for rank 0 to say so
GRACE_SECONDS = 3.0  # to end by itself, once another rank has failed
BUCKET_BYTES = 32 * 2**20  # of gradients that are sent at once
# Longer than any wait that a watcher allows: it has to be the first to speak.
_BACKEND_TIMEOUT = timedelta(days=7)
_STORE_TIMEOUT = timedelta(seconds=300)


class LostRankError(WspaceError):
    """Another process of the group has died, or cannot be reached."""


def launched() -> bool:
    """Whether this process was started as one of several, by torchrun or the like; needs no torch.

    Raises:
        WspaceError: the environment says so, but not which one.
    """
    told = {name: os.environ.get(name, "") for name in ("RANK", "WORLD_SIZE")}
    if not all(told.values()) or "MASTER_ADDR" not in os.environ:
        return False
    if not all(value.isdigit() for value in told.values()) or not (
        int(told["RANK"]) < int(told["WORLD_SIZE"])
    ):
        raise WspaceError(
            f"RANK={told['RANK']!r:.40} and WORLD_SIZE={told['WORLD_SIZE']!r:.40} name no process "
            "of a group: start it by torchrun."
        )
    return int(told["WORLD_SIZE"]) > 1


class Group:
    """Ranks that work together; of one rank, all methods give back what they were given.

    Args:
        rank: of this process, in [0, world_size).
        world_size: how many processes there are.
        local_rank: of this process on its machine.
        store: where they leave messages; None for one process.

    Attributes:
        timeout_seconds: how long a rank waits for the others before it says who is missing.
    """

    def __init__(
        self,
        rank: int = 0,
        world_size: int = 1,
        local_rank: int = 0,
        store: Store | None = None,
    ) -> None:
        self.rank, self.world_size, self.local_rank = rank, world_size, local_rank
        self.timeout_seconds = TIMEOUT_SECONDS
        self._board = None if store is None else _Board(store, self)
        # where this rank is, since when, and whether it waits for others there
        self._place: tuple[str, float, bool] = ("at the start", time.monotonic(), False)

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, which alone prints and writes."""
        return self.rank == 0

    @property
    def is_first_here(self) -> bool:
        """Whether this is the first rank of its machine."""
        return self.local_rank == 0

    @property
    def alone(self) -> bool:
        """Whether there is only one process."""
        return self.world_size == 1

    def own(self, rows: _Value) -> _Value:
        """Every world_size-th row, from this rank's number on; all of them alone.

        So images of one group of minibatch deviation stay together, see `minibatch_stddev`.
        """
        return rows if self.alone else rows[self.rank :: self.world_size]  # type: ignore[index]

    def part(self, rows: _Value) -> _Value:
        """`own`, where each rank gets as many rows; else all of them on every rank.

        For work of which a mean over ranks is the mean over all rows either way.
        """
        return rows if len(rows) % self.world_size else self.own(rows)  # type: ignore[arg-type]

    def whole(self, rows: Tensor, where: str) -> Tensor:
        """The inverse of `own`: (N, ...) of each rank to (N * world_size, ...), without gradient.

        Args:
            rows: as many on every rank.
            where: what for, in messages.
        """
        if self.alone:
            return rows
        import torch
        import torch.distributed as dist

        rows = rows.detach().contiguous()
        parts = [torch.empty_like(rows) for _ in range(self.world_size)]
        with self._waiting(where):
            dist.all_gather(parts, rows)
        return torch.stack(parts, dim=1).flatten(0, 1)

    def sum(self, value: Tensor, where: str) -> Tensor:
        """The sum of a tensor over all ranks, the same bits on each; without gradient."""
        if self.alone:
            return value
        import torch.distributed as dist

        total = value.detach().clone().contiguous()
        with self._waiting(where):
            dist.all_reduce(total)
        return total

    def mean(self, value: Tensor, where: str) -> Tensor:
        """The mean of a tensor over all ranks, the same bits on each.

        It can be differentiated once, for a loss that is in turn a mean over the ranks.
        """
        if self.alone:
            return value
        return _mean_function().apply(value, self, where)  # type: ignore[no-any-return]

    def average(self, tensors: Sequence[Tensor], where: str) -> None:
        """Replace tensors, such as gradients, by their means over all ranks.

        They travel in few large pieces: that is as fast as torch's `DistributedDataParallel` where
        a step has second derivatives (benchmarks/RESULTS.md), and leaves networks as they are.
        """
        if self.alone:
            return
        import torch
        import torch.distributed as dist

        for bucket in _buckets(tensors):
            flat = torch.cat([one.detach().reshape(-1) for one in bucket])
            with self._waiting(where):
                dist.all_reduce(flat)
            flat /= self.world_size
            means = flat.split([one.numel() for one in bucket])
            for one, mean in zip(bucket, means, strict=True):
                one.copy_(mean.view(one.shape))

    def gather(self, value: _Value, where: str) -> list[_Value]:
        """What each rank has, in the order of ranks: plain data, tensors on the CPU."""
        if self.alone:
            return [value]
        import torch.distributed as dist

        found: list[Any] = [None] * self.world_size
        with self._waiting(where):
            dist.all_gather_object(found, value)
        return found

    def in_turn(self, own: Sequence[_Value], where: str) -> list[_Value]:
        """What `own` has taken apart in order again: the first of each rank, then the second ones.

        Args:
            own: of this rank, plain data or tensors on the CPU; the first ranks may have one more.
            where: what for, in messages.
        """
        if self.alone:
            return list(own)
        of_ranks = self.gather(list(own), where)
        longest = max(map(len, of_ranks))
        return [of_rank[k] for k in range(longest) for of_rank in of_ranks if k < len(of_rank)]

    def share(self, value: _Value, where: str) -> _Value:
        """What rank 0 has, on every rank: plain data, tensors on the CPU."""
        if self.alone:
            return value
        import torch.distributed as dist

        box = [value if self.is_first else None]
        with self._waiting(where):
            dist.broadcast_object_list(box, src=0)
        return box[0]  # type: ignore[return-value]

    def from_first(self, call: Callable[[], _Value], where: str) -> _Value:
        """Call something on rank 0 alone; what it returns or raises is the same on every rank.

        Raises:
            WspaceError: as ``call``.
        """
        if self.alone:
            return call()
        found: tuple[_Value | None, str | None] = (None, None)
        if self.is_first:
            try:
                found = call(), None
            except WspaceError as error:
                found = None, str(error)
        value, failed = self.share(found, where)
        if failed is not None:
            raise WspaceError(failed)
        return value  # type: ignore[return-value]

    @contextlib.contextmanager
    def first_here_first(self, where: str) -> Iterator[None]:
        """Within it the first rank of each machine works before the others there do.

        What one makes and keeps for all, such as a cache, is then made once. However long it takes.
        """
        if not self.is_first_here:
            self.barrier(where, limited=False)
        yield
        if self.is_first_here:
            self.barrier(where, limited=False)

    def barrier(self, where: str, *, limited: bool = True) -> None:
        """Wait until every rank is here.

        Args:
            where: what for, in messages.
            limited: not longer than ``timeout_seconds``.
        """
        if self.alone:
            return
        import torch
        import torch.distributed as dist

        with self._waiting(where, limited):
            dist.all_reduce(torch.zeros(1))

    def fail(self, message: str) -> str:
        """Tell all ranks that this one cannot go on, and wait a little until rank 0 has said so.

        Returns:
            What is to be printed here: the message of the first rank that failed, on rank 0, once;
            else nothing.
        """
        return message if self._board is None else self._board.fail(message)

    @contextlib.contextmanager
    def _waiting(self, where: str, limited: bool = True) -> Iterator[None]:
        """While it lasts, this rank waits for the others; raises LostRankError if one is gone."""
        self._place = (where, time.monotonic(), limited)
        try:
            yield
        except RuntimeError as error:
            assert self._board is not None
            if told := self._board.look_for_failure():
                raise WspaceError(told) from None
            raise LostRankError(
                f"rank {self.rank} has lost the others at {where} ({reason(error)}): a process has "
                "died or cannot be reached; torchrun --max-restarts lets them start again."
            ) from None
        finally:
            self._place = (f"after {where}", time.monotonic(), False)

    def _describe_place(self) -> str:
        """Where this rank is, as plain data for the others."""
        where, since, waits = self._place
        stands = {"where": where, "seconds": time.monotonic() - since, "waits": waits}
        return json.dumps(stands)

    def _overdue(self) -> str:
        """Where this rank waits for longer than it should; or nothing."""
        where, since, waits = self._place
        return where if waits and time.monotonic() - since > self.timeout_seconds else ""


class _Board:
    """Messages of all ranks: where each stands, and why one has failed."""

    def __init__(self, store: Store, group: Group) -> None:
        self._store, self._group = store, group
        self._told = threading.Lock()
        self._has_told = False
        self._ended = threading.Event()
        self._beat = 0
        self._parent = os.getppid()
        self._watcher = threading.Thread(target=self._watch, name="wspace-group", daemon=True)
        self._watcher.start()

    def end(self) -> None:
        self._ended.set()
        self._watcher.join()

    def fail(self, message: str) -> str:
        with contextlib.suppress(RuntimeError):  # the store may be gone as well
            message = self._store.compare_set("failed", "", message).decode()
            if not self._group.is_first:
                self._wait_until_told()
                return ""
        return message if self._first_to_tell() else ""

    def look_for_failure(self) -> str:
        """Why another rank has failed, which may become known a moment after it is gone."""
        until = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < until:
            if failed := self._failed():
                return failed
            time.sleep(0.05)
        return ""

    def _failed(self) -> str:
        with contextlib.suppress(RuntimeError):
            if self._store.check(["failed"]):
                return self._store.get("failed").decode()
        return ""

    def _wait_until_told(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._store.wait(["told"], timedelta(seconds=TOLD_SECONDS))

    def _first_to_tell(self) -> bool:
        """On rank 0: whether nobody has printed the failure yet; from now on somebody has."""
        if not self._group.is_first:
            return False
        with self._told:
            first, self._has_told = not self._has_told, True
        with contextlib.suppress(RuntimeError):
            self._store.set("told", "1")
        return first

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            if os.getppid() != self._parent and "TORCHELASTIC_RUN_ID" in os.environ:
                self._orphaned()
                return
            with contextlib.suppress(RuntimeError):  # not to be reached just now
                self._beat += 1
                stands = f"{self._beat} {self._group._describe_place()}"
                self._store.set(f"at {self._group.rank}", stands)
                if failed := self._failed():
                    self._leave(failed)
                if where := self._group._overdue():
                    missing = self._who_is_missing(where)
                    self._leave(self._store.compare_set("failed", "", missing).decode())

    def _leave(self, failed: str) -> None:
        """End the process, which may wait for one that never comes, if it does not by itself."""
        first = self._first_to_tell()
        if first:
            os.write(2, f"wspace: {failed}\n".encode())
        if not self._ended.wait(GRACE_SECONDS):
            os._exit(2)

    def _orphaned(self) -> None:
        """Torchrun's agent was killed: nobody waits for this process, and nobody would stop it."""
        os.kill(os.getpid(), signal.SIGTERM)  # training saves then
        if not self._ended.wait(60):
            os._exit(2)

    def _who_is_missing(self, where: str) -> str:
        """One line: which rank waits where, and which one does not come."""
        beats = [self._stands(rank)[0] for rank in range(self._group.world_size)]
        time.sleep(3 * LOOK_SECONDS)
        waiting, missing = [], []
        for rank, before in enumerate(beats):
            beat, at = self._stands(rank)
            if at.get("waits"):
                waiting.append(rank)
                continue
            seconds = f"for {at['seconds']:.0f} s" if at else ""
            silent = ", and its process does not answer" if beat == before else ""
            missing.append(f"rank {rank} is {at.get('where', 'nowhere')} {seconds}{silent}".strip())
        who = ", ".join(map(str, waiting))
        return (
            f"after {self._group.timeout_seconds:g} s: "
            f"{'; '.join(missing) or 'all ranks wait'}; rank {who} waits at {where}: look at what "
            "holds it up (a slow disk, a machine that stands still), or allow more time by --set "
            "processes.timeout_seconds=."
        )

    def _stands(self, rank: int) -> tuple[int, dict[str, Any]]:
        if not self._store.check([f"at {rank}"]):
            return 0, {}
        beat, _, at = self._store.get(f"at {rank}").decode().partition(" ")
        return int(beat), json.loads(at)


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Tensors in lists of one type and about `BUCKET_BYTES` each."""
    bucket: list[Tensor] = []
    size = 0
    for one in tensors:
        if bucket and (size >= BUCKET_BYTES or bucket[0].dtype != one.dtype):
            yield bucket
            bucket, size = [], 0
        bucket.append(one)
        size += one.numel() * one.element_size()
    if bucket:
        yield bucket


def _mean_function() -> Any:
    """`Group.mean` as torch differentiates it: the gradient is a mean over the ranks again."""
    import torch

    class Mean(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, value: Tensor, group: Group, where: str) -> Tensor:
            context.group, context.where = group, where
            return group.sum(value, where) / group.world_size

        @staticmethod
        def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
            (gradient,) = gradients
            summed = context.group.sum(gradient, f"the gradient of {context.where}")
            return summed / context.group.world_size, None, None

    return Mean


ALONE = Group()
_current = ALONE


def current() -> Group:
    """The group that this process works in: `ALONE`, or the one that it has joined."""
    return _current


def processes_here() -> int:
    """How many processes of the group share this machine, as torchrun says; 1 alone."""
    told = os.environ.get("LOCAL_WORLD_SIZE", "")
    return int(told) if not current().alone and told.isdigit() and int(told) > 0 else 1


@contextlib.contextmanager
def joined() -> Iterator[Group]:
    """Within it this process is a rank of the group that torchrun started; alone where it did not.

    Gloo carries what lies on CPUs, NCCL what lies on GPUs: each rank of a machine takes one.

    Raises:
        WspaceError: the others cannot be reached; more ranks than GPUs.
    """
    global _current  # noqa: PLW0603 - a process has one group
    if not launched():
        yield ALONE
        return
    import torch
    import torch.distributed as dist
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    rank, world_size, local = (
        int(os.environ.get(name, "0")) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    )
    backend = "gloo"
    if torch.cuda.is_available():
        if local >= torch.cuda.device_count():
            raise WspaceError(
                f"rank {rank} is the {local + 1}. of its machine, which has "
                f"{torch.cuda.device_count()} GPUs: start as many processes as it has "
                "(torchrun --nproc-per-node), or hide them by CUDA_VISIBLE_DEVICES=."
            )
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    try:
        # two connections: a rank that waits in one can still be told of a failure by the other
        store, messages = (next(rendezvous("env://", timeout=_STORE_TIMEOUT))[0] for _ in range(2))
        # torchrun's store outlives the processes that it starts again: what the last ones left
        # there is not for these
        attempt = f"wspace {os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}"
        dist.init_process_group(
            backend,
            store=PrefixStore(f"{attempt} collectives", store),
            rank=rank,
            world_size=world_size,
            timeout=_BACKEND_TIMEOUT,
        )
    except (RuntimeError, ValueError) as error:
        raise WspaceError(
            f"rank {rank} does not reach the others ({reason(error)}): look at torchrun's "
            "--rdzv-endpoint, and at GLOO_SOCKET_IFNAME."
        ) from None
    group = Group(rank, world_size, local, PrefixStore(f"{attempt} messages", messages))
    _current = group
    try:
        yield group
    finally:
        _current = ALONE
        assert group._board is not None
        group._board.end()
        with contextlib.suppress(RuntimeError):
            dist.destroy_process_group()
