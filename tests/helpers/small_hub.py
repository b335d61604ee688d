"""A model hub on this machine that speaks the few calls that wspace makes."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class SmallHub:
    """Repositories by name: what each revision holds. Models are stored apart, the rest by git.

    Attributes:
        url: of the hub.
        commits: (repository, commit) to files by name.
        heads: repository to its newest commit.
        tags: (repository, tag) to a commit.
        asked: method and path of each call.
        token: what pushes have to bring.
    """

    url: str = ""
    commits: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    token: str = "hf_secret"

    def commit(self, repository: str, files: dict[str, bytes]) -> str:
        """Add files to what is there; the new commit."""
        before = self.commits.get((repository, self.heads.get(repository, "")), {})
        whole = before | files
        digest = hashlib.sha1(repr((repository, sorted(whole.items()))).encode()).hexdigest()
        self.commits[repository, digest] = whole
        self.heads[repository] = digest
        return digest

    def find(self, repository: str, revision: str) -> str | None:
        """The commit that a revision names."""
        if revision == "main":
            return self.heads.get(repository)
        if (repository, revision) in self.commits:
            return revision
        return self.tags.get((repository, revision))


def etag_of(name: str, content: bytes) -> str:
    """The hash that a hub names: sha256 for what is stored apart, git's own for the rest."""
    if name.endswith(".safetensors"):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@contextmanager
def small_hub() -> Iterator[SmallHub]:
    """A hub that runs until the block ends."""
    hub = SmallHub()

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: SmallHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._file(body=False)

    def do_GET(self) -> None:
        self._file(body=True)

    def do_PUT(self) -> None:
        content = self._body()
        self.served.stored[self.path.removeprefix("/upload/")] = content
        self._answer(200, {})

    def do_POST(self) -> None:
        hub, content = self.served, self._body()
        path = unquote(urlsplit(self.path).path)
        if path != "/api/validate-yaml" and self.headers["Authorization"] != f"Bearer {hub.token}":
            self._answer(401, {"error": "who are you"})
            return
        if path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif path == "/api/repos/create":
            asked = json.loads(content)
            name = f"{asked['organization']}/{asked['name']}"
            alone = asked.get("visibility") == "private" or bool(asked.get("private"))
            hub.private.setdefault(name, alone)
            hub.heads.setdefault(name, hub.commit(name, {}))
            self._answer(200, {"url": f"{hub.url}/{name}"})
        elif "/preupload/" in path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(content)["files"]
            ]
            self._answer(200, {"files": files})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**one, "actions": {"upload": {"href": f"{hub.url}/upload/{one['oid']}"}}}
                for one in json.loads(content)["objects"]
            ]
            self._answer(200, {"transfer": "basic", "objects": objects})
        elif "/commit/" in path:
            repository = path.removeprefix("/api/models/").split("/commit/")[0]
            files: dict[str, bytes] = {}
            for line in content.splitlines():
                entry = json.loads(line)
                value = entry["value"]
                if entry["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                elif entry["key"] == "lfsFile":
                    files[value["path"]] = hub.stored[value["oid"]]
            commit = hub.commit(repository, files)
            url = f"{hub.url}/{repository}/commit/{commit}"
            self._answer(200, {"commitUrl": url, "commitOid": commit, "success": True})
        else:
            self._answer(404, {"error": "no such call"})

    def _file(self, *, body: bool) -> None:
        hub = self.served
        path = unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path))
        repository, _, rest = path.strip("/").partition("/resolve/")
        revision, _, name = rest.rpartition("/")
        if repository not in hub.heads:
            self._answer(404, {"error": "no"}, {"X-Error-Code": "RepoNotFound"})
            return
        commit = hub.find(repository, revision)
        if commit is None:
            self._answer(404, {"error": "no"}, {"X-Error-Code": "RevisionNotFound"})
            return
        files = hub.commits[repository, commit]
        if name not in files:
            codes = {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}
            self._answer(404, {"error": "no"}, codes)
            return
        etag = etag_of(name, files[name])
        self.send_response(200)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Length", str(len(files[name])))
        self.end_headers()
        if body:
            self.wfile.write(files[name])

    def _body(self) -> bytes:
        self.served.asked.append((self.command, unquote(urlsplit(self.path).path)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)
