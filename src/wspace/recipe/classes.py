"""Classes by name or number: as people write them, and as labels and messages call them."""

from __future__ import annotations

import dataclasses
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from wspace.errors import WspaceError, one_line, shown
from wspace.recipe.recipe import Recipe, Source
from wspace.recipe.syntax import parse_seeds

__all__ = [
    "Classes",
    "SeedOfClass",
    "parse_seeds_of_classes",
    "with_class_names",
]

SeedOfClass = int | tuple[int, str | int]  # a seed, with its class where it has one of its own


class HasClasses(Protocol):
    """A generator, as far as `Classes` needs to know it."""

    @property
    def num_classes(self) -> int:
        """Classes that it tells apart; 0 for none."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What they are called; None where nobody has named them."""


@dataclass(frozen=True)
class Classes:
    """The classes that a generator tells apart.

    Attributes:
        count: how many there are; 0 for none.
        names: one each, no two the same; None where nobody has named them.
    """

    count: int = 0
    names: tuple[str, ...] | None = None

    @classmethod
    def of(cls, generator: HasClasses) -> Self:
        """The classes of a generator."""
        return cls(generator.num_classes, generator.class_names)

    def describe(self) -> str:
        """What can be given: such as "boot, coat (or 0 to 1)" or "0 to 9"."""
        numbers = "0" if self.count == 1 else f"0 to {self.count - 1}"
        if self.names is None:
            return numbers
        names = one_line(", ".join(self.names))
        return names if self._numerals else f"{names} (or {numbers})"

    @property
    def _numerals(self) -> bool:
        """Whether all names are numbers, so that no other number can mean a class."""
        return all(map(str.isdecimal, self.names or ("",)))

    def label(self, class_index: int) -> str:
        """What a sheet calls a class: its name, or such as "class 3"."""
        return f"class {class_index}" if self.names is None else one_line(self.names[class_index])

    def parse(self, text: str | int) -> int:
        """The number of a class.

        Args:
            text: its name, capital letters or not, or its number; a name that is a number means
                the class of that name, and where all names are numbers, no other number is one.

        Raises:
            WspaceError: there is no such class.
        """
        text = str(text).strip()
        if self.count == 0:
            raise WspaceError(f"class={one_line(text)}: this model has no classes: leave it out.")
        names = self.names or ()
        if text in names:
            return names.index(text)
        alike = [k for k, name in enumerate(names) if name.casefold() == text.casefold()]
        if len(alike) == 1:
            return alike[0]
        if re.fullmatch(r"[0-9]{1,9}", text) and int(text) < self.count and not self._numerals:
            return int(text)
        spelt = {name.casefold(): name for name in names}
        given = text[:80].casefold()
        near = [spelt[one] for one in spelt if given and given in one][:3]
        near = near or [spelt[one] for one in difflib.get_close_matches(given, spelt, n=3)]
        if near and len(names) > len(near):
            hint = f"did you mean {one_line(' or '.join(near))}?"
        else:
            hint = f"give {self.describe()}."
        raise WspaceError(f"class {shown(text)} is none of this model's {self.count}: {hint}")

    def parse_list(self, text: str) -> tuple[int, ...]:
        """The numbers of several classes, in the order given.

        Args:
            text: "all", or names, numbers and ranges of numbers with commas between them.

        Raises:
            WspaceError: there is no such class.
        """
        if text.strip() == "all" and "all" not in (self.names or ()):
            if self.count == 0:
                self.parse(text)  # says that there are none
            return tuple(range(self.count))
        parts, found = text.split(","), list[int]()
        while parts:
            # A name may have commas itself: the longest that is one is taken.
            joined = [",".join(parts[:n]).strip() for n in range(len(parts), 0, -1)]
            taken = next((one for one in joined if one in (self.names or ())), joined[-1])
            span = re.fullmatch(r"([0-9]{1,9})-([0-9]{1,9})", taken)
            if span is not None and taken not in (self.names or ()):
                first, last = self.parse(int(span[1])), self.parse(int(span[2]))
                if last < first:
                    raise WspaceError(f"classes {shown(taken)} run backwards: give {last}-{first}.")
                found.extend(range(first, last + 1))
            else:
                found.append(self.parse(taken))
            del parts[: taken.count(",") + 1]
        return tuple(found)


def parse_seeds_of_classes(text: str) -> tuple[SeedOfClass, ...]:
    """Read seeds as `parse_seeds` does, some with a class behind a colon.

    >>> parse_seeds_of_classes("0-1:boot,7,3:bag")
    ((0, 'boot'), (1, 'boot'), 7, (3, 'bag'))

    Raises:
        WspaceError: not such a list.
    """
    found: list[SeedOfClass] = []
    for part in text.split(","):
        seeds, colon, name = part.partition(":")
        if colon and not name.strip():
            raise WspaceError(f"{shown(part)} names no class: write SEED:CLASS, such as 7:boot.")
        for seed in parse_seeds(seeds):
            found.append((seed, name.strip()) if colon else seed)
    return tuple(found)


def with_class_names(recipes: Iterable[Recipe], names: Sequence[str] | None) -> tuple[Recipe, ...]:
    """Recipes whose sources say what their class is called.

    Args:
        recipes: of one model.
        names: of its classes; None changes nothing.
    """
    if names is None:
        return tuple(recipes)
    known = names

    def told(source: Source) -> Source:
        k = source.class_index
        if k is None or k >= len(known) or source.class_name == known[k]:
            return source
        return dataclasses.replace(source, class_name=known[k])

    return tuple(
        recipe.replace(sources=tuple(map(told, recipe.sources)))
        if any(source.class_index is not None for source in recipe.sources)
        else recipe
        for recipe in recipes
    )
