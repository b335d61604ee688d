"""What lies at an address, and reading it, by fsspec; its errors in a few words of ours.

Texts of errors quote addresses with all that lets us in, so none of them is shown.
"""

from __future__ import annotations

import base64
import binascii
import json
import posixpath
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import IO, Any
from urllib.parse import quote, unquote, urlsplit

from wspace.data.metadata import METADATA_NAME, read_object
from wspace.data.names import leads_out
from wspace.data.remote.addresses import PACKAGES, Address, plain_name
from wspace.errors import WspaceError, one_line

__all__ = ["Found", "NotThereError", "find", "found_again", "open_found", "words_of"]

MAX_FILES = 200_000  # in a folder
MAX_LIST_BYTES = 16 << 20  # of a dataset.json that lists shards
CONNECT_SECONDS, READ_SECONDS = 20, 60
ASKED_AT_ONCE = 8
BLOCK_BYTES = 8 << 20  # asked for at a time
# What tells one content of a file from another, by what services call it.
_TAGS = (
    "ETag", "etag", "generation", "md5Hash", "VersionId", "blob_id", "Last-Modified",
    "LastModified", "updated", "created",
)  # fmt: skip


class NotThereError(WspaceError):
    """The far side says that there is nothing at an address."""


@dataclass(frozen=True)
class Found:
    """A file elsewhere.

    Attributes:
        url: what fsspec is asked for; a secret.
        name: where in the folder it lies; "" for a file that is all of the data.
        size: bytes; None where the far side does not say.
        tag: another one means another content; "" where the far side says nothing.
        sums: what it says of the content: hexadecimal digests by algorithm.
    """

    url: str = field(repr=False)
    name: str
    size: int | None
    tag: str
    sums: dict[str, str]


def find(address: Address) -> list[Found]:
    """The files at an address: one, or those of a folder or a pattern.

    Raises:
        NotThereError: nothing is there.
        WspaceError: it cannot be reached, is refused, or holds what cannot be trusted.
    """
    system = _system(address)
    try:
        if address.is_pattern:
            return _all_found(address, [(url, _last(url)) for url in address.files()])
        if address.protocol in ("http", "https"):
            if address.is_folder:
                return _all_found(address, _listed_shards(system, address))
            return [found_again(address, address.url, "")]
        info = system.info(address.url)
        if info.get("type") != "directory":
            return [_told(info, address.url, "")]
        return list(_inside(system, address))
    except WspaceError:
        raise
    except Exception as error:
        raise _error(address, error) from None


def open_found(address: Address, file: Found) -> IO[bytes]:
    """A file elsewhere, opened; raises what fsspec and its protocols raise, see `words_of`."""
    opened: IO[bytes] = _system(address).open(
        file.url, "rb", block_size=BLOCK_BYTES, cache_type="readahead"
    )
    return opened


def found_again(address: Address, url: str, name: str) -> Found:
    """What the far side says of a file now; raises as `open_found`."""
    return _told(_system(address).info(url), url, name)


def words_of(error: BaseException) -> str:
    """What went wrong, in a few words that hold no secret."""
    for one in _chain(error):
        name = type(one).__name__
        status = getattr(one, "status", None)
        response = getattr(one, "response", None)
        if isinstance(response, dict):  # of S3
            status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if isinstance(status, int) and status >= 400:
            return f"the far side answers {status}"
        if "Redirect" in name or name == "InvalidURL":
            return "it leads on to what is no address of the web"
        if "Timeout" in name or isinstance(one, TimeoutError):
            return "no answer came in time"
        if "Credentials" in name:
            return "no credentials for it are set on this machine"
        if isinstance(one, PermissionError):
            return "access is refused"
        if isinstance(one, OSError) and one.strerror and not isinstance(one, FileNotFoundError):
            return re.sub(r"\S*://\S*", "...", one.strerror)
    root = _chain(error)[-1]
    return "nothing is there" if isinstance(root, FileNotFoundError) else type(root).__name__


def _chain(error: BaseException) -> list[BaseException]:
    """What an error says it comes from, the innermost first."""
    found = [error]
    while (cause := found[-1].__cause__ or found[-1].__context__) is not None and len(found) < 9:
        found.append(cause)
    return found[::-1]


def _error(address: Address, error: BaseException) -> WspaceError:
    words = words_of(error)
    there = one_line(address.public)
    gone = words in ("nothing is there", "the far side answers 404", "the far side answers 410")
    if gone:
        return NotThereError(f"{there}: {words}: check the address.")
    return WspaceError(
        f"{there} cannot be fetched ({words}): check the address, what lets you in, and the "
        "network; then try again."
    )


def _system(address: Address) -> Any:
    """fsspec's way to an address."""
    options: dict[str, Any] = {}
    try:
        import fsspec

        if address.protocol in ("http", "https"):
            import aiohttp

            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS
            )
            options = {"client_kwargs": {"timeout": timeout, "trust_env": True}}
        return fsspec.filesystem(address.protocol, use_listings_cache=False, **options)
    except ImportError:
        package = PACKAGES[address.protocol]
        raise WspaceError(
            f"{one_line(address.public)} is read by a package that is not installed: pip install "
            f"'{package}'"
        ) from None


def _all_found(address: Address, files: Sequence[tuple[str, str]]) -> list[Found]:
    """What the far side says of files, by their addresses and names."""
    with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="wspace-ask") as pool:
        return list(pool.map(lambda file: found_again(address, *file), files))


def _listed_shards(system: Any, address: Address) -> list[tuple[str, str]]:
    """Addresses and names of the files of a folder on the web.

    There is no listing of such a folder: ``dataset.json`` has to name its shards.
    """
    start = urlsplit(address.url)
    place = start._replace(path=start.path + METADATA_NAME).geturl()
    where = f"{one_line(address.public)}{METADATA_NAME}"
    try:
        with system.open(place, "rb", block_size=0) as file:
            content = _read_up_to(file, MAX_LIST_BYTES + 1)
    except FileNotFoundError:
        raise NotThereError(
            f"{where} is not there: a folder on the web is read by the list of its shards in that "
            "file; give a file, or shard-{000000..000127}.tar."
        ) from None
    if len(content) > MAX_LIST_BYTES:
        raise WspaceError(f"{where} holds more than {MAX_LIST_BYTES:,} bytes: give its shards.")
    shards = read_object(content, where).get("shards")
    if not isinstance(shards, list) or not 0 < len(shards) <= MAX_FILES:
        raise WspaceError(
            f"{where} lists no shards: give the address of a file, or shard-{{000000..000127}}.tar."
        )
    names = dict.fromkeys([METADATA_NAME, *map(str, shards)])
    for name in names:
        _check_name(address, name)
    return [(start._replace(path=start.path + quote(name)).geturl(), name) for name in names]


def _read_up_to(file: IO[bytes], most: int) -> bytes:
    content = b""
    while len(content) < most and (part := file.read(min(1 << 20, most - len(content)))):
        content += part
    return content


def _inside(system: Any, address: Address) -> Iterator[Found]:
    """The files below a folder of a store of objects."""
    root = system._strip_protocol(address.url).rstrip("/")
    listed = system.find(root, detail=True)
    if not listed:
        raise NotThereError(f"{one_line(address.public)} holds no files: check the address.")
    if len(listed) > MAX_FILES:
        raise WspaceError(
            f"{one_line(address.public)} holds {len(listed):,} files, more than {MAX_FILES:,}: "
            "pack them with wspace data build --shards."
        )
    for path, info in sorted(listed.items()):
        if info.get("type") == "directory" or path.endswith("/"):
            continue
        name = path[len(root) :].lstrip("/") if path.startswith(f"{root}/") else path
        _check_name(address, name)
        yield _told(info, system.unstrip_protocol(path), name)


def _check_name(address: Address, name: str) -> None:
    parts = name.split("/")
    odd = leads_out(name) or "\\" in name or not name.isprintable() or not all(parts)
    if odd or "." in parts or len(name) > 1000:
        raise WspaceError(
            f"{one_line(address.public)} lists the name {one_line(name)}, which is no plain name: "
            "do not trust what lies there."
        )


def _last(url: str) -> str:
    return plain_name(unquote(posixpath.basename(urlsplit(url).path)))


def _told(info: dict[str, Any], url: str, name: str) -> Found:
    tags = {key: str(info[key])[:200] for key in _TAGS if info.get(key)}
    size = info.get("size")
    sized = isinstance(size, int) and size >= 0
    tag = json.dumps(tags, sort_keys=True) if tags else ""
    return Found(url, name, size if sized else None, tag, _sums(info))


def _sums(info: dict[str, Any]) -> dict[str, str]:
    """Digests of the content that the far side states."""
    found = {}
    for key in ("md5Hash", "Content-MD5"):
        if isinstance(told := info.get(key), str):
            found["md5"] = _hexadecimal(told)
    for part in str(info.get("Digest", "")).split(","):
        algorithm, _, told = part.strip().partition("=")
        if algorithm.lower() == "sha-256":
            found["sha256"] = _hexadecimal(told)
    lfs = info.get("lfs")
    told = lfs.get("sha256") if isinstance(lfs, dict) else getattr(lfs, "sha256", None)
    if isinstance(told, str):
        found["sha256"] = told.lower()
    lengths = {"md5": 32, "sha256": 64}
    return {name: told for name, told in found.items() if len(told) == lengths[name]}


def _hexadecimal(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""
