"""The processes that work on one thing together: who is who, and what they tell each other.

Started by ``torchrun``, each process is one rank of a group; started alone it is the only one, and
everything here does nothing. Whoever works in a group asks it for its own share of a batch, for
sums and means over all ranks, and for what the first one found. How the processes find each other
is in `meeting`; how they notice that one has failed, or does not come, in `board`.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from wspace.board import Board, Place, following
from wspace.errors import WspaceError, reason
from wspace.meeting import meet

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store

__all__ = ["ALONE", "Group", "LostRankError", "current", "joined", "launched", "processes_here"]

_Value = TypeVar("_Value")

TIMEOUT_SECONDS = 1800.0  # for the others, where nothing else is said
BUCKET_BYTES = 32 * 2**20  # of gradients that are sent at once
# Longer than any wait that the board allows: it has to be the first to speak.
_BACKEND_TIMEOUT = timedelta(days=7)


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
        self._place = Place("at the start", time.monotonic())
        self._board: Board | None = None
        if store is not None:
            own = (lambda: self._place), (lambda: self.timeout_seconds)
            self._board = Board(store, rank, world_size, *own)

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
            _arrived(rows)
        return torch.stack(parts, dim=1).flatten(0, 1)

    def sum(self, value: Tensor, where: str) -> Tensor:
        """The sum of a tensor over all ranks, the same bits on each; without gradient."""
        if self.alone:
            return value
        import torch.distributed as dist

        total = value.detach().clone().contiguous()
        with self._waiting(where):
            dist.all_reduce(total)
            _arrived(total)
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
                _arrived(flat)
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
                with self.doing(f"busy with {where}"):
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

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Within it this rank works by itself; those that wait for it are told ``what`` it does."""
        self._place = Place(what, time.monotonic())
        try:
            yield
        finally:
            self._place = Place(f"after {what}", time.monotonic())

    def fail(self, message: str) -> str:
        """Tell all ranks that this one cannot go on, see `Board.fail`.

        Returns:
            What is to be printed here, or nothing.
        """
        return message if self._board is None else self._board.fail(message)

    @contextlib.contextmanager
    def _waiting(self, where: str, limited: bool = True) -> Iterator[None]:
        """While it lasts, this rank waits for the others; raises LostRankError if one is gone."""
        self._place = Place(where, time.monotonic(), True, limited)
        try:
            yield
        except RuntimeError as error:
            assert self._board is not None
            if told := self._board.look_for_failure():
                raise LostRankError(told) from None
            raise LostRankError(
                f"rank {self.rank} has lost the others at {where} ({reason(error)}): a process has "
                "died or cannot be reached; torchrun --max-restarts lets them start again."
            ) from None
        finally:
            self._place = Place(f"after {where}", time.monotonic())


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


def _arrived(sum_: Tensor) -> None:
    """Wait until a GPU has done it; the host would wait for that later, at a place of no name."""
    if sum_.is_cuda:
        import torch

        torch.cuda.current_stream(sum_.device).synchronize()


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
    with following():  # from here on, since the others may take long to come
        if launched():
            with _joined() as group:
                yield group
        else:
            yield ALONE


@contextlib.contextmanager
def _joined() -> Iterator[Group]:
    """`joined`, where there are several."""
    global _current  # noqa: PLW0603 - a process has one group
    import torch
    import torch.distributed as dist

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
        collectives, messages = meet(rank, world_size)
    except (RuntimeError, ValueError) as error:
        raise WspaceError(
            f"rank {rank} does not reach the others ({reason(error)}): look at torchrun's "
            "--rdzv-endpoint, and at GLOO_SOCKET_IFNAME."
        ) from None
    group = Group(rank, world_size, local, messages)
    assert group._board is not None
    try:
        with group._waiting("the start"):
            dist.init_process_group(
                backend,
                store=collectives,
                rank=rank,
                world_size=world_size,
                timeout=_BACKEND_TIMEOUT,
            )
        _current = group
        yield group
    finally:
        _current = ALONE
        group._board.end()
        if dist.is_initialized():
            with contextlib.suppress(RuntimeError):
                dist.destroy_process_group()
