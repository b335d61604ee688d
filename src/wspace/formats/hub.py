"""Models on a model hub: ``hub:owner/name``, or ``hub:owner/name@REVISION`` for one that stays.

Only safetensors files are fetched, by huggingface_hub (``pip install 'wspace[hub]'``), into its own
cache, which serves without a network, too. A file's hash is compared with the one that the hub
names. It needs no torch.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wspace.errors import WspaceError, WspaceWarning, reason, shown

__all__ = [
    "DIRECTIONS_FILE",
    "MODEL_FILE",
    "PREFIX",
    "HubName",
    "http_errors",
    "hub_file",
    "require_hub",
]

PREFIX = "hub:"
MODEL_FILE = "model.safetensors"
DIRECTIONS_FILE = "model.directions.safetensors"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}"
_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class HubName:
    """What ``hub:owner/name@revision`` names.

    Attributes:
        repository: owner/name.
        revision: a commit, a tag or a branch; None for what is newest.
    """

    repository: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read such a name, with or without its prefix.

        >>> HubName.parse("hub:me/faces@v1")
        HubName(repository='me/faces', revision='v1')

        Raises:
            WspaceError: it is none.
        """
        bare = text.removeprefix(PREFIX)
        match = re.fullmatch(rf"({_NAME}/{_NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,199}}))?", bare)
        if match is None or ".." in bare or "--" in match[1]:
            raise WspaceError(
                f"{shown(text)} is no name on a hub: give hub:OWNER/NAME or "
                "hub:OWNER/NAME@REVISION."
            )
        return cls(repository=match[1], revision=match[2])

    @property
    def name(self) -> str:
        """The name without its owner."""
        return self.repository.split("/")[1]

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


@functools.cache
def hub_file(text: str) -> Path:
    """The model file behind a name, fetched unless it is there; its directions lie beside it.

    Args:
        text: see `HubName.parse`.

    Raises:
        WspaceError: no such name, model or revision, no way to the hub and nothing in the cache, a
            package that is missing, or a file that is not what the hub says.

    Warns:
        WspaceWarning: the name has no commit, so that it may mean another model tomorrow.
    """
    name = HubName.parse(text)
    require_hub()
    path = _fetch(name, MODEL_FILE, name.revision)
    assert path is not None  # it is needed
    _check_hash(path, name)
    commit = path.parent.name
    if not _COMMIT.fullmatch(name.revision or ""):
        pinned = HubName(repository=name.repository, revision=commit)
        warnings.warn(
            f"{name} is {commit[:12]} now, and may be another model later: {pinned} stays.",
            WspaceWarning,
            stacklevel=4,
        )
    directions = _fetch(name, DIRECTIONS_FILE, commit, needed=False)
    if directions is not None:
        _check_hash(directions, name)
    return path


def require_hub() -> None:
    """Raise a WspaceError where huggingface_hub is missing, before work is done for it."""
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        raise WspaceError(
            "models on a hub need the package huggingface_hub, which is not installed: pip install "
            "'wspace[hub]'."
        ) from None


def http_errors() -> tuple[type[Exception], ...]:
    """What the HTTP library of huggingface_hub raises, such as without a network.

    Which library that is depends on the version; the hub's own error is one of its errors, too.
    """
    from huggingface_hub import errors

    return errors.HfHubHTTPError.__bases__


def _fetch(name: HubName, file: str, revision: str | None, *, needed: bool = True) -> Path | None:
    """The path in the cache; None for a file that need not be there and is not."""
    from huggingface_hub import errors, hf_hub_download

    others: tuple[type[Exception], ...] = (errors.HFValidationError, ValueError, *http_errors())
    try:
        found = hf_hub_download(
            name.repository, file, revision=revision, endpoint=os.environ.get("HF_ENDPOINT")
        )
        return Path(found)
    except errors.LocalEntryNotFoundError:
        if not needed:
            return None
        problem = "is not in the cache, and the hub cannot be reached: go online once"
    except errors.RevisionNotFoundError:
        problem = f"has no revision {shown(revision)}: look it up on its page"
    except errors.EntryNotFoundError:
        if not needed:
            return None
        problem = f"holds no {file}: it is no model of wspace"
    except errors.RepositoryNotFoundError:
        problem = "is not there, or not for you: check the name, or set HF_TOKEN"
    except others as error:
        problem = f"cannot be fetched ({reason(error)}): try again"
    raise WspaceError(f"{name} {problem}.") from None


def _check_hash(path: Path, name: HubName) -> None:
    """Compare a file with the hash under which the cache keeps it: what the hub said of it."""
    stated = path.resolve().name
    if len(stated) == 64:  # files that are stored apart, as models are
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    else:  # small ones are git's own
        content = path.read_bytes()
        header = f"blob {len(content)}\0".encode()
        found = hashlib.sha1(header + content, usedforsecurity=False).hexdigest()
    if found != stated:
        raise WspaceError(
            f"{name}: {path} is not what the hub has (hash {found[:12]}..., there "
            f"{stated[:12]}...): remove that file, and it is fetched again."
        )
