"""Draw a mixed picture with onnxruntime and NumPy alone.

python mixed.py FOLDER OUT.png COARSE FINE [PSI [LAYERS [CLASS [NOISE_SEED]]]]
"""

import json
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import onnxruntime


def main(folder, out, coarse, fine, psi=0.7, layers=4, class_index=0, noise_seed=None):
    """Draw the styles of seed COARSE in the first LAYERS layers, those of FINE in the others."""
    mapping, synthesis = (load(folder, name) for name in ("mapping", "synthesis"))
    facts = json.loads(mapping.get_modelmeta().custom_metadata_map["wspace"])

    # each seed's z, by NumPy's RandomState, to its w
    seeds = int(coarse), int(fine)
    z = np.concatenate([np.random.RandomState(s).randn(1, facts["z_dim"]) for s in seeds])
    latent = {"z": z.astype(np.float32)}
    if facts["num_classes"]:
        latent["class"] = np.full(2, int(class_index), dtype=np.int64)
    (w,) = mapping.run(["w"], latent)  # (2, w_dim)

    # truncation, then style mixing: which of the two each layer takes
    mean = np.array(facts["w_avg"], dtype=np.float32)
    w = mean + np.float32(psi) * (w - mean)
    taken = [0 if layer < int(layers) else 1 for layer in range(facts["num_ws"])]
    ws = w[None, taken]  # (1, num_ws, w_dim)

    (picture,) = synthesis.run(["picture"], {"ws": ws, **noise_and_more(folder, facts, noise_seed)})
    write_png(Path(out), picture[0])


def load(folder, name):
    return onnxruntime.InferenceSession(Path(folder, f"{name}.onnx"))


def noise_and_more(folder, facts, seed):
    """What else synthesis takes: the stored noise maps, or those of a seed; zeros would be none."""
    defaults = load(folder, "defaults")
    given = dict(zip((o.name for o in defaults.get_outputs()), defaults.run(None, {}), strict=True))
    for one in facts["noise"] if seed is not None else []:
        random = np.random.RandomState([int(seed), one["layer"]])
        drawn = random.randn(1, 1, one["height"], one["width"])
        given[one["name"]] = drawn.astype(np.float32)
    return given


def write_png(path, pixels):
    """(H, W, C), uint8; grey, RGB or RGBA."""
    height, width, channels = pixels.shape

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)  # a filter of none before each
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks))


if __name__ == "__main__":
    if not 5 <= len(sys.argv) <= 9:
        sys.exit(__doc__)
    main(*sys.argv[1:])
