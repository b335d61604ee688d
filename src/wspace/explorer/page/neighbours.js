/**
 * The pictures around a picture, as `wspace.steering.neighbourhood` finds them.
 *
 * @import {Recipe, Source} from "../../studio/page/types.js"
 * @import {ExportedModel} from "./types.js"
 */

import { RandomState } from "./random_state.js";
import { lerp } from "./steering.js";

const WAYS = 4; // each in both directions
const MAX_STEP = 4;

/**
 * Recipes whose w lie around that of a picture, those across from each other opposite ways.
 *
 * @param {Recipe} recipe in the middle, that fits the model
 * @param {number} step in deviations of w
 * @param {number} seed of the ways
 * @param {ExportedModel} exported
 * @param {(source: Source) => Promise<Float32Array>} wOf maps a source
 * @returns {Promise<Recipe[]>} eight, row by row, the place in the middle left out
 */
export async function neighbours(recipe, step, seed, exported, wOf) {
  if (!(step > 0 && step <= MAX_STEP)) throw new Error(`A step of ${step} is outside 0 to ${MAX_STEP}.`);
  const mean = Float32Array.from(exported.steering.w_avg);
  const distance = (/** @type {Float32Array} */ w) => Math.hypot(...w.map((one, k) => one - mean[k]));
  /** @type {Float32Array[]} */
  const ends = [];
  for (const source of ofTheModel(seed, recipe.sources[0].class, exported)) ends.push(await wOf(source));
  const own = await Promise.all(recipe.sources.map(wOf));
  const squares = ends.map((w) => distance(w) ** 2);
  const usual = Math.sqrt(squares.reduce((sum, one) => sum + one, 0) / squares.length);
  const ways = Array.from({ length: WAYS }, (_, number) =>
    ends[number].map((one, k) => (step * (one - ends[number + WAYS][k])) / Math.SQRT2),
  );
  const back = ways.map((way) => way.map((one) => -one)).reverse();
  return [...ways, ...back].map((way) => {
    const sources = recipe.sources.map((source, number) => {
      const moved = own[number].map((one, k) => one + way[k]);
      const most = Math.max(distance(own[number]), usual);
      const shrink = Math.min(most / Math.max(distance(moved), 1e-12), 1);
      const w = Array.from(lerp(mean, moved, shrink));
      return source.centre ? { w, centre: source.centre } : { w };
    });
    return { ...recipe, sources };
  });
}

/**
 * Seeds of the model, twice as many as there are ways; of one class, so that no way leads to
 * another.
 *
 * @param {number} seed
 * @param {number | undefined} classIndex
 * @param {ExportedModel} exported
 * @returns {Source[]}
 */
function ofTheModel(seed, classIndex, { model }) {
  const random = new RandomState(seed);
  const seeds = Array.from({ length: 2 * WAYS }, () => random.bits());
  if (!model.num_classes) return seeds.map((one) => ({ seed: one }));
  const classes = Array.from({ length: WAYS }, () => classIndex ?? random.below(model.num_classes));
  return seeds.map((one, number) => ({ seed: one, class: classes[number % WAYS] }));
}
