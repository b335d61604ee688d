"""A server for programs to ask, as programs ask it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local_server import LocalServer, Response

from wspace.recipe.recipe import recipes
from wspace.serving.api import make_app
from wspace.serving.drawing import Drawing
from wspace.serving.entry import Hosts
from wspace.serving.metrics import Metrics
from wspace.serving.models import open_models
from wspace.serving.server import Server

__all__ = ["RECIPE", "TOKEN", "Api"]

TOKEN = "a-token-of-the-tests"
RECIPE = recipes(seeds=(1,))[0].to_dict()


class Api(LocalServer):
    """A server in this process, reached over sockets of loopback."""

    path = "/models"

    def __init__(
        self,
        models: Sequence[Path | str],
        *,
        with_token: bool = True,
        most_waiting: int = 256,
        batch_size: int | None = None,
        hosts: Sequence[str] = (),
    ) -> None:
        super().__init__(TOKEN)
        self.models = open_models([str(path) for path in models], "cpu")
        self.metrics = Metrics()
        self.drawing = Drawing(most_waiting, batch_size=batch_size, watch=self.metrics.drawn)
        app = make_app(
            self.models,
            self.drawing,
            self.metrics,
            hosts=Hosts(self.port, names=hosts),
            token=TOKEN if with_token else None,
        )
        self.server = Server(app, goodbye_seconds=10)

    def __exit__(self, *raised: object) -> None:
        super().__exit__(*raised)
        self.drawing.end()

    def post(self, path: str, data: Any, **headers: str) -> Response:
        """Ask for something with JSON, or with what is none where a text is given."""
        body = data if isinstance(data, str | bytes) else json.dumps(data)
        known = {"Content-Type": "application/json"} | headers
        return self.get(path, inside=True, method="POST", body=body, **known)

    def error(self, path: str, data: Any, **headers: str) -> tuple[int, str]:
        """As `post`; it must fail: the status, and what is said, in a line."""
        answer = self.post(path, data, **headers)
        assert answer.status >= 400
        said = json.loads(answer.body)
        assert list(said) == ["error"]
        assert "\n" not in said["error"]
        assert 10 < len(said["error"]) < 500
        return answer.status, said["error"]

    def json(self, path: str) -> Any:
        """What is said there."""
        answer = self.get(path, inside=True)
        assert answer.status == 200
        return json.loads(answer.body)
