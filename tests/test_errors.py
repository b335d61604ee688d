import shlex
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wspace.errors import command_line, one_line, reason, shown


def test_text_of_strangers_is_one_short_line() -> None:
    assert one_line("a\nb\x1b[2J") == "a?b?[2J"
    assert one_line("a\nb", stand_in=" ") == "a b"
    assert one_line("x" * 300, longest=5) == "xxxxx..."
    assert reason(ValueError("no\n\n such  \x00 file")) == "no such file"
    assert reason(ValueError()) == "ValueError"


@given(value=st.text() | st.integers() | st.lists(st.text(), max_size=3) | st.binary())
def test_any_value_is_shown_on_one_line_of_at_most_60_signs(value: object) -> None:
    text = shown(value)
    assert text.isprintable()
    assert len(text) <= 60


def test_short_values_are_shown_as_python_writes_them() -> None:
    assert shown("a\n") == "'a\\n'"
    assert shown(0.5) == "0.5"
    assert shown(10**4000) == "a huge number"
    assert shown(["x" * 100]) == "['" + "x" * 55 + "..."


def test_a_command_can_be_pasted_whatever_its_paths_are_called() -> None:
    words = ["wspace", "train", "--resume", Path("my runs/00000-it's $HOME"), 16]
    assert shlex.split(command_line(*words)) == [str(word) for word in words]
    assert command_line("wspace", "generate", Path("-odd")) == "wspace generate ./-odd"
