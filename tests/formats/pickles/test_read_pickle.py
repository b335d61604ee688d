"""Nothing in a hostile file runs, allocates or crashes; what official files hold is read."""

from __future__ import annotations

import pickle
import pickletools
import random
import struct
import subprocess
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from wspace.errors import WspaceError
from wspace.formats.pickles.read import read_pickle
from wspace.formats.pickles.stored_array import Storage, StoredArray
from wspace.formats.pickles.values import Record

FIXTURES = Path(__file__).parents[2] / "fixtures"
GIGABYTE = 1 << 30


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def short(value: str) -> bytes:
    return b"\x8c" + bytes([len(value)]) + value.encode()


def call(module: str, name: str, *arguments: bytes) -> bytes:
    """A protocol 4 pickle that calls ``module.name(*arguments)``."""
    return b"\x80\x04" + short(module) + short(name) + b"\x93(" + b"".join(arguments) + b"tR."


def binary(content: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(content)) + content


def legacy_storage(dtype: str, count: int, *, declared: int | None = None) -> bytes:
    """The stream that ``torch.save`` writes for a storage, in its old format."""
    dumped = pickle.dumps(torch.zeros(count, dtype=getattr(torch, dtype)), protocol=4)
    (content,) = (
        argument
        for _, argument, _ in pickletools.genops(dumped)
        if isinstance(argument, bytes) and len(argument) > 100
    )
    if declared is not None:
        assert count == 7  # BININT1 7 in the persistent id, and the count before the data
        content = content.replace(b"K\x07N", b"J" + struct.pack("<i", declared) + b"N")
        content = content.replace(struct.pack("<q", 7), struct.pack("<q", declared))
    return content


class Reduce:
    """Pickles to a call of ``function(*arguments)``."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> object:
        return self.call


class Stateful:
    """Pickles to an instance whose state runs ``__setstate__``."""

    def __setstate__(self, state: str) -> None:
        Path(state).touch()

    def __reduce__(self) -> object:
        return Stateful, (), "canary"


def hostile_pickles(canary: str) -> dict[str, bytes]:
    """Files that would make the canary when a real unpickler ran them, by what they try."""
    import builtins
    import os
    import shutil

    touch = f"touch {canary}"
    code = f"open({canary!r}, 'w')"
    nested = pickle.dumps(Reduce(os.system, touch), protocol=2)
    dumped = {
        "posix.system": Reduce(os.system, touch),
        "builtins.eval": Reduce(eval, code),
        "builtins.exec": Reduce(exec, code),
        "io.open": Reduce(open, canary, "w"),
        "builtins.getattr": Reduce(getattr, Reduce(__import__, "os"), "system"),
        "builtins.__import__": Reduce(builtins.__import__, "os"),
        "subprocess.Popen": Reduce(subprocess.Popen, ["touch", canary]),
        "subprocess.call": Reduce(subprocess.call, ["touch", canary]),
        "shutil.copyfile": Reduce(shutil.copyfile, __file__, canary),
        "builtins.map": Reduce(map, eval, [code]),
        "_pickle.loads": Reduce(pickle.loads, nested),
        "torch.serialization.load": Reduce(torch.load, canary),
        "Stateful": Stateful(),
    }
    made = {name: pickle.dumps(value, protocol=4) for name, value in dumped.items()}
    evil_storage = legacy_storage("float32", 3) + nested
    module_text = b"\x80\x02c%s\n%s\n(" + text(touch) + b"tR."
    made |= {
        "os.system": call("os", "system", text(touch)),
        "nt.system": call("nt", "system", text(touch)),
        "text os.system": module_text % (b"os", b"system"),
        "text posix.system": f"cposix\nsystem\n(S'{touch}'\ntR.".encode(),
        "INST os.system": f"(S'{touch}'\nios\nsystem\n.".encode(),
        "OBJ os.system": b"\x80\x02(cos\nsystem\n" + text(touch) + b"o.",
        "NEWOBJ subprocess.Popen": b"\x80\x02csubprocess\nPopen\n" + text(touch) + b"\x85\x81.",
        "NEWOBJ_EX subprocess.Popen": b"\x80\x04"
        + short("subprocess")
        + short("Popen")
        + b"\x93"
        + text(touch)
        + b"\x85}\x92.",
        "dotted getattr chain": call(
            "torch_utils.persistence", "_reconstruct_persistent_obj.__globals__", text("eval")
        ),
        "dotted numpy": call("numpy", "dtype.__class__.__base__.__subclasses__"),
        "dotted module": call("collections.abc.sys.modules", "os", text("x")),
        "numpy loader": call("numpy", "load", text(canary)),
        "numpy object dtype": call("numpy", "dtype", short("O8"), b"\x89\x88"),
        "nested pickle in a storage": call("torch.storage", "_load_from_bytes", binary(nested)),
        "nested storage in a storage": call(
            "torch.storage",
            "_load_from_bytes",
            binary(call("torch.storage", "_load_from_bytes", binary(evil_storage))),
        ),
        "persistent id": b"\x80\x04" + short("module") + b"Q.",
        "text persistent id": b"\x80\x02Pmodule\n.",
        "extension registry": b"\x80\x02\x82\x01.",
        "out-of-band buffer": b"\x80\x05\x97.",
        "BUILD on an entry": b"\x80\x04"
        + short("numpy")
        + short("ndarray")
        + b"\x93}"
        + short("__class__")
        + b"Ns"
        + b"b.",
        "calls a class without a builder": call("numpy", "ndarray", b"K\x01"),
        "calls text": b"\x80\x04" + short("eval") + b"(" + text(code) + b"tR.",
        "persistent source": call(
            "torch_utils.persistence",
            "_reconstruct_persistent_obj",
            b"}(" + short("type") + short("module") + short("module_src") + text(code) + b"u",
        ),
        "ndarray subclass": call(
            "numpy.core.multiarray", "_reconstruct", b"cnumpy\nmatrix\n", b"K\x00\x85", b"C\x01b"
        ),
        "DUP": b"\x80\x02K\x012.",
        "unknown opcode": b"\x80\x04\xff.",
        "protocol 9": b"\x80\x09N.",
    }
    return made


NAMES = sorted(hostile_pickles("unused"))


def test_there_are_many_hostile_pickles() -> None:
    assert len(NAMES) >= 25


@pytest.mark.parametrize("name", NAMES)
def test_a_hostile_pickle_is_refused_and_nothing_runs(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    path = tmp_path / "hostile.pkl"
    path.write_bytes(hostile_pickles(str(canary))[name])
    with pytest.raises(WspaceError) as caught:
        read_pickle(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    refused = name.split()[-1]
    if "." in refused or refused == "Stateful":
        assert refused in message  # the message names what was refused
    assert not canary.exists()


@pytest.mark.parametrize("name", ["posix.system", "text posix.system", "INST os.system"])
def test_the_canary_is_real(name: str, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    pickle.loads(hostile_pickles(str(canary))[name])
    assert canary.exists()


def greedy_pickles() -> dict[str, bytes]:
    """Small files that ask for a lot of memory, time or stack."""
    huge = struct.pack("<Q", 1 << 40)
    array = b"(K\x01(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft" + b"cnumpy\ndtype\n"
    tensor = call("torch.storage", "_load_from_bytes", binary(legacy_storage("float32", 7)))[2:-1]
    sides = b"(J\xff\xff\xff\x7fJ\xff\xff\xff\x7ft"
    return {
        "frame": b"\x80\x04\x95" + huge + b"N.",
        "bytes": b"\x80\x04\x8e" + huge + b"abc.",
        "text": b"\x80\x04\x8d" + huge + b"abc.",
        "bytearray": b"\x80\x05\x96" + huge + b"abc.",
        "short bytes": b"\x80\x04C\xff.",
        "integer": b"\x80\x02\x8b" + struct.pack("<i", 0x7FFFFFFF) + b"abc.",
        "long integer": b"\x80\x02\x8b" + struct.pack("<i", 10_000) + b"\x01" * 10_000 + b".",
        "digits": b"\x80\x02L" + b"9" * 100_000 + b"L\n.",
        "negative length": b"\x80\x02T\xff\xff\xff\xff.",
        "memo index": b"\x80\x02Nr\xff\xff\xff\xff0j\xff\xff\xff\x7f.",
        "numpy shape": call("numpy.core.multiarray", "_reconstruct", b"cnumpy\nndarray\n",
        b"K\x00\x85", b"C\x01b")[:-1] + array + b"(X\x02\x00\x00\x00f4\x89\x88tR(K\x03"
        + short("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89C\x04abcdtb.",
        "storage count": call(
            "torch.storage",
            "_load_from_bytes",
            binary(legacy_storage("float32", 7, declared=0x7FFFFFF0)),
        ),
        "tensor shape": call(
            "torch._utils", "_rebuild_tensor_v2", tensor, b"K\x00", sides, sides, b"\x89N"
        ),
        "expanded tensor": call(
            "torch._utils", "_rebuild_tensor_v2", tensor, b"K\x00", sides, b"K\x00K\x00\x86\x89N"
        ),
        "negative stride": call(
            "torch._utils", "_rebuild_tensor_v2", tensor, b"K\x05", b"K\x02\x85",
            b"J\xff\xff\xff\xff\x85\x89N",
        ),
        "offset behind the end": call(
            "torch._utils", "_rebuild_tensor_v2", tensor, b"K\x06", b"K\x02\x85K\x01\x85\x89N"
        ),
        "many sets": b"\x80\x04" + b"\x8f" * 600_000 + b".",
        "many text bytes": b"\x80\x04" + 70 * text("a" * 1_000_000),
        "copied lists": b"\x80\x04(" + b"N" * 200_000 + b"lq\x00cbuiltins\nset\nq\x01"
        + 100_000 * b"h\x01h\x00\x85R" + b".",
        "deep key": b"\x80\x04}" + b")" + b"\x85" * 200_000 + b"Ns.",
        "endless": b"\x80\x04" + b"N0" * 300_000,
    }  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="address space limits are a POSIX thing")
def test_greedy_files_are_refused_within_one_gigabyte(tmp_path: Path) -> None:
    for name, content in greedy_pickles().items():
        (tmp_path / f"{name}.pkl").write_bytes(content)
    program = f"""
import resource, sys
from pathlib import Path
from wspace.errors import WspaceError
from wspace.formats.pickles.read import read_pickle
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + {GIGABYTE}, used + {GIGABYTE}))
for path in sorted(Path(sys.argv[1]).glob("*.pkl")):
    try:
        read_pickle(path)
    except WspaceError as error:
        assert "\\n" not in str(error)
        print(path.stem)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:-1] == sorted(greedy_pickles())


def test_deeply_nested_values_neither_overflow_the_stack_nor_linger(tmp_path: Path) -> None:
    path = tmp_path / "deep.pkl"
    for opener, closer in ((b"]", b"a"), (b"", b"\x85"), (b"}N", b"s")):
        path.write_bytes(b"\x80\x04" + opener * 100_000 + b"N" + closer * 100_000 + b".")
        assert isinstance(read_pickle(path), (list, tuple, dict))


@pytest.mark.parametrize("name", ["sg2ada-tiny.pkl", "stylegan1-tiny.pkl"])
def test_a_truncated_file_is_refused_at_every_length(name: str, tmp_path: Path) -> None:
    content = (FIXTURES / name).read_bytes()
    path = tmp_path / "cut.pkl"
    generator = random.Random(0)
    for length in [1, 2, 10, 11, 100, *(generator.randrange(len(content)) for _ in range(20))]:
        path.write_bytes(content[:length])
        with pytest.raises(WspaceError, match=r"cut short|damaged|start a line|text"):
            read_pickle(path)


@pytest.mark.parametrize("name", ["sg2ada-tiny.pkl", "sg3-t-tiny.pkl", "stylegan1-tiny.pkl"])
def test_damaged_files_are_read_or_refused_but_never_crash(name: str, tmp_path: Path) -> None:
    content = (FIXTURES / name).read_bytes()
    path = tmp_path / "damaged.pkl"
    generator = random.Random(1)
    refused = 0
    for _ in range(25):
        damaged = bytearray(content)
        for _ in range(200):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        try:
            read_pickle(path)
        except WspaceError:
            refused += 1
    assert refused > 0


def test_other_files_named_pkl_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "file.pkl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"x")
    with pytest.raises(WspaceError, match="zip archive"):
        read_pickle(path)
    for content, said in (
        (b"", "empty"),
        (b"hello world, this is a text file\n", "does not start like one"),
        (b"\n<!DOCTYPE html><html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (bytes(range(1, 200)), "does not start like one"),
    ):
        path.write_bytes(content)
        with pytest.raises(WspaceError, match=said):
            read_pickle(path)
    with pytest.raises(WspaceError, match="cannot read"):
        read_pickle(tmp_path / "missing.pkl")
    with pytest.raises(WspaceError, match="cannot read"):
        read_pickle(tmp_path)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_plain_values_arrays_and_tensors_come_back(protocol: int, tmp_path: Path) -> None:
    values = {
        "plain": [None, True, False, 0, 255, 65535, -1, 1 << 62, -(1 << 70), 0.1, "é", "x" * 300],
        "containers": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), {1, 2}, frozenset({3}), {}),
        "ordered": OrderedDict(a=1),
        "scalar": np.float32(0.3),
        "size": torch.Size([2, 3]),
    }
    path = tmp_path / "values.pkl"
    path.write_bytes(pickle.dumps(values, protocol=protocol))
    read = read_pickle(path)
    assert read == {**values, "ordered": {}} | ({"ordered": {"a": 1}})


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.float32).reshape(2, 3),
        np.asfortranarray(np.arange(6, dtype=np.float64).reshape(2, 3)),
        np.arange(6, dtype=">f4").reshape(3, 2),
        np.float16([0.5, 2]),
        np.array(1.5, dtype=np.float32),
        np.zeros((0, 4), dtype=np.int64),
        np.array([[True, False]]),
    ],
    ids=lambda array: f"{array.dtype.str}-{array.shape}-{array.flags.f_contiguous}",
)
def test_a_numpy_array_comes_back(array: np.ndarray, protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "array.pkl"
    path.write_bytes(pickle.dumps({"array": array, "again": array}, protocol=protocol))
    read = read_pickle(path)
    assert isinstance(read, dict)
    assert read["again"] is read["array"]
    assert isinstance(read["array"], StoredArray)
    np.testing.assert_array_equal(read["array"].tensor().numpy(), array)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24, dtype=torch.float32).reshape(2, 3, 4).transpose(0, 2)[1:],
        torch.arange(5, dtype=torch.float16),
        torch.arange(5, dtype=torch.bfloat16),
        torch.arange(5),
        torch.tensor(3.5, dtype=torch.float64),
        torch.zeros(0, 3),
        torch.nn.Parameter(torch.ones(2, 2)),
        torch.tensor([True, False]),
    ],
    ids=lambda tensor: f"{tensor.dtype}-{tuple(tensor.shape)}",
)
def test_a_torch_tensor_comes_back(tensor: torch.Tensor, tmp_path: Path) -> None:
    path = tmp_path / "tensor.pkl"
    path.write_bytes(pickle.dumps(tensor))
    read = read_pickle(path)
    assert isinstance(read, StoredArray)
    torch.testing.assert_close(read.tensor(), tensor.detach(), rtol=0, atol=0)


def test_the_official_fixtures_are_plain_records() -> None:
    read = read_pickle(FIXTURES / "stylegan1-tiny.pkl")
    assert isinstance(read, tuple)
    assert [network.class_name for network in read] == ["Network"] * 3
    snapshot = read_pickle(FIXTURES / "sg3-t-tiny.pkl")
    assert isinstance(snapshot, dict)
    assert isinstance(snapshot["G_ema"], Record)
    assert snapshot["G_ema"].class_name == "Generator"


def test_an_array_must_fit_its_storage() -> None:
    storage = Storage(memoryview(bytes(16)), "float32")
    for shape, strides, offset in (
        ((5,), (1,), 0),
        ((4,), (1,), 1),
        ((2, 2), (3, 2), 0),
        ((8,), (0,), 0),
        ((2,), (-1,), 0),
        ((2,), (1, 1), 0),
    ):
        with pytest.raises(ValueError):
            StoredArray(storage, shape, strides, offset)
    assert StoredArray(storage, (2, 2), (1, 2)).tensor().shape == (2, 2)
