"""The commands and the code that documents show, and whether they could work.

Commands are found in fenced blocks and in code between backticks. They are compared with the
command line as it is, without being run: no file has to exist.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from wspace.cli.main import COMMANDS, wspace
from wspace.errors import WspaceError

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/*.md", "examples/*/README.md")
SHELL = ("bash", "sh", "")
_FENCE = re.compile(
    r"(?:^<!-- *run(?P<how>[^>]*?)-->\n+)?^```(?P<language>\w*)\n(?P<text>.*?)^```",
    flags=re.DOTALL | re.MULTILINE,
)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_PLACEHOLDER = re.compile(r"\b[A-Z]{2,}\b|^[A-Z]$|\.\.\.")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``how`` is what the comment above it says after "run", None without one."""

    page: str
    line: int
    language: str
    text: str
    how: str | None

    @property
    def commands(self) -> list[list[str]]:
        """The words of each command line, without comments; a line may go on after a backslash."""
        if self.language not in SHELL:
            return []
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines for words in split_commands(line)]


def pages() -> list[str]:
    """All documents, by their paths in the repository."""
    found = (path for pattern in DOCUMENTS for path in sorted(ROOT.glob(pattern)))
    return [path.relative_to(ROOT).as_posix() for path in found]


def blocks(page: str, text: str | None = None) -> list[Block]:
    """The fenced blocks of a document, from its top to its end."""
    text = (ROOT / page).read_text() if text is None else text
    return [
        Block(
            page,
            text.count("\n", 0, found.start("text")) + 1,
            found["language"],
            found["text"],
            None if found["how"] is None else found["how"].strip(),
        )
        for found in _FENCE.finditer(text)
    ]


def split_commands(line: str) -> list[list[str]]:
    """The commands of a line of a shell; none where it is no such line."""
    line = re.sub(r"^\s*\$ ", "", line)
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # a quotation mark in a line of output
        return []
    commands: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", ";", "|"):
            commands.append([])
        elif commands[-1] or not re.fullmatch(r"[A-Z_]+=\S*", word):  # a variable before it
            commands[-1].append(word)
    return [words for words in commands if words]


def problems_of_page(page: str, text: str | None = None) -> list[str]:
    """A line for each command, option or name of a document that does not exist."""
    text = (ROOT / page).read_text() if text is None else text
    problems = []
    for block in blocks(page, text):
        where = f"{page}:{block.line}"
        for words in block.commands:
            problems += [f"{where}: {shlex.join(words)}: {x}" for x in problems_of(words)]
        if block.language == "python":
            problems += [f"{where}: {x}" for x in problems_of_code(block.text)]
    for span in _SPAN.findall(_FENCE.sub("", text)):
        problems += [f"{page}: `{' '.join(span.split())}`: {x}" for x in problems_of_span(span)]
    return problems


def problems_of_span(span: str) -> Iterator[str]:
    """What is wrong with code between backticks, which may be a part of a command line."""
    for words in split_commands(" ".join(span.split())):
        if words[0].startswith("--"):
            option = words[0].partition("=")[0]
            if option not in _all_options():
                yield f"no command has the option {option}"
            if words[0] == "--set":
                yield from _problems_of_setting(words[1:])
        elif words[0] in COMMANDS and len(words) > 1 and _is_a_part(words[1:]):
            yield from problems_of(["wspace", *words], part=True)
        elif words[0] in ("wspace", "make", "pip", "python", "torchrun"):
            yield from problems_of(words, part=True)


def _is_a_part(words: list[str]) -> bool:
    """Whether what follows a command's name reads as its arguments, not as a sentence."""
    return any(word.startswith("--") or _PLACEHOLDER.search(word) for word in words)


def problems_of(words: list[str], *, part: bool = False) -> Iterator[str]:
    """What is wrong with a command line; a part of one may lack what is required."""
    if words[0] in ("python", "torchrun") and words.count("-m"):  # launches a module
        words = words[words.index("-m") + 1 :] or words
    if words[0].endswith("wspace"):
        yield from _problems_of_wspace(words[1:], part=part)
    elif words[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        for word in words[1:]:
            if "=" not in word and word not in targets:
                yield f"the Makefile has no target {word}"
    elif words[:2] == ["pip", "install"]:
        known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
        for extras in re.findall(r"(?:wspace|\.)\[([\w,]+)\]", " ".join(words)):
            yield from (f"no extra {x}" for x in extras.split(",") if x not in known)
    elif words[0] == "python" and len(words) > 1 and words[1].startswith(("benchmarks/", "web")):
        yield from _problems_of_script(words[1:])


def _problems_of_script(words: list[str]) -> Iterator[str]:
    script = ROOT / words[0]
    if not script.is_file():
        yield f"there is no {words[0]}"
        return
    for word in words[1:]:
        option = word.partition("=")[0]
        if option.startswith("--") and f'"{option}"' not in script.read_text():
            yield f"{words[0]} has no option {option}"


def _problems_of_wspace(words: list[str], *, part: bool) -> Iterator[str]:
    command: click.Command = wspace
    name, words = "wspace", list(words)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        context = click.Context(command, info_name=name)
        found = command.get_command(context, words[0])
        if found is None:
            if not _PLACEHOLDER.search(words[0]):
                yield f"{name} has no command {words[0]}"
            return
        command, name = found, words.pop(0)
    context = click.Context(command, info_name=name)
    try:
        given, extra, _ = command.make_parser(context).parse_args(list(words))
    except click.UsageError as error:
        if not (part and isinstance(error, click.BadOptionUsage)):  # an option without its value
            yield error.format_message()
        return
    if extra and not isinstance(command, click.Group):
        yield f"{name} takes no argument {extra[0]}"
    for parameter in command.params:
        if parameter.name in given and _is_given(given[parameter.name]):
            yield from _problems_of_value(parameter, given[parameter.name], context)
        elif parameter.required and not part:
            yield f"{name} needs {parameter.human_readable_name}"
    if "settings" in given and _is_given(given["settings"]):
        yield from _problems_of_setting(list(given["settings"]))


def _is_given(value: Any) -> bool:
    return value is not None and value != () and "UNSET" not in repr(value)


def _problems_of_value(parameter: click.Parameter, value: Any, context: click.Context) -> Any:
    """A value of the wrong type. Files need not exist, and words such as FOLDER stand for any."""
    if isinstance(parameter.type, click.Path | click.File) or _PLACEHOLDER.search(str(value)):
        return
    try:
        parameter.type_cast_value(context, value)
    except click.BadParameter as error:
        yield error.format_message()


def _problems_of_setting(settings: list[str]) -> Iterator[str]:
    from wspace.training.config import read_setting

    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or _PLACEHOLDER.search(setting):
            continue
        try:
            read_setting(f"{name}={value}")
        except WspaceError as error:
            yield str(error)


@functools.cache
def _all_options() -> frozenset[str]:
    """The options of all commands, and what scripts of benchmarks name as theirs."""
    found = {"--help", "--version"}

    def add(command: click.Command) -> None:
        for parameter in command.params:
            found.update((*parameter.opts, *parameter.secondary_opts))
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                add(inner)

    add(wspace)
    for script in (ROOT / "benchmarks").glob("*.py"):
        found.update(re.findall(r'"(--[\w-]+)"', script.read_text()))
    return frozenset(found)


def problems_of_code(code: str) -> Iterator[str]:
    """Names of wspace that a piece of Python imports or uses, and that are not there."""
    try:
        tree = ast.parse(code)
    except SyntaxError as error:
        yield f"line {error.lineno} is no Python: {error.msg}"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wspace"):
            module = importlib.import_module(node.module or "")
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                is_module = hasattr(module, "__path__") and importlib.util.find_spec(inner)
                if not (hasattr(module, name.name) or is_module):
                    yield f"{node.module} has no {name.name}"
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "wspace"
            and not hasattr(importlib.import_module("wspace"), node.attr)
        ):
            yield f"wspace has no {node.attr}"
