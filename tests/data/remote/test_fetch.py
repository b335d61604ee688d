"""Data at addresses: fetched whole, checked, kept by content; hostile servers get one line."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from small_tars import png, tar_of
from small_web import SmallWeb, small_web

from wspace.cli.main import main
from wspace.data.build import BuildConfig, build_dataset
from wspace.data.dataset import Dataset
from wspace.data.remote import fetch, kept, places
from wspace.data.remote.fetch import fetched
from wspace.data.source import PictureSource
from wspace.errors import WspaceError


def zip_of(*colors: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, color in enumerate(colors):
            archive.writestr(f"{number}.png", png(color))
    return buffer.getvalue()


ZIP = zip_of("red", "blue", "lime")
SHA256 = hashlib.sha256(ZIP).hexdigest()


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallWeb]:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetch, "WAIT_SECONDS", 0.001)
    with small_web() as web:
        web.files["/pictures.zip"] = ZIP
        yield web


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    monkeypatch.setenv("WSPACE_CACHE", str(tmp_path / "cache"))
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def test_a_zip_on_the_web_is_a_dataset_and_is_fetched_once(web: SmallWeb, tmp_path: Path) -> None:
    lines: list[str] = []
    found = fetched(f"{web.url}/pictures.zip", lines.append)
    assert found.path == tmp_path / f"cache/fetched/content/{SHA256}/pictures.zip"
    assert found.path.read_bytes() == ZIP
    assert found.address == f"{web.url}/pictures.zip#sha256={SHA256}"
    assert lines == [f"{web.url}/pictures.zip is kept in {found.path}"]
    web.asked.clear()
    with Dataset.open(f"{web.url}/pictures.zip") as data:
        assert (data.name, len(data)) == ("pictures", 3)
        assert data.images([1])[0, :, 0, 0].tolist() == [0, 0, 255]
    assert web.gets() == []
    assert not list((tmp_path / "cache/fetched/partial").glob("*/*"))


def test_another_content_is_fetched_and_the_earlier_one_stays(web: SmallWeb) -> None:
    first = fetched(f"{web.url}/pictures.zip")
    web.files["/pictures.zip"] = zip_of("red")
    second = fetched(f"{web.url}/pictures.zip")
    assert len(PictureSource(second.path).entries) == 1
    web.asked.clear()
    assert fetched(first.address).path == first.path  # by its sha256, and nobody is asked
    assert web.asked == []


def test_a_server_that_tells_nothing_apart_is_read_again(web: SmallWeb) -> None:
    web.tagged = False
    first = fetched(f"{web.url}/pictures.zip")
    assert fetched(f"{web.url}/pictures.zip") == first
    assert len(web.gets()) == 2


def test_without_a_network_what_was_fetched_serves(web: SmallWeb, tmp_path: Path) -> None:
    lines: list[str] = []
    address = f"{web.url}/pictures.zip"
    first = fetched(address)
    web.status = 503
    assert fetched(address, lines.append) == first
    assert "the far side answers 503" in lines[0]
    assert "What was fetched before is taken" in lines[0]
    with pytest.raises(WspaceError, match="503"):
        fetched(f"{address}?id=2")  # may be something else
    with pytest.raises(WspaceError, match="503"):
        fetched(f"{web.url}/other.zip")
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(WspaceError, match="503"):
        fetched(first.address)


def test_nobody_there_is_one_line(web: SmallWeb) -> None:
    with pytest.raises(WspaceError, match=r"cannot be fetched \(.*Connect call failed"):
        fetched("http://127.0.0.1:9/a.zip")
    with pytest.raises(WspaceError, match="the far side answers 404: check the address"):
        fetched(f"{web.url}/none.zip")


@pytest.mark.parametrize("ranges", [True, False])
def test_reading_goes_on_where_a_connection_breaks(
    web: SmallWeb, ranges: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "PART_BYTES", 100)
    monkeypatch.setattr(places, "BLOCK_BYTES", 200)
    web.ranges, web.cut = ranges, 3
    assert fetched(f"{web.url}/pictures.zip").path.read_bytes() == ZIP
    if ranges:  # what had come is not asked for again
        begins = [int(part.split("=")[1].split("-")[0]) for *_, part in web.asked if part]
        assert max(begins) > 200
        assert begins.count(0) < 5


def test_a_connection_that_always_breaks_is_given_up(web: SmallWeb, tmp_path: Path) -> None:
    web.ranges, web.cut = False, 1000
    with pytest.raises(WspaceError, match=r"cannot be fetched .*5 attempts\): check the network"):
        fetched(f"{web.url}/pictures.zip")
    assert not list((tmp_path / "cache/fetched/partial").glob("*/*"))
    assert not (tmp_path / "cache/fetched/content").exists()


def test_a_file_that_changes_between_reads_is_read_again_or_refused(web: SmallWeb) -> None:
    versions = iter([zip_of("red")])

    def change(path: str) -> None:
        if (new := next(versions, None)) is not None:
            web.files[path] = new

    web.after_get = change
    assert fetched(f"{web.url}/pictures.zip").path.read_bytes() == zip_of("red")
    versions = iter([zip_of(*["red"] * n) for n in range(2, 9)])
    web.files["/pictures.zip"] = ZIP + b" "
    with pytest.raises(
        WspaceError, match=r"changes while it is read|holds more than|ends too earl"
    ):
        fetched(f"{web.url}/pictures.zip")


def test_what_the_far_side_says_of_the_content_is_checked(web: SmallWeb) -> None:
    told = base64.b64encode(hashlib.md5(ZIP).digest()).decode()
    web.headers["/pictures.zip"] = {"Content-MD5": told}
    fetched(f"{web.url}/pictures.zip")
    web.files["/pictures.zip"] = zip_of("red")
    with pytest.raises(WspaceError, match="is not what the far side says: its md5 is"):
        fetched(f"{web.url}/pictures.zip")
    told = base64.b64encode(hashlib.sha256(ZIP).digest()).decode()
    web.headers["/pictures.zip"] = {"Digest": f"sha-256={told}"}
    with pytest.raises(WspaceError, match="is not what the far side says: its sha256 is"):
        fetched(f"{web.url}/pictures.zip")


def test_a_sha256_that_was_asked_for_is_checked(web: SmallWeb) -> None:
    assert fetched(f"{web.url}/pictures.zip#sha256={SHA256}").path.read_bytes() == ZIP
    with pytest.raises(WspaceError, match=rf"its sha256 is {SHA256}, not {'0' * 64}"):
        fetched(f"{web.url}/pictures.zip#sha256={'0' * 64}")
    with pytest.raises(WspaceError, match="stands behind # is no sha256"):
        fetched(f"{web.url}/pictures.zip#sha256=12")


def test_a_body_without_an_end_is_refused(
    web: SmallWeb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "UNSTATED_BYTES", 300_000)
    web.endless.add("/endless.zip")
    with pytest.raises(WspaceError, match="goes on beyond 300,000 bytes: do not trust"):
        fetched(f"{web.url}/endless.zip")
    assert not list((tmp_path / "cache/fetched/partial").glob("*/*"))


def test_what_has_no_room_is_refused_before_it_is_read(
    web: SmallWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "SPARE_BYTES", 1 << 62)
    with pytest.raises(WspaceError, match=rf"needs {len(ZIP):,} bytes, and .* has room for 0"):
        fetched(f"{web.url}/pictures.zip")
    assert web.gets() == []


@pytest.mark.parametrize("leads_to", ["file:///etc/passwd", "ftp://host/x", "gopher:x"])
def test_a_redirect_to_what_is_not_the_web_is_refused(web: SmallWeb, leads_to: str) -> None:
    web.redirects["/pictures.zip"] = leads_to
    with pytest.raises(WspaceError, match="it leads on to what is no address of the web"):
        fetched(f"{web.url}/pictures.zip")
    web.redirects = {"/moved": "/pictures.zip"}
    assert fetched(f"{web.url}/moved").path.read_bytes() == ZIP


@pytest.mark.parametrize(
    "address",
    ["ftp://host/a.zip", "simplecache::https://host/a.zip", "https://host/a::b", "zip://a::memory://b",
     "reference://x", "github://a:b@c/d", "https://", "https://host", "http://[::1/a.zip",
     "https://host:99999/a.zip", "file://host/a.zip", "s3://key:secret@bucket/a.zip"],
)  # fmt: skip
def test_other_addresses_are_refused_in_one_line(
    address: str, web: SmallWeb, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["data", "inspect", address])
    assert exit_.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_file_address_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "my pictures.zip").write_bytes(ZIP)
    address = (tmp_path / "my pictures.zip").as_uri()
    assert "%20" in address
    assert len(Dataset.open(address)) == 3


def shards(folder: Path) -> Path:
    (folder / "photos").mkdir(parents=True)
    for number in range(30):
        (folder / f"photos/{number}.png").write_bytes(png("red"))
    build_dataset(
        folder / "photos", folder / "shards", BuildConfig(size=8), shard_bytes=20_000, workers=1
    )
    return folder / "shards"


def test_a_folder_of_shards_is_read_by_its_own_list(web: SmallWeb, tmp_path: Path) -> None:
    folder = shards(tmp_path)
    names = [path.name for path in folder.iterdir()]
    assert len(names) > 2
    web.files |= {f"/data/{name}": (folder / name).read_bytes() for name in names}
    here = fetched(f"{web.url}/data/")
    assert sorted(path.name for path in here.path.iterdir()) == sorted(names)
    with Dataset.open(here.path) as there, Dataset.open(folder) as data:
        assert there.fingerprint == data.fingerprint
    pattern = fetched(f"{web.url}/data/shard-{{000000..{len(names) - 2:06d}}}.tar")
    assert len(PictureSource(pattern.path).entries) == 30
    web.asked.clear()
    path = "/data/shard-000001.tar"
    tar_of(tmp_path / "other.tar", {"a.png": png("blue")})
    web.files[path] = (tmp_path / "other.tar").read_bytes()
    assert fetched(f"{web.url}/data/").path != here.path
    assert set(web.gets()) == {path, "/data/dataset.json"}  # what has not changed is not read again
    del web.files["/data/shard-000000.tar"]
    with pytest.raises(WspaceError, match="the far side answers 404"):
        fetched(f"{web.url}/data/")


@pytest.mark.parametrize(
    "listed", ["../../evil.tar", "/etc/passwd", "a/../../b", "C:\\a", "a\n.tar", "", "."]
)
def test_names_that_lead_out_are_refused(web: SmallWeb, listed: str) -> None:
    web.files["/data/dataset.json"] = json.dumps({"shards": [listed]}).encode()
    with pytest.raises(WspaceError, match="is no plain name: do not trust") as raised:
        fetched(f"{web.url}/data/")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b"{}", b'{"shards": []}'])
def test_a_folder_without_a_list_is_refused(web: SmallWeb, content: bytes | None) -> None:
    if content is not None:
        web.files["/data/dataset.json"] = content
    with pytest.raises(WspaceError, match=r"is not there|is not JSON|object like|lists no shards"):
        fetched(f"{web.url}/data/")


def test_a_pattern_that_stands_for_too_much_is_refused(web: SmallWeb) -> None:
    with pytest.raises(WspaceError, match="stands for 1,000,000 files"):
        fetched(f"{web.url}/{{000000..999999}}/{{000000..999999}}.tar")


def test_folders_and_files_of_a_store_of_objects(
    memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    memory.pipe("/bucket/pictures.zip", ZIP)
    assert len(Dataset.open("memory://bucket/pictures.zip")) == 3
    memory.pipe({f"/bucket/photos/{n // 2}/{n}.png": png() for n in range(4)})
    for address in ("memory://bucket/photos/", "memory://bucket/photos"):
        names = [entry.name for entry in PictureSource(address).entries]
        assert names == ["0/0.png", "0/1.png", "1/2.png", "1/3.png"]
    with pytest.raises(WspaceError, match=r"nothing is there|holds no files"):
        fetched("memory://bucket/none/")
    memory.pipe("/bucket/odd/a\\b.png", png())
    with pytest.raises(WspaceError, match="is no plain name"):
        fetched("memory://bucket/odd/")


def test_kept_content_that_was_changed_is_fetched_again(web: SmallWeb) -> None:
    found = fetched(f"{web.url}/pictures.zip")
    found.path.write_bytes(ZIP[:-1] + b"x")
    assert fetched(found.address).path.read_bytes() == ZIP
    os.utime(found.path)  # only looked at anew
    web.asked.clear()
    assert fetched(found.address) == found
    assert web.asked == []
    for path in (found.path.parents[2] / "addresses").glob("*.json"):
        path.write_text("[")
    assert fetched(f"{web.url}/pictures.zip") == found


def test_many_that_want_the_same_fetch_it_once(web: SmallWeb) -> None:
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(fetched(f"{web.url}/pictures.zip")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(web.gets()) == 1


def test_what_nobody_used_for_long_is_removed(
    web: SmallWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = fetched(f"{web.url}/pictures.zip")
    monkeypatch.setattr(kept, "KEPT_BYTES", 1)
    web.files["/b.zip"], web.files["/c.zip"] = zip_of("red"), zip_of("blue")
    second = fetched(f"{web.url}/b.zip")
    assert first.path.exists()  # it was used just now
    description = first.path.parent.with_suffix(".json")
    os.utime(description, (0, 0))
    fetched(f"{web.url}/c.zip")
    assert not first.path.exists()
    assert second.path.exists()


def test_commands_take_an_address(
    web: SmallWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address, out = f"{web.url}/pictures.zip", tmp_path / "out.zip"
    for words in (
        ["data", "build", address, str(out), "--size", "8"],
        ["data", "inspect", address, "--sheet", str(tmp_path / "a.png")],
    ):
        with pytest.raises(SystemExit) as exit_:
            main([*words, "--workers", "1"])
        assert exit_.value.code == 0
    assert "3" in capsys.readouterr().out
    assert len(Dataset.open(out)) == 3


def test_nothing_secret_is_shown_or_kept(
    web: SmallWeb, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    web.password = "Basic " + base64.b64encode(b"anna:hunter2").decode()
    address = web.url.replace("://", "://anna:hunter2@") + "/pictures.zip?X-Signature=geheim"
    lines: list[str] = []
    found = fetched(address, lines.append)
    assert found.address == f"{web.url}/pictures.zip#sha256={SHA256}"
    web.password = "another"
    for wrong in (address.replace("pictures", "other"), address.replace("hunter2", "hunter3")):
        with pytest.raises(SystemExit):
            main(["data", "inspect", wrong.replace("geheim", "geheimer")])
    web.status = 500
    with pytest.raises(SystemExit):
        main(["data", "inspect", address.replace("pictures", "other")])
    told = "".join(lines) + "".join(capsys.readouterr()) + repr(found)
    told += "".join(p.read_text() for p in (tmp_path / "cache").rglob("*.json"))
    told += "".join(map(str, (tmp_path / "cache").rglob("*")))
    assert "hunter" not in told
    assert "geheim" not in told
