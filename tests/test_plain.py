from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wspace.errors import WspaceError
from wspace.plain import (
    REQUIRED,
    About,
    Choice,
    Key,
    Length,
    Range,
    check,
    from_plain,
    from_text,
    options_of,
    settle,
    to_plain,
)


@dataclass(frozen=True, kw_only=True)
class Rate:
    learning: Annotated[float, Range(above=0), About("step of Adam")] = 0.002
    every: Annotated[int, Range(low=1), About("between two terms", unit="steps")] = 16

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, kw_only=True)
class Run:
    data: str
    kimg: Annotated[float, Range(above=0, high=1e6), About("length", unit="kimg")] = 1000.0
    share: Annotated[float | None, Range(0, 1)] = None
    mirror: bool = False
    preset: Annotated[str, Choice("compact", "paper")] = "compact"
    kind: Literal["adain", "other"] = "adain"
    channels: Annotated[tuple[int, ...], Range(1, 512), Length(1, 3)] = (4, 4)
    corner: tuple[int, int] = (0, 0)
    psi: Annotated[float | tuple[float, ...], Range(-1, 1.5)] = 1.0
    index: Annotated[int | None, Key("class")] = None
    rate: Rate = field(default_factory=Rate)
    other: Rate | None = None
    rates: tuple[Rate, ...] = ()

    def __post_init__(self) -> None:
        check(self, "run: ")


@dataclass(frozen=True, kw_only=True)
class Settled:
    number: float | tuple[float, ...] = 1.0
    whole: int = 0

    def __post_init__(self) -> None:
        settle(self)


FULL = Run(
    data="a.zip",
    share=0.5,
    mirror=True,
    channels=(8, 4, 2),
    corner=(-3, 2),
    psi=(0.5, 1.0),
    index=3,
    rate=Rate(learning=0.1),
    other=Rate(every=2),
    rates=(Rate(), Rate(every=7)),
)


@pytest.mark.parametrize("run", [FULL, Run(data="")])
def test_plain_data_comes_back_through_json(run: Run) -> None:
    assert from_plain(Run, json.loads(json.dumps(to_plain(run)))) == run
    assert from_plain(Run, to_plain(run, leave_out_none=True)) == run
    assert "share" not in to_plain(Run(data=""), leave_out_none=True)


def test_plain_data_has_lists_and_the_keys_names() -> None:
    data = to_plain(FULL)
    assert data["channels"] == [8, 4, 2]
    assert data["class"] == 3
    assert data["other"] == {"learning": 0.002, "every": 2}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kimg": 0}, "kimg=0 is out of range: give more than 0, up to 1e+06."),
        ({"kimg": math.nan}, "kimg=nan is out of range"),
        ({"kimg": True}, "kimg=True is no number"),
        ({"kimg": "9"}, "kimg='9' is no number"),
        ({"kimg": None}, "kimg=None is no number"),
        ({"kimg": 10**400}, "kimg=a huge number is out of range"),
        ({"share": -0.5}, "share=-0.5 is outside 0 to 1."),
        ({"share": [0.5]}, "share=[0.5] is no number or none"),
        ({"mirror": 1}, "mirror=1 is neither true nor false."),
        ({"preset": "huge"}, "preset='huge' is unknown: give one of compact, paper."),
        ({"preset": ["compact"]}, "preset=['compact'] is unknown"),
        ({"kind": 3}, "kind=3 is unknown: give one of adain, other."),
        ({"channels": []}, "channels has 0 values: give 1 to 3."),
        ({"channels": [1.5]}, "channels=1.5 is no whole number"),
        ({"channels": [0]}, "channels=0 is outside 1 to 512."),
        ({"channels": "abc"}, "channels='abc' is no list of whole numbers"),
        ({"corner": [1]}, "corner=[1] is no pair of whole numbers."),
        ({"corner": [1, "2"]}, "corner='2' is no whole number"),
        ({"psi": [[0.5]]}, "psi=[0.5] is no number"),
        ({"class": 0.5}, "class=0.5 is no whole number"),
        ({"index": 1}, "Run knows no 'index': write \"class\"."),
        ({"chanels": 1}, "Run knows no 'chanels': did you mean channels?"),
        ({"x" * 500: 1}, "Run knows no 'xxx"),
        ({"rate": 3}, "Run: rate is int, not a JSON object."),
        ({"rate": {"every": 0}}, "every=0 is out of range: give 1 or more."),
        ({"rate": {"evry": 1}}, "Run: rate knows no 'evry': did you mean every?"),
        ({"other": {"every": 0}}, "every=0 is out of range"),
        ({"rates": [{"every": 0}]}, "every=0 is out of range"),
        ({"rates": 3}, "rates=3 is no list of Rates"),
        ({"data": None}, "data=None is no text."),
        ({"data": "a\nb\x1b", "mirror": "\x1b[2J\n" * 50}, "mirror='\\x1b[2J\\n"),
    ],
)
def test_what_does_not_fit_is_named_in_one_line(change: dict[str, Any], says: str) -> None:
    with pytest.raises(WspaceError) as error:
        from_plain(Run, to_plain(FULL) | change)
    message = str(error.value)
    assert says in message
    assert message.isprintable()
    assert len(message) < 200


@pytest.mark.parametrize("data", [None, [], "{}", 3])
def test_what_is_no_object_is_refused(data: Any) -> None:
    with pytest.raises(WspaceError, match=r"the run is .*, not a JSON object"):
        from_plain(Run, data, what="the run")


def test_a_missing_field_is_named() -> None:
    with pytest.raises(WspaceError, match="Run is incomplete: it lacks 'data'"):
        from_plain(Run, {})


def test_numbers_of_numpy_are_settled_as_plain_ones() -> None:
    settled = Settled(number=(np.float32(0.5), 1), whole=np.int64(3))  # type: ignore[arg-type]
    assert settled.number == (0.5, 1.0)
    assert [type(value) for value in settled.number] == [float, float]  # type: ignore[union-attr]
    assert type(settled.whole) is int
    with pytest.raises(WspaceError, match="whole=True"):
        Settled(whole=True)


def test_options_say_all_that_the_annotations_say() -> None:
    options = {option.name: option for option in options_of(Run)}
    assert options["data"].default is REQUIRED
    kimg = options["kimg"]
    assert (kimg.default, kimg.unit, kimg.meaning) == (1000.0, "kimg", "length")
    assert (kimg.kind, kimg.range) == ("number", "more than 0, up to 1e+06")
    assert options["preset"].choices == ("compact", "paper")
    assert options["kind"].choices == ("adain", "other")
    assert options["share"].kind == "number or none"
    assert options["rate.every"].default == 16
    assert options["rate.every"].unit == "steps"
    assert list(options)[-4:] == ["rate.learning", "rate.every", "other", "rates"]


def test_the_default_of_what_is_held_is_that_of_its_holder() -> None:
    @dataclass(frozen=True)
    class Held:
        value: int = 1

    held = dataclasses.make_dataclass("Holder", [("held", Held, field(default=Held(5)))])
    assert [(o.name, o.default) for o in options_of(held)] == [("held.value", 5)]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("data", "none", "none"),
        ("kimg", " 5 ", 5.0),
        ("share", "none", None),
        ("share", "1e-3", 0.001),
        ("mirror", "Yes", True),
        ("mirror", "off", False),
        ("preset", "paper", "paper"),
        ("channels", "8, 4", (8, 4)),
        ("channels", "8", (8,)),
        ("corner", "1,-2", (1, -2)),
        ("psi", "0.5", 0.5),
        ("psi", "0.5,1", (0.5, 1.0)),
        ("class", "7", 7),
        ("rate.every", "8", 8),
    ],
)
def test_values_are_read_from_text(name: str, text: str, value: Any) -> None:
    found = from_text(Run, name, text)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("kimg", "abc", "kimg='abc' is no number"),
        ("kimg", "1_000", "kimg='1_000' is no number"),
        ("kimg", "nan", "kimg=nan is out of range"),
        ("mirror", "maybe", "mirror='maybe' is neither true nor false"),
        ("preset", "huge", "preset='huge' is unknown"),
        ("rate.every", "0.5", "rate.every='0.5' is no whole number"),
        ("rate.every", "9" * 5000, "rate.every='999"),
        ("rate.evry", "1", "there is no option 'rate.evry': did you mean rate.every?"),
        ("corner", "1,2,3", "corner='1,2,3' is no pair of whole numbers"),
        ("rates", "1", "rates"),
        ("other", "1", "other='1' is no Rate"),
    ],
)
def test_text_that_is_no_value_is_refused_in_one_line(name: str, text: str, says: str) -> None:
    with pytest.raises(WspaceError) as error:
        from_text(Run, name, text)
    assert says in str(error.value)
    assert len(str(error.value)) < 300


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=100),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)


@given(name=st.sampled_from([*to_plain(FULL), "unknown"]), value=_values)
def test_any_value_is_held_and_comes_back_or_is_refused(name: str, value: Any) -> None:
    try:
        run = from_plain(Run, {"data": "", name: value})
    except WspaceError as error:
        message = str(error)
    else:
        assert from_plain(Run, to_plain(run)) == run
        return
    assert message.isprintable()
    assert len(message) < 300


def test_it_needs_no_torch() -> None:
    code = "import sys, wspace.plain; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
