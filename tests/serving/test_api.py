"""The server for programs: what it draws, what it says, and what it refuses."""

from __future__ import annotations

import io
import json
import socket
import struct
import time
import zipfile
from pathlib import Path

import pytest
from api_client import RECIPE, TOKEN, Api
from prometheus_client.parser import text_string_to_metric_families

from wspace.formats.model_file import load
from wspace.recipe.document import PictureDocument
from wspace.recipe.picture_file import document_of_file, pixels_of_file
from wspace.recipe.recipe import Recipe, recipes
from wspace.rendering.render import render
from wspace.rendering.reproduce import compare, remake
from wspace.serving.api import MAX_BODY
from wspace.serving.operations import OPERATIONS

DRAWING = ("/picture", "/pictures")


def plain(*seeds: int) -> list[dict[str, object]]:
    return [recipe.to_dict() for recipe in recipes(seeds=seeds)]


def metric(api: Api, name: str, **labels: str) -> float:
    """What Prometheus is told; 0 where there is nothing of it."""
    text = api.get("/metrics", inside=True).body.decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_recipe_becomes_the_file_that_it_would_be_anywhere(
    api: Api, tiny_model: Path, tmp_path: Path, kind: str
) -> None:
    answer = api.post("/picture", {"recipe": RECIPE, "format": kind})
    assert (answer.status, answer.headers["Content-Type"]) == (200, f"image/{kind}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="seed0001.{kind}"'
    assert answer.headers["Cache-Control"] == "no-store"
    path = tmp_path / f"picture.{kind}"
    path.write_bytes(answer.body)
    generator = load(tiny_model)
    pictures = render(generator, [Recipe.from_dict(RECIPE)])
    document = document_of_file(path)
    assert isinstance(document, PictureDocument)
    assert document == pictures.document(0)
    assert (pixels_of_file(path) == pictures.pixels[0]).all()
    if kind == "png":
        assert answer.body == pictures.png(0)
    found = compare(document, path, remake(document, generator))
    assert (found.promised, found.largest) == (True, 0)


def test_a_lossy_webp_is_as_good_as_was_asked_for(api: Api) -> None:
    sizes = []
    for quality in (1, 100, None):
        asked = {"recipe": RECIPE, "format": "webp", "quality": quality}
        sizes.append(len(api.post("/picture", asked).body))
    assert sizes[0] < sizes[1]
    assert sizes[0] < sizes[2]


def test_several_recipes_become_a_zip_of_files_in_order(api: Api, tmp_path: Path) -> None:
    answer = api.post("/pictures", {"recipes": plain(3, 1, 1)})
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["seed0003.png", "seed0001.png", "seed0001-2.png"]
        archive.extractall(tmp_path)
    for name, seed in (("seed0003", 3), ("seed0001", 1), ("seed0001-2", 1)):
        document = document_of_file(tmp_path / f"{name}.png")
        assert isinstance(document, PictureDocument)
        assert document.recipe.sources[0].seed == seed


def test_models_go_by_their_names(tiny_model: Path) -> None:
    with Api([tiny_model, "avatars"]) as api:
        told = {one["name"]: one for one in api.json("/models")["models"]}
        assert list(told) == [tiny_model.stem, "avatars"]
        assert told["avatars"]["width"] == told["avatars"]["height"] == 64
        assert told["avatars"]["groups"][0]["name"] == "coarse"
        for name, side in (("avatars", 64), (tiny_model.stem, 16)):
            answer = api.post("/picture", {"recipe": RECIPE, "model": name})
            assert struct.unpack(">II", answer.body[16:24]) == (side, side)
        status, says = api.error("/picture", {"recipe": RECIPE})
        assert (status, says) == (422, f"model is missing: give one of {tiny_model.stem}, avatars.")
        status, says = api.error("/picture", {"recipe": RECIPE, "model": "../../etc/passwd"})
        assert status == 422
        assert "is not served here" in says


def test_a_named_direction_goes_into_a_recipe_as_it_is(tmp_path: Path) -> None:
    with Api(["avatars"]) as api:
        (told,) = api.json("/models")["models"]
        edit = told["directions"][0]["edit"] | {"strength": 2.0}
        edited = api.post("/picture", {"recipe": RECIPE | {"version": 3, "edits": [edit]}})
        assert edited.status == 200
        assert edited.body != api.post("/picture", {"recipe": RECIPE}).body


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"recipe": None}, 422, "recipe is NoneType"),
        ({"recipe": {}}, 422, "is no version"),
        ({"recipe": RECIPE | {"psi": 7}}, 422, "psi=7.0 is outside -1 to 1.5"),
        ({"recipe": RECIPE | {"psi": [0.5] * 3}}, 422, "this model has 6 layers"),
        ({"recipe": RECIPE | {"precision": "fp8"}}, 422, "precision"),
        ({"recipe": RECIPE | {"sources": [{"seed": 1, "class": 0}]}}, 422, "class"),
        ({"recipe": RECIPE | {"sources": [{"w": [0.0] * 3}]}}, 422, "numbers"),
        ({"recipe": RECIPE | {"model": {"name": "x", "sha256": "0" * 64}}}, 422, "was made with"),
        ({"extra": 1}, 422, "knows no 'extra'"),
        ({"model": 7}, 422, "model=7"),
        ({"format": "gif"}, 422, "format='gif' is unknown: give one of png, webp"),
        ({"quality": 50}, 422, "quality=50 is of WebP"),
        ({"format": "webp", "quality": 0}, 422, "quality=0 is outside 1 to 100"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_line(
    api: Api, changes: dict[str, object], status: int, says: str
) -> None:
    answered, said = api.error("/picture", {"recipe": RECIPE} | changes)
    assert (answered, says in said) == (status, True), said


@pytest.mark.parametrize(
    "body", ["", "hello", "[1", "NaN", '{"recipe": NaN}', "[" * 100_000, b"\xff\xfe", "\x00"]
)
def test_what_is_no_json_is_said_in_a_line(api: Api, body: str | bytes) -> None:
    status, said = api.error("/picture", body)
    assert status == 400
    assert "no valid JSON" in said


@pytest.mark.parametrize("body", ["[]", "7", "null", '"recipe"', "{}"])
def test_json_that_is_no_request_is_said_in_a_line(api: Api, body: str) -> None:
    assert api.error("/picture", body)[0] == 422


def test_a_request_of_too_much_is_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    status, said = api.error("/pictures", {"recipes": plain(*range(65))})
    assert (status, said) == (422, "recipes has 65 values: give 1 to 64.")
    assert api.error("/pictures", {"recipes": []})[0] == 422
    monkeypatch.setattr("wspace.serving.shelf.MOST_PIXELS", 16 * 16 * 2)
    status, said = api.error("/pictures", {"recipes": plain(1, 2, 3)})
    assert status == 422
    assert "ask for 2 at most" in said


def test_a_body_that_is_too_long_is_not_read(api: Api) -> None:
    status, said = api.error("/picture", b"x" * (MAX_BODY + 1))
    assert status == 413
    assert f"longer than {MAX_BODY} bytes" in said


def test_a_body_that_does_not_come_is_not_waited_for(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.serving.api.BODY_SECONDS", 0.2)
    with begun(api, 100) as late:
        assert late.recv(65536).startswith(b"HTTP/1.1 408")
        late.settimeout(10)
        while late.recv(65536):  # and then closed
            pass


def test_only_so_many_bodies_are_read_at_a_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wspace.serving.api.MOST_READING", 1)
    with begun(api, 100):
        deadline = time.monotonic() + 5
        while (answer := api.post("/picture", {"recipe": RECIPE})).status != 429:
            assert time.monotonic() < deadline
        assert answer.headers["Retry-After"] == "1"
    while api.post("/picture", {"recipe": RECIPE}).status != 200:
        assert time.monotonic() < deadline


def begun(api: Api, length: int) -> socket.socket:
    """A request whose body is to come."""
    made = socket.create_connection(("127.0.0.1", api.port))
    made.settimeout(10)
    made.sendall(
        f"POST /picture HTTP/1.1\r\nHost: {api.host}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
    )
    return made


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_what_a_page_may_send_without_asking_is_not_taken(api: Api, kind: str) -> None:
    body = json.dumps({"recipe": RECIPE})
    assert api.error("/picture", body, Content_Type=kind)[0] == 415
    assert api.post("/picture", body, Content_Type="Application/JSON; charset=utf-8").status == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "https://127.0.0.1:{port}"])
def test_pages_of_others_are_refused(api: Api, origin: str) -> None:
    origin = origin.format(port=api.port)
    assert api.error("/picture", {"recipe": RECIPE}, Origin=origin)[0] == 403
    assert api.get("/health", Origin=origin).status == 403
    own = api.post("/picture", {"recipe": RECIPE}, Origin=f"http://{api.host}")
    assert own.status == 200
    assert "Access-Control-Allow-Origin" not in own.headers


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x",
     f"Bearer {TOKEN[:-1]}", "Bearer \u00e9", "Bearer " + "a" * 5000],
)  # fmt: skip
def test_without_the_token_nothing_opens_but_health(api: Api, header: str) -> None:
    for one in OPERATIONS:
        answer = api.get(one.path, method=one.method, Authorization=header)
        assert answer.status == (200 if one.name == "health" else 401)
        if answer.status == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert TOKEN not in answer.body.decode()
    assert api.get("/nothing", Authorization=header).status == 401
    assert api.get(f"/models?token={TOKEN}").status == 401  # addresses are written into logs


def test_health_is_there_for_those_who_ask_for_the_head_alone(api: Api) -> None:
    answer = api.get("/health", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert api.get("/models", method="HEAD").status == 401


def test_on_loopback_it_may_do_without_a_token(tiny_model: Path) -> None:
    with Api([tiny_model], with_token=False) as api:
        assert api.get("/models").status == 200
        body = json.dumps({"recipe": RECIPE})
        answer = api.get("/picture", method="POST", body=body, Content_Type="application/json")
        assert answer.status == 200
        assert api.get("/models", Host="evil.example").status == 403


def test_it_is_asked_by_a_name_that_was_allowed(tiny_model: Path) -> None:
    with Api([tiny_model], hosts=["wspace"]) as api:
        assert api.get("/health", Host=f"wspace:{api.port}").status == 200
        assert api.get("/health", Host=f"others:{api.port}").status == 403


@pytest.mark.parametrize(
    "path", ["/", "/picture/", "/pictures/1", "/page/main.js", "/engine", "/../models", "//models",
             "/models%00", "/MODELS", "/" + "a" * 5000]
)  # fmt: skip
def test_there_is_nothing_else(api: Api, path: str) -> None:
    answer = api.get(path, inside=True)
    assert answer.status == 404
    assert "there is no such thing here" in json.loads(answer.body)["error"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_nothing_is_done_in_another_way(api: Api, method: str) -> None:
    for one in OPERATIONS:
        assert api.get(one.path, inside=True, method=method).status == 405
    assert api.get("/picture", inside=True).status == 405


def test_every_answer_says_what_browsers_may_do(api: Api) -> None:
    for answer in (
        api.get("/models", inside=True),
        api.get("/models"),
        api.get("/nothing", inside=True),
        api.post("/picture", {"recipe": RECIPE}),
        api.post("/picture", "x"),
    ):
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "Server" not in answer.headers


def test_prometheus_is_told_what_happens(api: Api) -> None:
    assert api.get("/metrics", inside=True).headers["Content-Type"].startswith("text/plain")
    api.post("/pictures", {"recipes": plain(1, 2, 3), "format": "webp"})
    api.post("/picture", {"recipe": RECIPE})
    api.post("/picture", "x")
    for number in range(3):
        api.get(f"/nothing-{number}", inside=True)
    (name,) = api.models
    assert metric(api, "wspace_pictures_total", model=name, format="webp") == 3
    assert metric(api, "wspace_pictures_total", model=name, format="png") == 1
    assert metric(api, "wspace_requests_total", operation="draw", status="200") == 1
    assert metric(api, "wspace_requests_total", operation="draw", status="400") == 1
    assert metric(api, "wspace_requests_total", operation="other", status="404") == 3
    assert metric(api, "wspace_request_seconds_count", operation="drawTogether") == 1
    assert metric(api, "wspace_drawn_together_sum") == 4
    assert metric(api, "wspace_drawn_together_count") == 2
    assert metric(api, "wspace_drawing_seconds_total") > 0
    assert metric(api, "wspace_waiting_pictures") == 0
    assert metric(api, "wspace_most_waiting_pictures") == 256
    assert metric(api, "process_resident_memory_bytes") > 2**20


def test_a_server_that_draws_no_more_is_not_well(api: Api) -> None:
    assert api.json("/health") == {"status": "ok"}
    api.drawing.end()
    assert api.get("/health").status == 503
    answer = api.post("/picture", {"recipe": RECIPE})
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Drawing that takes its time; how many were drawn at once."""
    together: list[int] = []

    def slowly(generator: object, asked: list[Recipe], **how: object) -> object:
        together.append(len(asked))
        time.sleep(0.3)
        return render(generator, asked, **how)  # type: ignore[arg-type]

    monkeypatch.setattr("wspace.rendering.render.render", slowly)
    return together


def test_beyond_what_may_wait_requests_are_told_when_to_come_again(
    tiny_model: Path, slow: list[int]
) -> None:
    with Api([tiny_model], most_waiting=4) as api:
        waiting = [asking(api, {"recipes": plain(1, 2)}, "/pictures") for _ in range(2)]
        settle(api, 4)
        answer = api.post("/picture", {"recipe": RECIPE})
        assert answer.status == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert api.get("/health").status == 200  # what is quick is answered all the same
        for one in waiting:
            assert whole(one).startswith(b"HTTP/1.1 200")
        settle(api, 0)
        assert api.post("/picture", {"recipe": RECIPE}).status == 200
        status, said = api.error("/pictures", {"recipes": plain(*range(5))})
        assert status == 422
        assert "ask for 4 at most" in said


def test_who_hangs_up_gives_its_place_away(tiny_model: Path, slow: list[int]) -> None:
    with Api([tiny_model], most_waiting=64, batch_size=1) as api:
        first = asking(api, {"recipes": plain(*range(60))}, "/pictures")
        settle(api, 60)
        first.close()
        settle(api, 0)
        assert api.post("/picture", {"recipe": RECIPE}).status == 200
        assert sum(slow) < 30


def test_requests_that_come_together_are_drawn_together(
    tiny_model: Path, slow: list[int], tmp_path: Path
) -> None:
    with Api([tiny_model]) as api:
        first = asking(api, {"recipe": RECIPE}, "/picture")
        settle(api, 1)
        others = [asking(api, {"recipe": plain(seed)[0]}, "/picture") for seed in range(5)]
        answers = [whole(one) for one in (first, *others)]
    assert max(slow) > 1
    assert sum(slow) == 6
    for seed, answer in enumerate(answers[1:]):
        path = tmp_path / f"{seed}.png"
        path.write_bytes(answer.partition(b"\r\n\r\n")[2])
        document = document_of_file(path)
        assert isinstance(document, PictureDocument)
        assert document.recipe.sources[0].seed == seed
        found = compare(document, path, remake(document, load(tiny_model)))
        assert found.why == "same rendered_by: bit-identical"
        assert found.promised


def test_what_was_asked_for_is_drawn_before_the_server_ends(
    tiny_model: Path, slow: list[int]
) -> None:
    with Api([tiny_model], batch_size=1) as api:
        waiting = [asking(api, {"recipe": RECIPE}, "/picture") for _ in range(3)]
        settle(api, 3)
        api.server.should_exit = True
        for one in waiting:
            assert whole(one).startswith(b"HTTP/1.1 200")


def test_who_does_not_take_the_answer_is_let_go(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wspace.serving.server.SEND_SECONDS", 0.5)
    monkeypatch.setattr("wspace.serving.api._files", lambda asked, drawn: _long())
    with Api([tiny_model]) as api, socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(("127.0.0.1", api.port))
        made.sendall(request(api, {"recipe": RECIPE}, "/picture"))
        settle(api, 1)
        settle(api, 0)  # although nothing was read


def _long() -> object:
    from starlette.responses import Response

    return Response(bytes(2**26))


def test_a_bug_costs_an_answer_and_not_the_server(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a\nbug")

    with monkeypatch.context() as patched:
        patched.setattr("wspace.rendering.render.render", broken)
        status, said = api.error("/picture", {"recipe": RECIPE})
        assert (status, said) == (500, "it failed: RuntimeError: a bug")
        assert "/picture failed" in caplog.text
        patched.setattr("wspace.rendering.render.render", _no_memory)
        answer = api.post("/picture", {"recipe": RECIPE})
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert api.post("/picture", {"recipe": RECIPE}).status == 200


def _no_memory(*_: object, **__: object) -> None:
    raise MemoryError


def request(api: Api, data: object, path: str) -> bytes:
    body = json.dumps(data).encode()
    return (
        f"POST {path} HTTP/1.1\r\nHost: {api.host}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nConnection: close\r\nContent-Length: {len(body)}"
        "\r\n\r\n"
    ).encode() + body


def asking(api: Api, data: object, path: str) -> socket.socket:
    """Ask without waiting for the answer."""
    made = socket.create_connection(("127.0.0.1", api.port))
    made.settimeout(30)
    made.sendall(request(api, data, path))
    return made


def whole(made: socket.socket) -> bytes:
    """The answer, when it is there."""
    with made:
        return b"".join(iter(lambda: made.recv(65536), b""))


def settle(api: Api, count: int) -> None:
    """Wait until so many pictures wait."""
    deadline = time.monotonic() + 20
    while api.drawing.waiting != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
