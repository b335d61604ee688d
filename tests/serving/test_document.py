"""The OpenAPI document: valid, and true of what the server does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_client import RECIPE, Api
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette

from wspace.annotations import fields_of
from wspace.errors import WspaceError
from wspace.plain import from_plain
from wspace.recipe.recipe import Edit, NoiseSettings, Recipe, Source, recipes
from wspace.serving.arguments import ModelFacts, Picture, Pictures
from wspace.serving.document import document
from wspace.serving.operations import OPERATIONS
from wspace.serving.schema import reference


def validator(kind: type, told: dict[str, Any]) -> Draft202012Validator:
    """Of the schema that the document has for a dataclass."""
    return Draft202012Validator(reference(kind) | {"components": told["components"]})


@pytest.mark.parametrize("with_token", [False, True])
def test_it_is_a_valid_openapi_document(with_token: bool) -> None:
    told = document(with_token=with_token)
    assert list(OpenAPIV31SpecValidator(told).iter_errors()) == []
    for schema in told["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    json.dumps(told, allow_nan=False)


def test_a_document_that_is_none_would_be_noticed() -> None:
    told = document(with_token=True)
    told["paths"]["/picture"]["post"]["responses"]["200"].pop("description")
    assert list(OpenAPIV31SpecValidator(told).iter_errors()) != []


def test_it_names_what_can_be_asked_for_and_nothing_else(api: Api) -> None:
    told = api.json("/openapi.json")
    named = {(path, method.upper()) for path, ways in told["paths"].items() for method in ways}
    assert named == {(one.path, one.method) for one in OPERATIONS}
    app = api.server.config.app._app  # type: ignore[union-attr]
    assert isinstance(app, Starlette)
    served = {
        (route.path, method)  # type: ignore[attr-defined]
        for route in app.routes
        for method in route.methods or ()  # type: ignore[attr-defined]
    }
    assert served - {(path, "HEAD") for path, _ in named} == named


def test_it_says_where_the_token_is_needed() -> None:
    told = document(with_token=True)
    for one in OPERATIONS:
        said = told["paths"][one.path][one.method.lower()]
        assert said["security"] == ([] if one.is_open else [{"token": []}])
        assert ("401" in said["responses"]) == (not one.is_open)
    assert "securitySchemes" not in document(with_token=False)["components"]


def test_every_field_is_described() -> None:
    schemas = document(with_token=True)["components"]["schemas"]
    assert {"Recipe", "Source", "NoiseSettings", "Edit", "ModelFacts", "Failure"} <= set(schemas)
    for name, schema in schemas.items():
        assert len(schema["description"]) > 10, name
        for key, one in schema["properties"].items():
            assert len(one.get("description", "")) > 3, (name, key)
    noise = schemas["NoiseSettings"]["properties"]["strength"]["description"]
    assert noise.startswith("multiplies the strength that the model learned")
    assert set(schemas["Source"]["properties"]) == {
        field.key for field in fields_of(Source).values()
    }


def rich_recipes() -> Iterator[Recipe]:
    """Recipes that between them have every field."""
    yield from recipes(seeds=(1, 2**32 - 1), psi=0.7, noise="none", cutoff=3)
    edit = Edit(direction=(0.5,) * 8, strength=-2, layers=(0, 3), name="smile")
    channels = Edit(channels=((0, 1, 0.5), (3, 2, -1.0)))
    yield Recipe(
        sources=(Source(seed=3, class_index=1, class_name="bag"), Source(w=(0.0,) * 8)),
        layer_sources=(0, 0, 1, 1, 0, 1),
        psi=(1.0, 0.5, 0.0, -1.0, 1.5, 1.0),
        edits=(edit, channels),
        noise=NoiseSettings(mode=("const", "seeded", "none") * 2, seed=(1, 2, 3, 4, 5, 6)),
        precision="bf16",
    )
    yield Recipe(sources=(Source(w=(1.0,) * 8, centre=(0.0,) * 8),))


def test_what_the_server_reads_the_schema_allows() -> None:
    schema = validator(Picture, document(with_token=False))
    for recipe in rich_recipes():
        for more in ({}, {"format": "webp", "quality": 80}, {"model": "avatars"}):
            asked = {"recipe": recipe.to_dict()} | more
            assert from_plain(Picture, asked).recipe == recipe
            assert list(schema.iter_errors(asked)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {}},
        {"recipe": RECIPE | {"version": 99}},
        {"recipe": RECIPE | {"psi": 7}},
        {"recipe": RECIPE | {"psi": []}},
        {"recipe": RECIPE | {"psi": "1"}},
        {"recipe": RECIPE | {"sources": []}},
        {"recipe": RECIPE | {"sources": [{"seed": -1}]}},
        {"recipe": RECIPE | {"sources": [{"sead": 1}]}},
        {"recipe": RECIPE | {"noise": {"mode": "loud"}}},
        {"recipe": RECIPE | {"noise": {"strength": 1000}}},
        {"recipe": RECIPE | {"edits": [{"channels": [[0, 1]]}]}},
        {"recipe": RECIPE | {"precision": "fp8"}},
        {"extra": 1},
        {"model": 7},
        {"model": ""},
        {"format": "gif"},
        {"quality": 101},
    ],
)
def test_what_the_schema_forbids_the_server_refuses(changes: dict[str, object]) -> None:
    schema = validator(Picture, document(with_token=False))
    asked = {"recipe": RECIPE} | changes
    assert list(schema.iter_errors(asked)) != []
    with pytest.raises(WspaceError):
        from_plain(Picture, asked)


def test_lists_of_recipes_are_bounded() -> None:
    schema = validator(Pictures, document(with_token=False))
    for count in (0, 1, 64, 65):
        fits = not list(schema.iter_errors({"recipes": [RECIPE] * count}))
        assert fits == (1 <= count <= 64)


def test_what_the_server_answers_is_what_it_says(tiny_model: Path) -> None:
    asked = {
        "/picture": [{"recipe": RECIPE}, {"recipe": RECIPE, "format": "webp"}, {}, "x"],
        "/pictures": [{"recipes": [RECIPE]}, {"recipes": []}],
    }
    with Api([tiny_model, "avatars"]) as api:
        told = api.json("/openapi.json")
        for one in OPERATIONS:
            replies = told["paths"][one.path][one.method.lower()]["responses"]
            if one.method == "GET":
                answers = [api.get(one.path, inside=True), api.get(one.path, Host="evil.example")]
                answers.append(api.get(one.path))
            else:
                known = {"model": tiny_model.stem}
                bodies = [b if isinstance(b, str) else known | b for b in asked[one.path]]
                answers = [api.post(one.path, body) for body in bodies]
                answers.append(api.post(one.path, "{}", Content_Type="text/plain"))
                answers.append(api.get(one.path, method="POST", body="{}"))
            for answer in answers:
                reply = replies[str(answer.status)]
                media = answer.headers["Content-Type"].partition(";")[0]
                assert media in reply["content"], (one.name, answer.status)
                schema = reply["content"][media].get("schema")
                if schema is not None:
                    whole = Draft202012Validator(schema | {"components": told["components"]})
                    assert list(whole.iter_errors(json.loads(answer.body))) == []
        assert list(validator(ModelFacts, told).iter_errors({"name": "x"})) != []
