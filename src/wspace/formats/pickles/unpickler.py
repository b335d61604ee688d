"""Pickles read as data: a small machine that knows the opcodes, an allow-list, and limits.

Python's own unpicklers import and call whatever a file names. This one never imports, looks up or
calls anything that a file names: a global is an entry of the caller's allow-list or the file is
refused, and what an entry builds is plain data made by wspace's own code. Bytes stay in the file
and are handed out as views, so a declared length never makes it take memory.

Source: the opcodes' meaning as documented in CPython's ``pickletools``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pickletools import opcodes

from wspace.errors import one_line, reason
from wspace.formats.pickles.values import (
    AllowedGlobal,
    ForbiddenNameError,
    Limits,
    Pending,
    PickleRefusedError,
    Record,
)

__all__ = ["SafeUnpickler", "check_key"]

_MAX_LINE = 1_000  # bytes of one line of text: a name, a number
_MAX_INTEGER = 64  # bytes of one integer
_HIGHEST_PROTOCOL = 5


class SafeUnpickler:
    """Reads one pickle from ``data``, starting at byte ``position``.

    Args:
        data: the whole file, or a part of it.
        allowed: the allow-list, by (module, qualified name).
        limits: spent as the file is read, shared with nested pickles.
        persistent: makes the value of a persistent id; None refuses them.
    """

    def __init__(
        self,
        data: memoryview,
        allowed: Mapping[tuple[str, str], AllowedGlobal],
        limits: Limits,
        *,
        position: int = 0,
        persistent: Callable[[object], object] | None = None,
    ) -> None:
        self.data = data
        self.position = position
        self._allowed = allowed
        self._limits = limits
        self._persistent = persistent
        self._stack: list[object] = []
        self._marks: list[int] = []  # heights of the stack
        self._memo: dict[int, object] = {}

    def load(self) -> object:
        """Run the opcodes to STOP and return the value; `position` is then the byte behind it.

        Raises:
            PickleRefusedError: anything that is not plain, allowed, complete data.
        """
        while True:
            self._limits.spend_opcode()
            start = self.position
            opcode = self._take(1)[0]
            if opcode == ord("."):
                return self._pop()
            handler = _HANDLERS.get(opcode)
            if handler is None:
                raise PickleRefusedError(f"byte {start} is no opcode of a pickle")
            try:
                handler(self)
            except (ValueError, TypeError, OverflowError, struct.error) as error:
                raise PickleRefusedError(
                    f"{_NAMES[opcode]} at byte {start}: {reason(error)}"
                ) from error

    # The file.

    def _take(self, count: int) -> memoryview:
        """The next ``count`` bytes, as a view; refused when the file has fewer."""
        left = len(self.data) - self.position
        if count > left:
            raise PickleRefusedError(
                f"it is cut short or damaged: byte {self.position} "
                f"asks for {count} more bytes and {left} are left"
            )
        view = self.data[self.position : self.position + count]
        self.position += count
        return view

    def _unsigned(self, size: int) -> int:
        return int.from_bytes(self._take(size), "little")

    def _line(self) -> bytes:
        """The text up to the next newline, which is consumed and not returned."""
        window = bytes(self.data[self.position : self.position + _MAX_LINE])
        end = window.find(b"\n")
        if end < 0:
            raise PickleRefusedError(f"byte {self.position} should start a line of text")
        self.position += end + 1
        self._limits.spend_text(end)
        return window[:end]

    # The stack.

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self) -> object:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise PickleRefusedError(
                f"it is damaged: byte {self.position} takes from an empty stack"
            )
        return self._stack.pop()

    def _discard(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def _pop_to_mark(self) -> list[object]:
        if not self._marks:
            raise PickleRefusedError(f"it is damaged: byte {self.position} misses its mark")
        height = self._marks.pop()
        values = self._stack[height:]
        del self._stack[height:]
        return values

    def _peek(self, kind: type) -> object:
        """The top of the stack, which must be a ``kind``."""
        top = self._pop()
        if not isinstance(top, kind):
            raise TypeError(f"works on a {kind.__name__}, found a {type(top).__name__}")
        self._push(top)
        return top

    # Opcodes.

    def _protocol(self) -> None:
        protocol = self._unsigned(1)
        if protocol > _HIGHEST_PROTOCOL:
            raise PickleRefusedError(f"it is damaged: pickle protocol {protocol} does not exist")

    def _frame(self) -> None:
        length, left = self._unsigned(8), len(self.data) - self.position
        if length > left:
            raise PickleRefusedError(
                f"it is cut short or damaged: a frame of {length} bytes is declared, "
                f"{left} are left"
            )

    def _text(self, size: int, encoding: str = "utf-8") -> None:
        length = self._unsigned(size)
        content = self._take(length)
        self._limits.spend_text(length)
        self._push(str(content, encoding, "surrogatepass" if encoding == "utf-8" else "strict"))

    def _long(self, size: int) -> None:
        length = self._unsigned(size)
        if length > _MAX_INTEGER:
            raise ValueError(f"an integer of {length} bytes")
        self._push(int.from_bytes(self._take(length), "little", signed=True))

    def _int_line(self) -> None:
        line = self._line()
        self._push(line == b"01" if line in (b"00", b"01") else int(line))

    def _string_line(self) -> None:
        self._push(self._line().decode("latin-1").strip("'\""))

    def _memoize(self, key: int) -> None:
        value = self._pop()
        if isinstance(value, Pending):
            value.memo_keys.append(key)
        self._memo[key] = value
        self._push(value)

    def _get(self, key: int) -> None:
        if key not in self._memo:
            raise ValueError(f"memo entry {key} was never stored")
        self._push(self._memo[key])

    def _tuple(self, size: int) -> None:
        values = [self._pop() for _ in range(size)]
        self._push(tuple(reversed(values)))

    def _extend(self, values: list[object]) -> None:
        target = self._peek(list)
        assert isinstance(target, list)
        target.extend(values)

    def _update(self, values: list[object]) -> None:
        target = self._peek(dict)
        assert isinstance(target, dict)
        target.update(_pairs(values))

    def _add(self) -> None:
        values = self._pop_to_mark()
        target = self._peek(set)
        assert isinstance(target, set)
        target.update(check_key(value) for value in values)

    def _find(self, module: object, name: object) -> AllowedGlobal:
        """The allow-list's entry; the lookup is exact, so dotted names lead nowhere."""
        if not isinstance(module, str) or not isinstance(name, str):
            raise TypeError("a global's module and name must be text")
        entry = self._allowed.get((module, name))
        if entry is None:
            raise ForbiddenNameError(
                f"it asks for {one_line(f'{module}.{name}')}, which is not allowed"
            )
        return entry

    def _global_line(self) -> None:
        module, name = self._line().decode(), self._line().decode()
        self._push(self._find(module, name))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        self._push(self._find(module, name))

    def _inst(self) -> None:
        entry = self._find(self._line().decode(), self._line().decode())
        raise PickleRefusedError(
            f"it makes an instance of {entry.name} in a way that is not allowed"
        )

    def _reduce(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, AllowedGlobal) or function.reduce is None:
            raise PickleRefusedError(f"it calls {_describe(function)}, which is not allowed")
        if not isinstance(arguments, tuple):
            raise TypeError(f"{function.name} is called without a tuple of arguments")
        self._push(function.reduce(*arguments))

    def _new(self, *, keywords: bool) -> None:
        options = self._pop() if keywords else {}
        arguments, kind = self._pop(), self._pop()
        if not isinstance(kind, AllowedGlobal) or kind.new is None:
            raise PickleRefusedError(f"it makes a {_describe(kind)}, which is not allowed")
        if arguments != () or options != {}:
            raise TypeError(f"{kind.name} is made with arguments")
        self._push(kind.new())

    def _build(self) -> None:
        state, target = self._pop(), self._pop()
        if isinstance(target, Pending):
            final = target.build(state)
            for key in target.memo_keys:
                self._memo[key] = final
            self._push(final)
        elif isinstance(target, Record) and target.state is None:
            target.state = state
            self._push(target)
        elif isinstance(target, dict):
            self._push(target)  # attributes of a dict subclass: torch's _metadata, never data
        else:
            raise PickleRefusedError(f"it sets the state of a {_describe(target)}: not allowed")

    def _persistent_id(self) -> None:
        identifier = self._pop()
        if self._persistent is None:
            raise PickleRefusedError(
                "it refers to an object outside the file, which is not allowed"
            )
        self._push(self._persistent(identifier))


def _describe(value: object) -> str:
    return value.name if isinstance(value, AllowedGlobal) else type(value).__name__


def check_key(key: object) -> object:
    """``key`` if it is a plain key of a dict or set, else TypeError.

    Tuples are refused: a deep one overflows the C stack, and hashing a long one often takes hours.
    """
    plain = key is None or isinstance(key, (str, int, float))
    if not plain or (isinstance(key, int) and key.bit_length() > 64):
        raise TypeError(f"a {type(key).__name__} is used as a key")
    return key


def _pairs(values: list[object]) -> dict[object, object]:
    if len(values) % 2:
        raise ValueError("a key without a value")
    return {check_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


def _pop_mark(machine: SafeUnpickler) -> None:
    machine._pop_to_mark()


def _refuse(what: str) -> Callable[[SafeUnpickler], None]:
    def handler(machine: SafeUnpickler) -> None:
        raise PickleRefusedError(f"it uses {what}, which is not allowed")

    return handler


def _binary_int(layout: str) -> Callable[[SafeUnpickler], None]:
    size = struct.calcsize(layout)
    return lambda machine: machine._push(struct.unpack(layout, machine._take(size))[0])


def _bytes(size: int) -> Callable[[SafeUnpickler], None]:
    return lambda machine: machine._push(machine._take(machine._unsigned(size)))


_Handler = Callable[[SafeUnpickler], object]
_BY_NAME: dict[str, _Handler] = {
    "PROTO": SafeUnpickler._protocol,
    "FRAME": SafeUnpickler._frame,
    "MARK": lambda m: m._marks.append(len(m._stack)),
    "POP": lambda m: (
        _pop_mark(m) if m._marks and m._marks[-1] == len(m._stack) else m._pop() and None
    ),
    "POP_MARK": _pop_mark,
    "NONE": lambda m: m._push(None),
    "NEWTRUE": lambda m: m._push(True),
    "NEWFALSE": lambda m: m._push(False),
    "INT": SafeUnpickler._int_line,
    "BININT": _binary_int("<i"),
    "BININT1": _binary_int("<B"),
    "BININT2": _binary_int("<H"),
    "LONG": lambda m: m._push(int(m._line().rstrip(b"L"))),
    "LONG1": lambda m: m._long(1),
    "LONG4": lambda m: m._long(4),
    "FLOAT": lambda m: m._push(float(m._line())),
    "BINFLOAT": _binary_int(">d"),
    "STRING": SafeUnpickler._string_line,
    "BINSTRING": lambda m: m._text(4, "latin-1"),
    "SHORT_BINSTRING": lambda m: m._text(1, "latin-1"),
    "UNICODE": lambda m: m._push(m._line().decode("raw-unicode-escape")),
    "SHORT_BINUNICODE": lambda m: m._text(1),
    "BINUNICODE": lambda m: m._text(4),
    "BINUNICODE8": lambda m: m._text(8),
    "SHORT_BINBYTES": _bytes(1),
    "BINBYTES": _bytes(4),
    "BINBYTES8": _bytes(8),
    "BYTEARRAY8": _bytes(8),
    "EMPTY_LIST": lambda m: m._push([]),
    "LIST": lambda m: m._push(m._pop_to_mark()),
    "APPEND": lambda m: m._extend([m._pop()]),
    "APPENDS": lambda m: m._extend(m._pop_to_mark()),
    "EMPTY_TUPLE": lambda m: m._push(()),
    "TUPLE": lambda m: m._push(tuple(m._pop_to_mark())),
    "TUPLE1": lambda m: m._tuple(1),
    "TUPLE2": lambda m: m._tuple(2),
    "TUPLE3": lambda m: m._tuple(3),
    "EMPTY_DICT": lambda m: m._push({}),
    "DICT": lambda m: m._push(_pairs(m._pop_to_mark())),
    "SETITEM": lambda m: m._update([m._pop(), m._pop()][::-1]),
    "SETITEMS": lambda m: m._update(m._pop_to_mark()),
    "EMPTY_SET": lambda m: m._push(set()),
    "ADDITEMS": SafeUnpickler._add,
    "FROZENSET": lambda m: m._push(frozenset(check_key(item) for item in m._pop_to_mark())),
    "GET": lambda m: m._get(int(m._line())),
    "BINGET": lambda m: m._get(m._unsigned(1)),
    "LONG_BINGET": lambda m: m._get(m._unsigned(4)),
    "PUT": lambda m: m._memoize(int(m._line())),
    "BINPUT": lambda m: m._memoize(m._unsigned(1)),
    "LONG_BINPUT": lambda m: m._memoize(m._unsigned(4)),
    "MEMOIZE": lambda m: m._memoize(len(m._memo)),
    "GLOBAL": SafeUnpickler._global_line,
    "STACK_GLOBAL": SafeUnpickler._stack_global,
    "REDUCE": SafeUnpickler._reduce,
    "NEWOBJ": lambda m: m._new(keywords=False),
    "NEWOBJ_EX": lambda m: m._new(keywords=True),
    "BUILD": SafeUnpickler._build,
    "INST": SafeUnpickler._inst,
    "BINPERSID": SafeUnpickler._persistent_id,
    "PERSID": _refuse("a persistent id in text form"),
    "OBJ": _refuse("the opcode OBJ"),
    "EXT1": _refuse("the extension registry"),
    "EXT2": _refuse("the extension registry"),
    "EXT4": _refuse("the extension registry"),
    "NEXT_BUFFER": _refuse("a buffer outside the file"),
    "READONLY_BUFFER": _refuse("a buffer outside the file"),
    "DUP": _refuse("the opcode DUP"),
}
_NAMES: dict[int, str] = {ord(opcode.code): opcode.name for opcode in opcodes}
_HANDLERS: dict[int, _Handler] = {
    code: _BY_NAME[name] for code, name in _NAMES.items() if name in _BY_NAME
}
