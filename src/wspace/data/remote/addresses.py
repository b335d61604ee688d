"""Addresses of data: which there are, and what of one may be shown and written down.

``https://host/pictures.zip``, ``https://host/shards/shard-{000000..000127}.tar``,
``s3://bucket/shards/``. Behind ``#sha256=`` stands what the content has to be.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import url2pathname

from wspace.data.names import leads_out
from wspace.errors import WspaceError, one_line

__all__ = ["PACKAGES", "Address", "is_address", "local_path", "shown_address"]

# What reads each protocol. Others that fsspec knows run programs, unpack, or chain others.
PACKAGES = {
    "http": "wspace[remote]",
    "https": "wspace[remote]",
    "s3": "wspace[s3]",
    "gs": "wspace[gs]",
    "hf": "wspace[hub]",
    "memory": "wspace[remote]",  # what this process holds under fsspec's name for it
}
MAX_BRACES = 100_000  # files that one address may stand for
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(?:/{2,}|:)")
_BRACES = re.compile(r"\{([0-9]{1,12})\.\.([0-9]{1,12})\}")
_PIN = re.compile(r"sha256=([0-9a-f]{64})")


@dataclass(frozen=True)
class Address:
    """Where data lies that is no file of this machine.

    Attributes:
        protocol: one of `PACKAGES`.
        url: what is asked for, with all that lets us in; a secret.
        public: the same without user, password and query: what may be shown and written down.
        query: what stands behind the question mark; a secret.
        pin: sha256 (hex) that the content has to have; None: any.
    """

    protocol: str
    url: str
    public: str
    query: str
    pin: str | None

    def __repr__(self) -> str:
        return f"Address({self.public!r})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an address.

        Raises:
            WspaceError: it is none that data is read from.
        """
        parts = _split(text)
        public = _public(parts)
        if parts.scheme not in PACKAGES or "::" in text.partition("?")[0]:
            raise WspaceError(
                f"{one_line(public)}: data is not read from there: give a path, or an address that "
                f"begins with {', '.join(f'{name}://' for name in PACKAGES if name != 'memory')}."
            )
        if not parts.path.strip("/") and parts.scheme in ("http", "https"):
            raise WspaceError(
                f"{one_line(public)} names no file: give the address of one, such as "
                "https://host/pictures.zip."
            )
        if "@" in parts.netloc and parts.scheme not in ("http", "https"):
            raise WspaceError(
                f"{one_line(public)}: who you are is no part of such an address: set it in the "
                "environment or the files of the service, and leave it out here."
            )
        pin = None
        if parts.fragment:
            match = _PIN.fullmatch(parts.fragment)
            if match is None:
                raise WspaceError(
                    f"{one_line(public)}: what stands behind # is no sha256: leave it out, or give "
                    "#sha256= and 64 hexadecimal digits."
                )
            pin = match[1]
        query = parts.query
        return cls(parts.scheme, parts._replace(fragment="").geturl(), public, query, pin)

    @property
    def is_folder(self) -> bool:
        """Whether the address says that it is one of a folder."""
        return urlsplit(self.public).path.endswith("/")

    @property
    def is_pattern(self) -> bool:
        """Whether it stands for several files, by numbers in braces."""
        return bool(_BRACES.search(urlsplit(self.url).path))

    @property
    def name(self) -> str:
        """What the data is called, which is a plain name of a file."""
        path = _BRACES.sub("", unquote(urlsplit(self.public).path))
        parts = [part for part in path.split("/") if part]
        if self.is_pattern:
            parts = parts[:-1]
        return plain_name(parts[-1]) if parts else "data"

    def files(self) -> list[str]:
        """The addresses that a pattern stands for, as often as its numbers say.

        Raises:
            WspaceError: they are too many, or none.
        """
        parts = urlsplit(self.url)
        pieces: list[list[str]] = []
        at, count = 0, 1
        for match in _BRACES.finditer(parts.path):
            first, last = int(match[1]), int(match[2])
            count *= max(last - first + 1, 0)
            if not 0 < count <= MAX_BRACES:
                raise WspaceError(
                    f"{one_line(self.public)} stands for {count:,} files: give 1 to "
                    f"{MAX_BRACES:,}, such as shard-{{000000..000127}}.tar."
                )
            numbers = [f"{n:0{len(match[1])}d}" for n in range(first, last + 1)]
            pieces += [[parts.path[at : match.start()]], numbers]
            at = match.end()
        pieces.append([parts.path[at:]])
        return [parts._replace(path="".join(one)).geturl() for one in itertools.product(*pieces)]

    def pinned(self, sha256: str) -> str:
        """What is written down: the address that may be shown, and what lies there."""
        return f"{self.public}#sha256={sha256}"


def is_address(data: Path | str) -> bool:
    """Whether data is named by an address and not by a path; a `Path` is one."""
    return isinstance(data, str) and bool(_ADDRESS.match(data))


def local_path(text: str) -> Path | None:
    """The path that a ``file://`` address names; None where it is another address.

    Raises:
        WspaceError: it is on another machine.
    """
    parts = _split(text)
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise WspaceError(
            f"{one_line(_public(parts))} is a file of another machine: give file:/// and a path."
        )
    return Path(url2pathname(parts.path))


def shown_address(data: Path | str) -> str:
    """Data as it may be shown and written down: a path as it is, an address without secrets."""
    if not is_address(data):
        return str(data)
    parts = _split(str(data))
    pin = _PIN.fullmatch(parts.fragment)
    return _public(parts) + (f"#{parts.fragment}" if pin else "")


def plain_name(text: str) -> str:
    """A stranger's name of a file, as one that can be used here."""
    name = one_line(text, stand_in="_").replace("\\", "_").replace("/", "_").replace(":", "_")
    return "data" if leads_out(name) or name.startswith(".") or len(name) > 200 else name


def _split(text: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:
        scheme = text.partition(":")[0]
        raise WspaceError(f"{one_line(scheme)}://...: this is no address: check it.") from None
    return parts._replace(scheme=parts.scheme.lower())


def _public(parts: SplitResult) -> str:
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=host, query="", fragment="").geturl()
