"""Every parser of untrusted input, with the input that tries to break it."""

import functools
import hashlib
import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import torch._dynamo  # what building a network imports late, outside the time measured
from mutations import Choices, mutated_bytes, mutated_json, mutated_json_bytes
from PIL import Image

import wspace.formats.model_file as model_file
from wspace.data.carried import carry
from wspace.data.dataset import Dataset
from wspace.data.names import leads_out
from wspace.data.remote.addresses import Address, is_address, local_path, shown_address
from wspace.data.source import PictureSource
from wspace.errors import WspaceError
from wspace.formats.difference import difference, packed
from wspace.formats.official.convert import import_official
from wspace.networks.build import build_discriminator, build_generator
from wspace.networks.config import (
    AdaINConfig,
    DiscriminatorConfig,
    EncoderConfig,
    GeneratorConfig,
    MappingConfig,
)
from wspace.networks.encoder import Encoder
from wspace.plain import from_plain
from wspace.recipe.document import (
    Cell,
    PictureDocument,
    RenderedBy,
    SheetDocument,
    SheetLayout,
    document_from_json,
)
from wspace.recipe.noise_maps import map_to_text
from wspace.recipe.png import read_document, read_pixels
from wspace.recipe.recipe import ModelIdentity, NoiseSettings, Recipe, Source
from wspace.recipe.syntax import (
    Layers,
    parse_crossover,
    parse_layers,
    parse_per_layer,
    parse_seeds,
)
from wspace.recipe.webp import read_webp_document, read_webp_pixels, webp_bytes
from wspace.studio.calls import CALLS
from wspace.studio.frames import read_call
from wspace.training.config import TrainConfig
from wspace.training.run.checkpoint import load_checkpoint, newest_checkpoint, save_checkpoint
from wspace.training.run.folder import read_config

__all__ = ["PARSERS", "Parser", "check_survives"]

FIXTURES = Path(__file__).parent.parent / "fixtures"
LIMIT_SECONDS = 2.0


Make = Callable[[Choices], Any]


@dataclass(frozen=True)
class Parser:
    """A parser and what makes its input.

    ``make`` takes a folder of its own, which stays between inputs, and gives what makes an input of
    choices; ``parse`` takes one input and that folder.
    """

    make: Callable[[Path], Make]
    parse: Callable[[Any, Path], object]


def check_survives(parser: Parser, value: Any, folder: Path) -> bool:
    """Parse one input: it is read, or refused with one line, within two seconds of computing.

    Returns:
        Whether it was read.
    """
    start = time.process_time()
    try:
        parser.parse(value, folder)
        read = True
    except WspaceError as error:
        message = str(error)
        assert "\n" not in message, "a message of one line"
        assert 10 < len(message) < 2000, "a message that can be read"
        read = False
    assert time.process_time() - start < LIMIT_SECONDS, "within two seconds"
    return read


# Model file ----------------------------------------------------------------------------------


@functools.cache
def _tiny_model() -> bytes:
    generator = GeneratorConfig(
        architecture="adain",
        resolution=8,
        z_dim=4,
        w_dim=4,
        mapping=MappingConfig(num_layers=2),
        synthesis=AdaINConfig(channels=(4, 4)),
    )
    discriminator = DiscriminatorConfig(architecture="adain", resolution=8, channels=(4, 4))
    path = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp") / f"tiny{id(generator)}"
    try:
        model_file.save(
            build_generator(generator),
            path,
            discriminator=build_discriminator(discriminator),
            encoder=Encoder(generator, own=EncoderConfig(first_width=8, max_width=8, hidden_dim=4)),
            metadata={"kimg": 1.5, "trained_on": {"name": "a", "licence": "CC0"}},
        )
        return path.read_bytes()
    finally:
        path.unlink(missing_ok=True)


def _with_header(header: Any, content: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def _model_inputs(_: Path) -> Make:
    model = _tiny_model()
    size = int.from_bytes(model[:8], "little")
    header, content = json.loads(model[8 : 8 + size]), model[8 + size :]
    inner = json.loads(header["__metadata__"]["wspace"])

    def with_inner(value: Any) -> bytes:
        metadata = {"__metadata__": {"wspace": json.dumps(value)}}
        return _with_header(header | metadata, content)

    def make(choose: Choices) -> bytes:
        match choose.integer(0, 5):
            case 0:
                return mutated_bytes(choose, [model])
            case 1:
                return mutated_bytes(choose, [model[: 8 + size]]) + content
            case 2:
                return _with_header(mutated_json(choose, [header]), content)
            case 3:
                return with_inner(mutated_json(choose, [inner]))
            case _:
                part = choose.pick(["generator", "discriminator", "encoder"])
                return with_inner(inner | {part: mutated_json(choose, [inner[part]])})

    return make


def _parse_model(content: bytes, folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    model_file.load_model_file(path, encoder=True)


def _tuned_inputs(folder: Path) -> Make:
    base, path = folder / "base.safetensors", folder / "tuned.safetensors"
    base.write_bytes(_tiny_model())
    generator = model_file.load(base)
    tuned = model_file.load(base)
    with torch.no_grad():
        for weight in tuned.synthesis.parameters():
            weight += 0.1
    model_file.save_tuned(packed(difference(generator, tuned), 1), path, base=base)
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header, content = json.loads(whole[8 : 8 + size]), whole[8 + size :]
    inner = json.loads(header["__metadata__"]["wspace"])

    def make(choose: Choices) -> bytes:
        match choose.integer(0, 3):
            case 0:
                return mutated_bytes(choose, [whole])
            case 1:
                return _with_header(mutated_json(choose, [header]), content)
            case _:
                value = choose.pick(
                    [
                        mutated_json(choose, [inner]),
                        inner | {"base": mutated_json(choose, [inner["base"]])},
                    ]
                )
                metadata = {"__metadata__": {"wspace": json.dumps(value)}}
                return _with_header(header | metadata, content)

    return make


# Dataset -------------------------------------------------------------------------------------


def _png(value: int) -> bytes:
    pixels = np.full((8, 8, 3), value, dtype=np.uint8)
    pixels[0, 0] = 255 - value
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


_LABELS = {
    "labels": [["a/1.png", 0], ["a/2.png", 1]],
    "attributes": {"a/1.png": {"eyes": "happy"}, "a/2.png": {"eyes": "shut"}},
    "seeds": {"a/1.png": "0"},
    "style": "avataaars",
    "licence": "Free",
    "attribution": "Somebody",
}
_ODD_NAMES = [
    "a/3.png", "../x.png", "/etc/x.png", "c:\\x.png", "a\\..\\x.png", "a/1.png", "", "a/", ".png",
    "x" * 300 + ".png", "\n.png", "inner.zip", "dataset.json", "é.jpg", "a/1.png/b.png",
]  # fmt: skip


def _zip(members: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=method)
    return buffer.getvalue()


def _zip_inputs(_: Path) -> Make:
    members = [
        ("a/1.png", _png(10)),
        ("a/2.png", _png(200)),
        ("dataset.json", json.dumps(_LABELS).encode()),
    ]
    seeds = [_zip(members, method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    bomb = _zip([("a/1.png", bytes(5_000_000))], zipfile.ZIP_DEFLATED)
    pictures = [_png(3), bomb[:2000], seeds[1]]

    def extra(choose: Choices) -> tuple[str, bytes]:
        if choose.integer(0, 1):
            return choose.pick(_ODD_NAMES), mutated_bytes(choose, [_png(10)])
        return choose.pick(_ODD_NAMES), choose.pick(pictures)

    def make(choose: Choices) -> bytes:
        match choose.integer(0, 4):
            case 0:
                return mutated_bytes(choose, [bomb])
            case 1 | 2:
                return mutated_bytes(choose, seeds)
            case _:
                more = [extra(choose) for _ in range(choose.integer(1, 3))]
                return _zip(_unique(members + more))

    return make


def _unique(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(name.replace("\0", "?"), content) for name, content in dict(members).items()]


def _open_dataset(path: Path) -> None:
    source = PictureSource(path)
    names = [entry.name for entry in source.entries]
    if names:
        said, classes = carry(source.metadata(), names).into(dict(zip(names, names, strict=True)))
        json.dumps(said)
        assert classes is None or len(classes.table()) > 1
    with Dataset.open(path) as dataset:
        dataset.preload()
        dataset.one_hot(range(len(dataset)))
        assert dataset.attributes is None or len(dataset.attributes.codes) == len(dataset)


def _parse_zip(content: bytes, folder: Path) -> None:
    path = folder / "data.zip"
    path.write_bytes(content)
    _open_dataset(path)


def _arrow_inputs(folder: Path) -> Make:
    seeds = []
    said = json.dumps({"info": {"features": {"label": {"_type": "ClassLabel", "names": ["a"]}}}})
    cells = pa.array([{"bytes": _png(level), "path": "1.png"} for level in (10, 99, 200)])
    columns = {"image": cells, "label": [0, 1, 0], "word": pa.array(list("aba"))}
    table = pa.table(columns).replace_schema_metadata({"huggingface": said})
    table = table.set_column(2, "word", table["word"].dictionary_encode())
    for new, compression in ((pa.ipc.new_stream, None), (pa.ipc.new_file, "zstd")):
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with new(sink, table.schema, options=options) as writer:
            writer.write_table(table, max_chunksize=2)
        seeds.append(sink.getvalue().to_pybytes())
    return lambda choose: mutated_bytes(choose, seeds)


def _parse_arrow(content: bytes, folder: Path) -> None:
    path = folder / "data.arrow"
    path.write_bytes(content)
    _open_dataset(path)


def _address_inputs(_: Path) -> Make:
    seeds = [
        b"https://anna:hunter2@host:8080/a%20b/shard-{000000..000127}.tar?X=1#sha256=" + b"0" * 64,
        b"s3://bucket/shards/", b"file:///tmp/a.zip", b"hf://datasets/a/b", b"memory://[::1]/a",
    ]  # fmt: skip
    return lambda choose: mutated_bytes(choose, seeds).decode("utf-8", "surrogateescape")


def _parse_address(text: str, _: Path) -> None:
    if not is_address(text):
        return
    shown_address(text)
    local_path(text)
    address = Address.parse(text)
    assert not leads_out(address.name)
    if address.is_pattern:
        assert address.files()


def _labels_inputs(folder: Path) -> Make:
    (folder / "a").mkdir(exist_ok=True)
    for name, value in (("1", 10), ("2", 200)):
        (folder / "a" / f"{name}.png").write_bytes(_png(value))
    unlabelled: dict[str, Any] = {**_LABELS, "labels": None}
    seeds = [_LABELS, {"labels": _LABELS["labels"]}, unlabelled]
    return lambda choose: mutated_json_bytes(choose, seeds)


def _parse_labels(content: bytes, folder: Path) -> None:
    (folder / "dataset.json").write_bytes(content)
    _open_dataset(folder)


def _picture_inputs(_: Path) -> Make:
    seeds = []
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        buffer = io.BytesIO()
        Image.open(io.BytesIO(_png(10))).save(buffer, kind)
        seeds.append(buffer.getvalue())
    return lambda choose: mutated_bytes(choose, seeds)


def _parse_picture(content: bytes, folder: Path) -> None:
    (folder / "a").mkdir(exist_ok=True)
    (folder / "a" / "1.png").write_bytes(content)
    _open_dataset(folder)


# Training ------------------------------------------------------------------------------------


@functools.cache
def _checkpoint(folder: Path) -> Path:
    state = {
        "generator": {"weight": torch.arange(6.0).reshape(2, 3).t(), "b": torch.ones(2).bfloat16()},
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "betas": (0.0, 0.99)},
        "counters": {"step": 3, "seed": 2**70, "rate": 0.1, "told": ["a"], "none": None},
    }
    return save_checkpoint(folder / "checkpoints", state, kimg=1, keep=1, keep_every=0)


def _checkpoint_inputs(folder: Path) -> Make:
    path = _checkpoint(folder)
    contents = {name: (path / name).read_bytes() for name in _CHECKPOINT_FILES}

    def make(choose: Choices) -> tuple[str, bytes]:
        name = choose.pick(_CHECKPOINT_FILES)
        if name.endswith(".json") and choose.integer(0, 3):
            return name, mutated_json_bytes(choose, [json.loads(contents[name])])
        return name, mutated_bytes(choose, [contents[name]])

    return make


_CHECKPOINT_FILES = ("state.safetensors", "state.json", "manifest.json")


def _parse_checkpoint(damage: tuple[str, bytes], folder: Path) -> None:
    path = _checkpoint(folder)
    name, content = damage
    before = {name: (path / name).read_bytes() for name in _CHECKPOINT_FILES}
    try:
        (path / name).write_bytes(content)
        found, messages = newest_checkpoint(path.parent)
        assert (found is None) == (len(messages) == 1)
        if name != "manifest.json":
            assert found is None or content == before[name], "damage is noticed"
            # Damage on purpose comes with a manifest that fits.
            manifest = json.loads(before["manifest.json"])
            digest = hashlib.sha256(content).hexdigest()
            manifest["files"][name] = {"size": len(content), "sha256": digest}
            (path / "manifest.json").write_text(json.dumps(manifest))
        load_checkpoint(path)
    finally:
        for name, content in before.items():
            (path / name).write_bytes(content)


def _config_inputs(_: Path) -> Make:
    full = TrainConfig(data="a.zip", start_from="b.safetensors", max_seconds=3.0).to_dict()
    seeds = [full, TrainConfig().to_dict(), {"preset": "paper"}]
    return lambda choose: mutated_json_bytes(choose, seeds)


def _parse_config(content: bytes, folder: Path) -> None:
    (folder / "config.json").write_bytes(content)
    config = TrainConfig.from_dict(read_config(folder))
    config.r1_gamma_for(64)
    assert json.loads(json.dumps(config.to_dict(), allow_nan=False)) == config.to_dict()


# Steering ------------------------------------------------------------------------------------

_RICH = Recipe(
    sources=(Source(seed=2**32 - 1, class_index=3), Source(w=(0.5, -1.0), centre=(0.0, 1.0))),
    layer_sources=(0, 0, 1, 1),
    psi=(0.7, 1.0, 0.5, -1.0),
    cutoff=3,
    noise=NoiseSettings(
        mode=("const", "none", "seeded", "const"), seed=3, strength=(0.0, 1.0, 2.0, 1.5)
    ),
    precision="bf16",
    model=ModelIdentity(name="avatars", sha256="0" * 64),
)
_RENDERED_BY = RenderedBy(
    torch="2.13.0", device="cpu", cpu="AVX512", threads=2, batch_size=8, path="eager"
)
_SHEET = SheetDocument(
    positions=((0, 0), (9, 0)),
    layout=SheetLayout(columns=2, title="a", column_labels=("x", "y"), captions=("c", "d")),
    cells=(
        Cell(recipes=(_RICH,)),
        Cell(show="deviation", recipes=(_RICH, Recipe(sources=(Source(seed=1),)))),
    ),
    rendered_by=_RENDERED_BY,
)
_NOISY = Recipe(
    sources=(Source(seed=1),),
    noise=NoiseSettings(mode=("given", "none"), maps=(map_to_text(np.ones((4, 4))), None)),
)
_RECIPES = [Recipe(sources=(Source(seed=1),)).to_dict(), _RICH.to_dict(), _NOISY.to_dict()]
_DOCUMENTS = [
    json.loads(document.to_json())
    for document in (PictureDocument(recipe=_RICH, rendered_by=_RENDERED_BY), _SHEET)
]


def _recipe_inputs(_: Path) -> Make:
    return lambda choose: mutated_json_bytes(choose, _RECIPES)


def _parse_recipe(content: bytes, _: Path) -> None:
    recipe = Recipe.from_json(content.decode("utf-8", "surrogateescape"))
    assert Recipe.from_json(recipe.to_json()) == recipe


def _chunk(kind: bytes, content: bytes) -> bytes:
    check = zlib.crc32(kind + content).to_bytes(4, "big")
    return len(content).to_bytes(4, "big") + kind + content + check


def _with_chunk(kind: bytes, content: bytes) -> bytes:
    png = _png(10)
    return png[:33] + _chunk(kind, content) + png[33:]  # behind the signature and IHDR


def _chunk_inputs(_: Path) -> Make:
    whole = [_with_chunk(b"tEXt", b"wspace\0" + json.dumps(d).encode()) for d in _DOCUMENTS]
    whole += [_with_chunk(b"zTXt", b"wspace\0\0" + zlib.compress(whole[0]))]
    bomb = zlib.compress(bytes(40_000_000))
    plain = [(b"tEXt", b"wspace\0"), (b"iTXt", b"wspace\0\0\0en\0\0"), (b"tEXt", b"wspace")]
    packed = [(b"zTXt", b"wspace\0\0"), (b"iTXt", b"wspace\0\1\0\0\0"), (b"zTXt", b"wspace\0\7")]

    def make(choose: Choices) -> bytes:
        kind = choose.integer(0, 9)
        if kind == 0:
            head = choose.pick(packed)
            return _with_chunk(head[0], head[1] + bomb)
        if kind <= 3:
            return mutated_bytes(choose, whole)
        text = mutated_json_bytes(choose, _DOCUMENTS)
        if kind <= 6:
            head = choose.pick(packed)
            return _with_chunk(head[0], head[1] + zlib.compress(text))
        head = choose.pick(plain)
        return _with_chunk(head[0], head[1] + text)

    return make


def _parse_chunk(content: bytes, folder: Path) -> None:
    path = folder / "picture.png"
    path.write_bytes(content)
    document = read_document(path)
    assert document_from_json(document.to_json()) == document
    read_pixels(path)


# WebP ------------------------------------------------------------------------------------------


def _webp_inputs(folder: Path) -> Make:
    document = document_from_json(json.dumps(_DOCUMENTS[0]))
    assert isinstance(document, PictureDocument)
    whole = webp_bytes(np.full((4, 6, 3), 77, dtype=np.uint8), document)
    return lambda choose: mutated_bytes(choose, [whole])


def _parse_webp(content: bytes, folder: Path) -> None:
    path = folder / "picture.webp"
    path.write_bytes(content)
    document = read_webp_document(path)
    assert document_from_json(document.to_json()) == document
    read_webp_pixels(path)


_LAYERS = [
    Layers(4, ((0, 1), (2, 3))),
    Layers(10, ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9))),
    Layers(16),
]


_WORDS = [
    *("0", "1", "3", "7", "15", "16", "99", "-", ",", "@", "0-3", "4-", "coarse", "middle", "fine"),
    *(
        "block:",
        "block:1",
        "0.7",
        "-1",
        "1e9",
        "nan",
        "const",
        " ",
        "--",
        "4294967295",
        "\u0663",
        "\n",
    ),
    *("4294967296", "0-999999", "0-4294967295", "000000000", "00000000016"),
]


def _syntax_inputs(_: Path) -> Make:
    def make(choose: Choices) -> str:
        match choose.integer(0, 3):
            case 0:
                return choose.text(30)
            case 1:
                return "".join(choose.pick("0123456789-,@.:") for _ in range(choose.integer(0, 20)))
            case _:
                return "".join(choose.pick(_WORDS) for _ in range(choose.integer(0, 12)))

    return make


def _parse_syntax(text: str, _: Path) -> None:
    read = 0
    for parse in (_parse_seed_list, _parse_layer_list, _parse_values, _parse_crossover):
        try:
            parse(text)
            read += 1
        except WspaceError as error:
            last = error
    if not read:
        raise last


def _parse_seed_list(text: str) -> None:
    seeds = parse_seeds(text)
    assert 1 <= len(seeds) <= 1_000_000
    assert 0 <= min(seeds) <= max(seeds) < 2**32


def _parse_layer_list(text: str) -> None:
    for layers in _LAYERS:
        found = parse_layers(text, layers)
        assert list(found) == sorted(set(found))
        assert set(found) <= set(range(layers.num_ws))


def _parse_values(text: str) -> None:
    for layers in _LAYERS:
        values = parse_per_layer(text, layers, float, what="psi")
        assert isinstance(values, float) or len(values) == layers.num_ws


def _parse_crossover(text: str) -> None:
    for layers in _LAYERS:
        assert 0 <= parse_crossover(text, layers) <= layers.num_ws


# Calls of the studio --------------------------------------------------------------------------


def _frame(text: bytes, payload: bytes = b"\1\2") -> bytes:
    return len(text).to_bytes(4, "big") + text + payload


def _call_inputs(_: Path) -> Make:
    recipe, other = _RECIPES[0], _RECIPES[-1]
    calls: list[dict[str, Any]] = [
        {"call": "models"},
        {"call": "open", "model": "bundled-avatars"},
        {"call": "render", "model": "m", "recipes": [recipe, other], "slot": "main"},
        {"call": "sheet", "model": "m", "kind": "mixing", "rows": [recipe], "columns": [other],
         "layers": [0, 1]},
        {"call": "neighbours", "model": "m", "recipe": recipe, "step": 0.3, "seed": 2},
        {"call": "film", "model": "m", "recipes": [recipe, other], "frames": 3, "format": "gif",
         "fps": 20, "loop": True, "kind": "spline"},
        {"call": "invert", "model": "m", "seconds": 2.5, "space": "w", "class": 3},
        {"call": "drag", "model": "m", "recipe": recipe, "points": [[[1, 2], [3.5, 4]]]},
        {"call": "rename_direction", "model": "m", "name": "a", "to": "b"},
    ]  # fmt: skip
    seeds = [{"id": 7} | call for call in calls]
    frames = [_frame(json.dumps(seed).encode()) for seed in seeds]

    def make(choose: Choices) -> bytes | str:
        kind = choose.integer(0, 3)
        if kind == 0:
            return mutated_bytes(choose, frames)
        text = mutated_json_bytes(choose, seeds)
        return _frame(text) if kind == 1 else text.decode(errors="replace")

    return make


def _parse_call(frame: bytes | str, _: Path) -> None:
    call = read_call(frame)
    if call.name not in CALLS:
        raise WspaceError("none that this version answers")
    from_plain(CALLS[call.name].arguments, dict(call.arguments), what=call.name)


# Official pickles ----------------------------------------------------------------------------


_OPCODES = [
    *(bytes([code]) for code in b"(.])}ldtRbasueo012NQ\x81\x85\x86\x88\x89\x92\x93\x94"),
    *(b"K\x00", b"q\x00", b"h\x00", b"r\xff\xff\xff\x7f", b"\x8a\x01\x05", b"I01\n", b"F1e999\n"),
    *(b"X\x01\x00\x00\x00a", b"T\xff\xff\xff\x7f", b"\x8e\xff\xff\xff\xff\xff\xff\xff", b"S'a'\n"),
    *(b"\x8c\x02os", b"\x8c\x06system", b"\x95\xff\xff\xff\xff\x00\x00\x00\x00", b"cos\nsystem\n"),
    *(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n", b"cdnnlib.tflib.network\nNetwork\n"),
    *(
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"c_codecs\nencode\n",
    ),
    *(b"ctorch_utils.persistence\n_reconstruct_persistent_obj\n", b"ctorch\nFloatStorage\n"),
    b"cnumpy.core.multiarray\n_reconstruct\n",
]


def _pickle_inputs(_: Path) -> Make:
    seeds = [path.read_bytes() for path in sorted(FIXTURES.glob("*.pkl"))]
    heads = [seed[:6000] for seed in seeds]

    def part(choose: Choices) -> bytes:
        return choose.pick(_OPCODES) if choose.integer(0, 3) else choose.data(4)

    def make(choose: Choices) -> bytes:
        match choose.integer(0, 3):
            case 0:
                return mutated_bytes(choose, seeds)
            case 1:
                return mutated_bytes(choose, heads)
            case _:
                parts = [part(choose) for _ in range(choose.integer(0, 40))]
                return b"\x80\x04" + b"".join(parts) + b"."

    return make


def _parse_pickle(content: bytes, folder: Path) -> None:
    path = folder / "official.pkl"
    path.write_bytes(content)
    import_official(path)


PARSERS: dict[str, Parser] = {
    "model file": Parser(_model_inputs, _parse_model),
    "tuned model": Parser(_tuned_inputs, _parse_model),
    "recipe": Parser(_recipe_inputs, _parse_recipe),
    "PNG chunk": Parser(_chunk_inputs, _parse_chunk),
    "WebP": Parser(_webp_inputs, _parse_webp),
    "seeds and layers": Parser(_syntax_inputs, _parse_syntax),
    "dataset zip": Parser(_zip_inputs, _parse_zip),
    "Arrow": Parser(_arrow_inputs, _parse_arrow),
    "address": Parser(_address_inputs, _parse_address),
    "dataset.json": Parser(_labels_inputs, _parse_labels),
    "picture": Parser(_picture_inputs, _parse_picture),
    "checkpoint": Parser(_checkpoint_inputs, _parse_checkpoint),
    "run config": Parser(_config_inputs, _parse_config),
    "call of the studio": Parser(_call_inputs, _parse_call),
    "official pickle": Parser(_pickle_inputs, _parse_pickle),
}
