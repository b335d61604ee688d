"""Networks of TensorFlow pickles: variables of a network and of its components, by full name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from wspace.errors import WspaceError, one_line, shown
from wspace.formats.official.network import Facts, OfficialNetwork, check_size
from wspace.formats.pickles.stored_array import StoredArray
from wspace.formats.pickles.values import Record

__all__ = ["read_tensorflow_network"]

_MAX_COMPONENTS = 16


def read_tensorflow_network(
    record: Record, name: str, owner: str, file_bytes: int
) -> OfficialNetwork:
    """Gather the variables and arguments of a network and its components.

    A variable of a component is called COMPONENT/VARIABLE. A network passes its arguments on to its
    components, so they override the components' own.

    Args:
        record: the network, as `read.read_pickle` makes it.
        name: "G", "D" or "G_ema".
        owner: what to call it in messages.
        file_bytes: size of the file; no network has more bytes of tensors.

    Raises:
        WspaceError: this is no StyleGAN or StyleGAN2 network, or the record is damaged.
    """
    tensors: dict[str, StoredArray | float] = {}
    arguments: dict[str, object] = {}
    pending: list[tuple[str, object]] = [("", record)]
    for _ in range(_MAX_COMPONENTS):
        if not pending:
            break
        prefix, part = pending.pop(0)
        state = part.state if isinstance(part, Record) else None
        if not isinstance(state, dict):
            raise WspaceError(f"{owner}: {shown(prefix)} is no network: the file is damaged.")
        for variable, value in _variables(state, owner):
            tensors[prefix + variable] = value
        given = state.get("static_kwargs")
        if isinstance(given, dict):
            arguments = {**{str(k): v for k, v in given.items()}, **arguments}
        components = state.get("components")
        if isinstance(components, dict):
            pending += [(f"{prefix}{key}/", child) for key, child in components.items()]
    else:
        raise WspaceError(f"{owner} has more components than any official network: not imported.")
    check_size(tensors, owner, file_bytes)
    state = record.state
    function = state.get("build_func_name") if isinstance(state, dict) else None
    return OfficialNetwork(
        name=name,
        generation=_generation(tensors, owner),
        tensorflow=True,
        arguments=Facts(owner, arguments),
        tensors=tensors,
        function=function if isinstance(function, str) else "",
    )


def _variables(state: dict[str, object], owner: str) -> Iterator[tuple[str, StoredArray | float]]:
    variables = state.get("variables")
    if isinstance(variables, dict):
        variables = list(variables.items())
    if not isinstance(variables, (list, tuple)):
        raise WspaceError(f"{owner} has no variables: the file is damaged.")
    for pair in variables:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not isinstance(pair[0], str):
            raise WspaceError(f"{owner} has a variable without a name: the file is damaged.")
        name, value = pair
        if not isinstance(value, (StoredArray, int, float)):
            raise WspaceError(f"{owner}: {one_line(name)} is no tensor: the file is damaged.")
        yield name, value if isinstance(value, StoredArray) else float(value)


def _generation(tensors: dict[str, StoredArray | float], owner: str) -> Literal[1, 2]:
    """Told by variables that only one generation has; a function may have any name."""
    scopes = {scope for name in tensors for scope in name.split("/")}
    if scopes & {"StyleMod", "Dense1"} and "mod_weight" not in scopes and "Output" not in scopes:
        return 1
    if scopes & {"mod_weight", "Output"}:
        return 2
    raise WspaceError(
        f"{owner} is neither a StyleGAN nor a StyleGAN2 network (ProGAN's and metrics' networks "
        "are pickled alike): not imported."
    )
