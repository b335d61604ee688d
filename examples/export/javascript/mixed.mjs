// Draw a mixed picture with onnxruntime alone.
//
// node mixed.mjs FOLDER OUT.png COARSE FINE [PSI [LAYERS [CLASS [NOISE_SEED]]]]

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32, deflateSync } from "node:zlib";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { RandomState } from "./random_state.mjs";

const given = process.argv.slice(2);
if (given.length < 4 || given.length > 8) {
  console.error("node mixed.mjs FOLDER OUT.png COARSE FINE [PSI [LAYERS [CLASS [NOISE_SEED]]]]");
  process.exit(2);
}
const [folder, out, coarse, fine, psi = "0.7", layers = "4", classIndex = "0", noiseSeed] = given;

const load = (name) => InferenceSession.create(join(folder, `${name}.onnx`));
const facts = JSON.parse(readFileSync(join(folder, "model.json"), "utf8"));
const [mapping, synthesis] = await Promise.all([load("mapping"), load("synthesis")]);

// each seed's z, by NumPy's RandomState, to its w
const seeds = [Number(coarse), Number(fine)];
const z = seeds.flatMap((seed) => [...new RandomState(seed).normals(facts.z_dim)]);
const latent = { z: new Tensor("float32", z, [2, facts.z_dim]) };
if (facts.num_classes > 0) {
  latent.class = new Tensor("int64", [BigInt(classIndex), BigInt(classIndex)], [2]);
}
const w = (await mapping.run(latent)).w.data; // (2, w_dim)

// truncation, then style mixing: which of the two each layer takes
const { w_avg: mean, w_dim: width, num_ws: count } = facts;
const ws = new Float32Array(count * width);
for (let layer = 0; layer < count; layer++) {
  const source = layer < Number(layers) ? 0 : 1;
  for (let k = 0; k < width; k++) {
    ws[layer * width + k] = mean[k] + Number(psi) * (w[source * width + k] - mean[k]);
  }
}

const { picture } = await synthesis.run({
  ws: new Tensor("float32", ws, [1, count, width]),
  ...(await noiseAndMore()),
});
writePng(out, picture.data, picture.dims.slice(1));

// What else synthesis takes: the stored noise maps, or those of a seed; zeros would be none.
async function noiseAndMore() {
  const given = { ...(await (await load("defaults")).run({})) };
  if (noiseSeed === undefined) return given;
  for (const { name, layer, height, width } of facts.noise) {
    const drawn = new RandomState([Number(noiseSeed), layer]).normals(height * width);
    given[name] = new Tensor("float32", drawn, [1, 1, height, width]);
  }
  return given;
}

// pixels: bytes of a grey, RGB or RGBA picture, row by row
function writePng(path, pixels, [height, width, channels]) {
  const chunk = (kind, content) => {
    const body = Buffer.concat([Buffer.from(kind), content]);
    const chunk = Buffer.alloc(body.length + 8);
    chunk.writeUInt32BE(content.length);
    body.copy(chunk, 4);
    chunk.writeUInt32BE(crc32(body), body.length + 4);
    return chunk;
  };
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width);
  header.writeUInt32BE(height, 4);
  header.set([8, { 1: 0, 3: 2, 4: 6 }[channels]], 8);
  const stride = width * channels;
  const rows = Buffer.alloc((stride + 1) * height); // a filter of none before each
  for (let y = 0; y < height; y++) {
    rows.set(pixels.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  }
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const parts = [chunk("IHDR", header), chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))];
  writeFileSync(path, Buffer.concat([signature, ...parts]));
}
