"""Texts to the tokens that CLIP reads: bytes, merged in pairs as often as they occur together.

Source: Sennrich et al. 2016 (byte pair encoding), Radford et al. 2019 (on bytes), as CLIP uses
both: text in lower case, a mark at the end of each word, one token before and one after the text.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Mapping, Sequence

from wspace.errors import WspaceError, shown

__all__ = ["Tokenizer"]

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"
_SHORT = re.compile(r"'(?:s|t|re|ve|m|ll|d)")


class Tokenizer:
    """Texts to tokens.

    Args:
        vocabulary: what ``vocab.json`` says: the number of each token.
        merges: the lines of ``merges.txt``: pairs, the commonest first.

    Raises:
        WspaceError: no vocabulary or merges of a CLIP; the message is no sentence of its own.
    """

    def __init__(self, vocabulary: Mapping[str, int], merges: Sequence[str]) -> None:
        whole = {START, END} <= set(vocabulary) and all(
            type(number) is int for number in vocabulary.values()
        )
        if not whole or sorted(vocabulary.values()) != list(range(len(vocabulary))):
            raise WspaceError(f"vocab.json numbers no tokens from 0 on, {END} one of them")
        if vocabulary[END] != len(vocabulary) - 1:
            raise WspaceError(f"vocab.json: {END} is not the last token, as it is in a CLIP")
        self.vocabulary = dict(vocabulary)
        pairs = [tuple(line.split()) for line in merges if not line.startswith("#version")]
        self._ranks = {pair: rank for rank, pair in enumerate(pairs) if len(pair) == 2}
        if not self._ranks:
            raise WspaceError("merges.txt has no pairs")
        self._bytes = _readable_bytes()

    def tokens(self, text: str) -> list[int]:
        """The numbers of a text's tokens, from the first that starts it to the one that ends it.

        Raises:
            WspaceError: an empty text, or a piece of it that the vocabulary lacks.
        """
        found = [self.vocabulary[START]]
        words = pieces(" ".join(unicodedata.normalize("NFC", text).split()).lower())
        if not words:
            raise WspaceError(f"text {shown(text)} says nothing: describe a picture.")
        for word in words:
            for part in self._merged(word):
                if part not in self.vocabulary:
                    raise WspaceError(
                        f"text {shown(text)}: the vocabulary lacks {shown(part)}: give the "
                        "vocab.json and merges.txt of one CLIP."
                    )
                found.append(self.vocabulary[part])
        return [*found, self.vocabulary[END]]

    def _merged(self, word: str) -> list[str]:
        """The parts of a word that are left when no more pairs can be merged."""
        parts = [self._bytes[byte] for byte in word.encode()]
        parts[-1] += WORD_END
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            best = min(pairs, key=lambda pair: self._ranks.get(pair, len(self._ranks)))
            if best not in self._ranks:
                break
            merged: list[str] = []
            for part in parts:
                if merged and (merged[-1], part) == best:
                    merged[-1] += part
                else:
                    merged.append(part)
            parts = merged
        return parts


def pieces(text: str) -> list[str]:
    """Words, single digits, endings such as 's, and runs of anything else; without spaces."""
    found, place = [], 0
    while place < len(text):
        kind = _kind(text[place])
        short = _SHORT.match(text, place)
        end = place + 1
        if short is not None:
            end = short.end()
        elif kind in "L-":
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if kind != " ":
            found.append(text[place:end])
        place = end
    return found


def _kind(character: str) -> str:
    """L for letters, N for numbers, a space for spaces, - for all else."""
    if character.isspace():
        return " "
    category = unicodedata.category(character)[0]
    return category if category in "LN" else "-"


def _readable_bytes() -> list[str]:
    """A character for each byte, none of them a space or a control character."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]
