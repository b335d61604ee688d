"""How processes that were just started find each other, and none that was started before.

Torchrun's store outlives the processes that it starts again, with all that they left there. Nor do
its agents tell one start from another alike: one whose process has died counts a restart, one that
follows it does not. So rank 0 makes up a name, and tells it to those that ask now.
"""

from __future__ import annotations

import secrets
import time
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

__all__ = ["meet"]

TIMEOUT = timedelta(seconds=300)  # that one waits for another
LOOK_SECONDS = 0.02  # from one look of rank 0 to the next


def meet(rank: int, world_size: int) -> tuple[Store, Store]:
    """Wait until all ranks are there.

    Args:
        rank: of this process; where the others are, its environment says.
        world_size: how many come.

    Returns:
        Two stores that all of them share, and nobody else: for collectives, and for messages. Each
        has a connection of its own: who waits in one can still be told of a failure by the other.

    Raises:
        RuntimeError: the store cannot be reached, or somebody does not come.
        ValueError: the environment does not say where it is.
    """
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    first, second = (next(rendezvous("env://", timeout=TIMEOUT))[0] for _ in range(2))
    name = _ask_name(first, rank) if rank else _tell_name(first, world_size)
    return PrefixStore(f"{name}/collectives", first), PrefixStore(f"{name}/messages", second)


def _ask_name(store: Store, rank: int) -> str:
    """The name of this start, as rank 0 tells it to who asks by a word of his own."""
    word = secrets.token_hex(8)
    store.set(f"wspace/rank {rank} asks", word)
    store.wait([f"wspace/answer to {word}"], TIMEOUT)
    name = store.get(f"wspace/answer to {word}").decode()
    store.set(f"{name}/rank {rank} is here", "1")
    return name


def _tell_name(store: Store, world_size: int) -> str:
    """Make up the name, and answer until all are here; who is no more gets an answer, too."""
    name = f"wspace/{secrets.token_hex(8)}"
    missing = set(range(1, world_size))
    until = time.monotonic() + TIMEOUT.total_seconds()
    while True:
        for rank in sorted(missing):
            if store.check([f"{name}/rank {rank} is here"]):
                missing.remove(rank)
            elif store.check([f"wspace/rank {rank} asks"]):
                word = store.get(f"wspace/rank {rank} asks").decode()
                store.set(f"wspace/answer to {word}", name)
        if not missing:
            return name
        if time.monotonic() > until:
            raise RuntimeError(f"rank {min(missing)} has not come")
        time.sleep(LOOK_SECONDS)
