"""The door: who may come in, from where, and to what."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from studio_client import FILES, TOKEN, Page, Studio
from websockets.exceptions import ConnectionClosed, InvalidStatus

PASSWORD = "open sesame"


def cookie_of(studio: Studio) -> str:
    """The cookie that the printed address gives."""
    response = studio.get(f"/?token={TOKEN}")
    assert response.status == 303
    assert response.headers["Location"] == "/"
    return str(response.headers["Set-Cookie"])


def test_the_printed_address_gives_a_cookie_that_opens_everything(studio: Studio) -> None:
    whole = cookie_of(studio)
    assert whole.startswith(f"wspace-{studio.port}=")
    assert TOKEN not in whole
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(whole.split("; "))
    cookie = whole.partition(";")[0]
    assert studio.get("/", Cookie=cookie).body.decode() == FILES["index.html"]
    assert studio.get("/page/main.js", Cookie=cookie).body.decode() == FILES["main.js"]
    with studio.connected(Authorization="", Cookie=cookie) as page:
        page.result("models")


@pytest.mark.parametrize(
    "path", ["/", "/page/main.js", "/page/nothing.js", "/engine", "/healthz", "/?token=", "/login"]
)
def test_without_it_nothing_opens_and_nothing_is_told(studio: Studio, path: str) -> None:
    answers = {studio.get(path, Cookie=f"wspace-{studio.port}={end}").body for end in ("", "x.y")}
    answers.add(studio.get(path).body)
    assert studio.get(path).status == 403
    (body,) = answers
    assert b"Open the address" in body


@pytest.mark.parametrize("token", ["wrong", "", TOKEN[:-1], TOKEN + "x", "%00", "%ff", "a" * 5000])
def test_wrong_tokens_open_nothing(studio: Studio, token: str) -> None:
    assert studio.get(f"/?token={token}").status == 403
    assert studio.get("/", Authorization=f"Bearer {token}").status == 403


def test_a_token_in_the_address_opens_the_first_page_alone(studio: Studio) -> None:
    assert studio.get(f"/page/main.js?token={TOKEN}").status == 403


def test_an_old_address_still_opens_for_those_who_are_in(studio: Studio) -> None:
    cookie = cookie_of(studio).partition(";")[0]
    assert studio.get("/?token=of-an-earlier-start", Cookie=cookie).status == 303


def test_a_browser_that_is_started_comes_in_by_a_token_for_once(studio: Studio) -> None:
    token = studio.access.new_token_for_once()
    assert studio.get("/page/main.js", Authorization=f"Bearer {token}").status == 403
    answer = studio.get(f"/?token={token}")
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert studio.get("/", Cookie=cookie).status == 200
    assert studio.get(f"/?token={token}").status == 403


def test_who_follows_a_link_from_elsewhere_is_asked_once_more_from_here(studio: Studio) -> None:
    """Browsers leave out strict cookies there; the second time they do not."""

    def asks_again(path: str, site: str, mode: str) -> bool:
        answer = studio.get(path, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode)
        assert answer.status == 403
        return b'http-equiv="refresh" content="0; url=/"' in answer.body

    assert asks_again("/", "cross-site", "navigate")
    assert asks_again("/", "same-site", "navigate")
    assert not asks_again("/", "same-origin", "navigate")  # no third time
    assert not asks_again("/", "none", "navigate")
    assert not asks_again("/", "cross-site", "no-cors")
    assert not asks_again("/page/main.js", "cross-site", "navigate")
    assert not asks_again("/?token=wrong", "cross-site", "navigate")


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1:1", "https://127.0.0.1:{port}",
     "http://localhost:{port}", "http://127.0.0.1:{port}.evil.example", "file://"],
)  # fmt: skip
def test_the_socket_opens_for_the_own_page_alone(studio: Studio, origin: str) -> None:
    origin = origin.format(port=studio.port)
    with pytest.raises(InvalidStatus) as refused, studio.connected(Origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_the_socket_closes_at_once_for_who_is_not_in(studio: Studio) -> None:
    for cookie in ("", f"wspace-{studio.port}=1.2.3"):
        with studio.connected(Authorization="", Cookie=cookie) as page:
            with pytest.raises(ConnectionClosed) as closed:
                page.take()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 4403


def test_every_answer_says_what_the_page_may_do(studio: Studio) -> None:
    answers = [
        studio.get("/", inside=True),
        studio.get("/"),
        studio.get("/page/main.js", inside=True),
        studio.get("/nothing", inside=True),
        studio.get(f"/?token={TOKEN}"),
        studio.get("/", inside=True, Host="evil.example"),
    ]
    for answer in answers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "form-action 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "Server" not in answer.headers
    assert answers[0].headers["Cache-Control"] == "no-store"


def test_files_are_sent_again_only_when_they_have_changed(
    studio: Studio, page_folder: Path
) -> None:
    first = studio.get("/page/parts/style.css", inside=True)
    assert first.headers["Content-Type"].startswith("text/css")
    assert first.headers["Cache-Control"] == "no-cache"
    tag = first.headers["ETag"]
    again = studio.get("/page/parts/style.css", inside=True, If_None_Match=tag)
    assert (again.status, again.body) == (304, b"")
    (page_folder / "parts" / "style.css").write_text("a { }")
    changed = studio.get("/page/parts/style.css", inside=True, If_None_Match=tag)
    assert (changed.status, changed.body) == (200, b"a { }")


@pytest.mark.parametrize(
    "path",
    ["/page/../serve.py", "/page/%2e%2e/serve.py", "/page/..%2fserve.py", "/page//etc/passwd",
     "/page/notes.md", "/page/", "/page", "//main.js", "/page/parts/../main.js",
     "/page/main.js/", "/page/main.js%00.css", "/index.html", "/page/..\\serve.py",
     "/page/MAIN.JS", "/static/main.js", "/page/%00", "/page/" + "a" * 5000],
)  # fmt: skip
def test_only_the_files_of_the_page_can_be_fetched(studio: Studio, path: str) -> None:
    answer = studio.get(path, inside=True)
    assert answer.status in (400, 404)
    assert b"import" not in answer.body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_nothing_can_be_written(studio: Studio, method: str) -> None:
    for path in ("/", "/page/main.js", "/engine", "/login"):
        assert studio.get(path, inside=True, method=method).status in (403, 404, 405)


@pytest.fixture
def listening(
    page_folder: Path, tiny_model: Path, request: pytest.FixtureRequest
) -> Callable[[str], Studio]:
    """Makes a studio for other machines."""

    def make(address: str) -> Studio:
        made = Studio(page_folder, [tiny_model], address=address, password=PASSWORD)
        made.__enter__()
        request.addfinalizer(made.__exit__)
        return made

    return make


def test_a_password_lets_in_where_others_may_come(listening: Callable[[str], Studio]) -> None:
    studio = listening("studio.example")
    host = f"studio.example:{studio.port}"
    closed = studio.get("/", Host=host)
    assert closed.status == 403
    assert b'type="password"' in closed.body
    assert "form-action 'self'" in closed.headers["Content-Security-Policy"]
    form = "password=open+sesame"
    assert studio.get("/login", method="POST", body=form, Host=host).status == 403  # no origin
    answer = studio.get("/login", method="POST", body=form, Host=host, Origin="http://evil.example")
    assert answer.status == 403
    answer = studio.get("/login", method="POST", body=form, Host=host, Origin=f"http://{host}")
    assert answer.status == 303
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    assert studio.get("/", Host=host, Cookie=cookie).status == 200
    assert studio.get("/", Host=f"evil.example:{studio.port}", Cookie=cookie).status == 403


def test_a_wrong_password_has_the_next_ones_wait(listening: Callable[[str], Studio]) -> None:
    studio = listening("studio.example")
    host = f"studio.example:{studio.port}"
    for form in ("password=wrong", "password=open+sesame", "", "x" * 5000):
        answer = studio.get("/login", method="POST", body=form, Host=host, Origin=f"http://{host}")
        assert answer.status in (403, 413)


def test_where_it_listens_everywhere_names_are_refused_and_addresses_are_not(
    listening: Callable[[str], Studio],
) -> None:
    studio = listening("0.0.0.0")
    for host in ("192.168.0.7", "[fe80::1]", "127.0.0.1"):
        assert studio.get("/", inside=True, Host=f"{host}:{studio.port}").status == 200
    for host in ("evil.example", "192.168.0.7.evil.example", "192.168.0", "0x7f000001"):
        assert studio.get("/", inside=True, Host=f"{host}:{studio.port}").status == 403


def test_no_more_pages_open_than_there_is_room_for(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.studio.web.MOST_CONNECTIONS", 2)
    first, second = studio.open_page(), studio.open_page()
    with studio.connected() as third, pytest.raises(ConnectionClosed) as closed:
        third.take()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4429
    second.socket.close()
    first.result("models")
    _opens_again(studio)


def _opens_again(studio: Studio) -> Page:
    for _ in range(50):
        page = studio.open_page()
        try:
            page.result("models")
        except ConnectionClosed:
            continue
        return page
    raise AssertionError("no page opens")
