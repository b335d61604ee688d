/**
 * Walks from picture to picture, frame by frame, as `wspace.steering.interpolation` goes them.
 *
 * @import {Edit, Recipe, Source} from "../../studio/page/types.js"
 * @import {WalkRequest} from "../../studio/page/engine.js"
 * @import {ExportedModel, Plan} from "./types.js"
 * @import {Noise} from "./steering.js"
 */

import { same } from "../../studio/page/recipe.js";
import { editWs, latent, lerp, psiByLayer, sourcesByLayer, styleOffsets } from "./steering.js";

const MAX_STRENGTH = 100;

/**
 * @typedef {{frames: number, kind: string, loop: boolean}} Path
 * @typedef {(frame: number) => Float32Array} Way
 */

/**
 * Turn from one vector to another at an even rate; the length changes evenly, too.
 *
 * Source: Shoemake 1985, Section 3.3.
 *
 * @param {ArrayLike<number>} start not zero, of two numbers or more
 * @param {ArrayLike<number>} end likewise
 * @param {number} t 0 at the start, 1 at the end
 */
export function slerp(start, end, t) {
  const [from, to] = [Array.from(start), Array.from(end)];
  const [startLength, endLength] = [Math.hypot(...from), Math.hypot(...to)];
  const a = from.map((one) => one / startLength);
  const b = to.map((one) => one / endLength);
  const cosine = dot(a, b);
  let across = b.map((one, k) => one - cosine * a[k]);
  const sine = Math.hypot(...across);
  if (sine < 1e-6) {
    // Parallel or opposite vectors span no plane: turn towards the axis that a is farthest from.
    const sizes = a.map(Math.abs);
    const axis = sizes.indexOf(Math.min(...sizes));
    across = a.map((one, k) => (k === axis ? 1 : 0) - a[axis] * one);
  }
  const size = Math.hypot(...across);
  const angle = t * Math.atan2(sine, cosine);
  const length = startLength + t * (endLength - startLength);
  return Float32Array.from(a, (one, k) => length * (Math.cos(angle) * one + (Math.sin(angle) * across[k]) / size));
}

/**
 * @param {number[]} a
 * @param {number[]} b
 */
function dot(a, b) {
  return a.reduce((sum, one, k) => sum + one * b[k], 0);
}

/**
 * A path through points, evenly in time between each two.
 *
 * Source: Catmull and Rom 1974 for the spline.
 *
 * @param {ArrayLike<number>[]} points two or more
 * @param {Path} path
 * @returns {Way}
 */
export function follow(points, { frames, kind, loop }) {
  const count = points.length;
  const segments = loop ? count : count - 1;
  const steps = loop ? frames : Math.max(1, frames - 1);
  const at = (/** @type {number} */ index) =>
    points[loop ? (index + count) % count : Math.min(Math.max(index, 0), count - 1)];
  return (frame) => {
    const time = (frame * segments) / steps;
    const first = Math.min(Math.floor(time), segments - 1);
    const t = time - first;
    const [start, end] = [at(first), at(first + 1)];
    if (kind === "slerp") return slerp(start, end, t);
    if (kind === "linear") return lerp(start, end, t);
    const [before, after] = [at(first - 1), at(first + 2)];
    return Float32Array.from(
      start,
      (one, k) =>
        one * (1 + 2 * t) * (1 - t) ** 2 +
        end[k] * t ** 2 * (3 - 2 * t) +
        ((end[k] - before[k]) / 2) * t * (1 - t) ** 2 -
        ((after[k] - one) / 2) * t ** 2 * (1 - t),
    );
  };
}

/**
 * The key pictures, and how many frames there are.
 *
 * @param {WalkRequest} request
 * @returns {{keys: Recipe[], path: Path}}
 */
export function pathOf({ recipes, frames, loop, kind }) {
  const closes = loop && recipes.length > 2 && same(recipes.at(-1), recipes[0]);
  const keys = closes ? recipes.slice(0, -1) : recipes;
  if (keys.length < 2) throw new Error("A walk needs two pictures or more.");
  const legs = loop ? keys.length : keys.length - 1;
  return { keys, path: { frames: legs * frames + (loop ? 0 : 1), kind, loop } };
}

/**
 * What synthesis is given for each frame; the noise stands still.
 *
 * @param {Recipe[]} keys that fit the model
 * @param {Path} path
 * @param {ExportedModel} exported
 * @param {Noise} noise
 * @param {(source: Source) => Promise<Float32Array>} wOf maps a source
 * @param {(z: Float32Array, classIndex: number) => Promise<Float32Array>} wOfLatent maps z
 * @returns {Promise<(frame: number) => Promise<Plan>>}
 */
export async function walk(keys, path, exported, noise, wOf, wOfLatent) {
  const { num_ws: count, w_dim: width } = exported.model;
  const straight = { ...path, kind: path.kind === "slerp" ? "linear" : path.kind };
  const psi = follow(keys.map((key) => psiByLayer(key, count)), { ...path, kind: "linear" });
  const editsAt = walkedEdits(keys, straight);
  const maps = noise.of(keys[0]);
  const layers = keys.map((key) => sourcesByLayer(key, count));
  const centres = Array.from({ length: count }, (_, layer) =>
    follow(layers.map((own) => own[layer].centre ?? exported.steering.w_avg), straight),
  );
  const zWay = path.kind === "slerp" ? wayThroughZ(keys, path, exported) : null;
  /** @type {Way[]} */
  const ways = [];
  for (let layer = 0; layer < count && !zWay; layer++) {
    const own = layers.map((sources) => sources[layer]);
    const known = ways.findIndex((_, earlier) => layers.every((sources, k) => sources[earlier] === own[k]));
    ways.push(known >= 0 ? ways[known] : follow(await Promise.all(own.map(wOf)), path));
  }
  return async (frame) => {
    const ws = new Float32Array(count * width);
    const ofZ = zWay && (await wOfLatent(zWay.at(frame), zWay.classIndex));
    const shares = psi(frame);
    for (let layer = 0; layer < count; layer++) {
      const w = ofZ ?? ways[layer](frame);
      lerp(centres[layer](frame), w, shares[layer], ws.subarray(layer * width, (layer + 1) * width));
    }
    const edits = editsAt(frame);
    editWs(ws, edits, width);
    return { ws, noise: maps, offsets: styleOffsets(exported, edits) };
  };
}

/**
 * @param {Recipe[]} keys
 * @param {Path} path
 * @param {ExportedModel} exported
 */
function wayThroughZ(keys, path, exported) {
  const sources = keys.map((key) => key.sources[0]);
  const single = keys.every((key) => key.sources.length === 1);
  const classIndex = sources[0].class ?? 0;
  if (!single || sources.some((one) => one.seed === undefined || (one.class ?? 0) !== classIndex)) {
    throw new Error("The way through z needs key pictures that are seeds of one class.");
  }
  const points = sources.map((one) => latent(one.seed ?? 0, exported.steering.z_dim));
  return { at: follow(points, path), classIndex };
}

/**
 * The edits of each frame, whose strengths go from key to key.
 *
 * @param {Recipe[]} keys
 * @param {Path} path
 * @returns {(frame: number) => Edit[]}
 */
function walkedEdits(keys, path) {
  /** @type {Edit[]} */
  const steps = [];
  const rows = keys.map(() => /** @type {number[]} */ ([]));
  for (const [key, { edits = [] }] of keys.entries()) {
    for (const edit of edits) {
      const step = { ...edit, strength: 1 };
      let place = steps.findIndex((one) => same(one, step));
      if (place < 0) place = steps.push(step) - 1;
      rows[key][place] = (rows[key][place] ?? 0) + edit.strength;
    }
  }
  if (!steps.length) return () => [];
  const points = rows.map((row) => steps.map((_, place) => row[place] ?? 0));
  const strengths = follow(points, path);
  const inside = (/** @type {number} */ one) => Math.min(Math.max(one, -MAX_STRENGTH), MAX_STRENGTH);
  return (frame) => {
    const row = strengths(frame);
    return steps.map((step, place) => ({ ...step, strength: inside(row[place]) }));
  };
}
