"""Networks of PyTorch pickles: the module tree that ``torch_utils.persistence`` wrote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from wspace.errors import WspaceError, shown
from wspace.formats.official.network import Facts, OfficialNetwork, check_size
from wspace.formats.pickles.stored_array import StoredArray
from wspace.formats.pickles.values import Record

__all__ = ["read_pytorch_network"]

_MAX_MODULES = 2_000
_MAX_DEPTH = 8


def read_pytorch_network(record: Record, name: str, owner: str, file_bytes: int) -> OfficialNetwork:
    """Flatten a generator's or discriminator's module tree.

    Args:
        record: the network, as `read.read_pickle` makes it.
        name: "G", "D" or "G_ema".
        owner: what to call it in messages.
        file_bytes: size of the file; no network has more bytes of tensors.

    Raises:
        WspaceError: the tree is not that of an official network, or declares more than the file
            holds.
    """
    modules: dict[str, Facts] = {}
    tensors: dict[str, StoredArray | float] = {}
    for path, state in _walk(record, owner):
        if len(modules) == _MAX_MODULES:
            raise WspaceError(f"{owner} has more parts than any official network: not imported.")
        where = f"{owner}, {path}" if path else owner
        modules[path] = Facts(where, _attributes(state))
        for leaf, array in _own_tensors(state, where):
            tensors[f"{path}.{leaf}" if path else leaf] = array
    check_size(tensors, owner, file_bytes)
    arguments = modules[""].values.get("_init_kwargs")
    facts = Facts(owner, arguments if isinstance(arguments, dict) else {})
    return OfficialNetwork(name, _generation(modules, owner), False, facts, tensors, modules)


def _walk(record: Record, owner: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Every module's path and state, parents first."""
    pending: list[tuple[str, object]] = [("", record)]
    while pending:
        path, module = pending.pop()
        state = module.state if isinstance(module, Record) else None
        if not isinstance(state, dict) or path.count(".") > _MAX_DEPTH:
            raise WspaceError(f"{owner}: {shown(path)} is no part of a network: damaged file.")
        yield path, state
        children = state.get("_modules")
        for name, child in children.items() if isinstance(children, dict) else ():
            if child is not None:
                pending.append((f"{path}.{name}" if path else str(name), child))


def _attributes(state: dict[str, object]) -> dict[str, object]:
    own = ("_parameters", "_buffers", "_modules")
    return {name: value for name, value in state.items() if name not in own}


def _own_tensors(state: dict[str, object], owner: str) -> Iterator[tuple[str, StoredArray]]:
    # A frozen layer of a discriminator keeps its weights as buffers, under the same names.
    for group in ("_parameters", "_buffers"):
        members = state.get(group)
        for leaf, array in members.items() if isinstance(members, dict) else ():
            if array is None:
                continue
            if not isinstance(array, StoredArray):
                raise WspaceError(f"{owner}: {shown(str(leaf))} is no tensor: damaged file.")
            yield str(leaf), array


def _generation(modules: dict[str, Facts], owner: str) -> Literal[2, 3]:
    if "synthesis.input" in modules:
        return 3
    if "synthesis.b4" in modules or "b4" in modules:
        return 2
    raise WspaceError(f"{owner} is neither a StyleGAN2 nor a StyleGAN3 network: not imported.")
