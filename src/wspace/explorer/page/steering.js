/**
 * From a recipe to what the synthesis graph is given: mixing, truncation, edits and noise, as
 * `wspace.steering` does it. Nothing here knows a page or a runtime.
 *
 * @import {Edit, Recipe, Source} from "../../studio/page/types.js"
 * @import {ExportedModel, Plan} from "./types.js"
 */

import { spread } from "../../studio/page/recipe.js";
import { RandomState } from "./random_state.js";

const MOST_KEPT = 64 * 2 ** 20; // bytes of noise maps that seeds have drawn

/**
 * @param {number} seed
 * @param {number} width
 */
export function latent(seed, width) {
  return new RandomState(seed).normals(width);
}

/**
 * The source that each layer takes.
 *
 * @param {Recipe} recipe
 * @param {number} count of layers
 * @returns {Source[]}
 */
export function sourcesByLayer(recipe, count) {
  const numbers = recipe.layer_sources ?? Array(count).fill(0);
  return numbers.map((number) => recipe.sources[number]);
}

/**
 * @param {Recipe} recipe
 * @param {number} count of layers
 * @returns {number[]} the psi of each
 */
export function psiByLayer(recipe, count) {
  const cutoff = recipe.cutoff ?? count;
  return spread(recipe.psi ?? 1, count).map((psi, layer) => (layer < cutoff ? psi : 1));
}

/**
 * `torch.lerp`, number by number, in float32.
 *
 * @param {ArrayLike<number>} start
 * @param {ArrayLike<number>} end
 * @param {number} weight
 * @param {Float32Array} [into]
 */
export function lerp(start, end, weight, into = new Float32Array(start.length)) {
  const share = Math.fround(weight);
  for (let k = 0; k < into.length; k++) {
    const step = Math.fround(end[k] - start[k]);
    into[k] = share < 0.5 ? start[k] + Math.fround(share * step) : end[k] - Math.fround(step * (1 - share));
  }
  return into;
}

/**
 * Steps in W, in some layers or all.
 *
 * @param {Float32Array} ws num_ws * w_dim; changed
 * @param {Edit[]} edits
 * @param {number} width of w
 */
export function editWs(ws, edits, width) {
  const count = ws.length / width;
  for (const { direction, strength, layers } of edits) {
    if (!direction) continue;
    const step = Float32Array.from(direction, (one) => Math.fround(one) * Math.fround(strength));
    for (const layer of layers ?? Array(count).keys()) {
      for (let k = 0; k < width; k++) ws[layer * width + k] += step[k];
    }
  }
}

/**
 * Steps in style space: what is added to the styles, all one after the other; null for nothing.
 *
 * @param {ExportedModel} exported
 * @param {Edit[]} edits
 */
export function styleOffsets({ steering }, edits) {
  const own = edits.filter((edit) => edit.channels);
  if (!own.length) return null;
  const { styles } = steering;
  const offsets = new Float32Array(styles.reduce((sum, style) => sum + style.channels, 0));
  for (const { channels = [], strength, layers } of own) {
    for (const [style, channel, amount] of channels) {
      const { first, layer } = styles[style];
      if (layers && !layers.includes(layer)) continue;
      offsets[first + channel] += Math.fround(amount) * Math.fround(strength);
    }
  }
  return offsets;
}

/** Draws the maps of noise; those of seeds are drawn once while they are in use. */
export class Noise {
  #exported;
  #stored;
  /** @type {Map<string, Float32Array>} */
  #kept = new Map();
  #bytes = 0;

  /**
   * @param {ExportedModel} exported
   * @param {Float32Array[]} stored the model's own maps
   */
  constructor(exported, stored) {
    this.#exported = exported;
    this.#stored = stored;
  }

  /**
   * @param {Recipe} recipe
   * @returns {(Float32Array | null)[]} null: the stored map as it is
   */
  of({ noise = {} }) {
    const count = this.#exported.model.num_ws;
    const modes = spread(noise.mode ?? "const", count);
    const seeds = spread(noise.seed ?? 0, count);
    const strengths = spread(noise.strength ?? 1, count);
    return this.#exported.steering.noise.map(({ layer, height, width }, number) => {
      const [mode, strength] = [modes[layer], strengths[layer]];
      if (mode === "const" && strength === 1) return null;
      if (mode === "none" || strength === 0) return new Float32Array(height * width);
      const map =
        mode === "seeded"
          ? this.#seeded(seeds[layer], layer, height * width)
          : mode === "given"
            ? mapOfText(noise.maps?.[layer] ?? "")
            : this.#stored[number];
      return strength === 1 ? map : map.map((one) => one * Math.fround(strength));
    });
  }

  /**
   * @param {number} seed
   * @param {number} layer
   * @param {number} count
   */
  #seeded(seed, layer, count) {
    const name = `${seed} ${layer}`;
    const known = this.#kept.get(name);
    if (known) {
      this.#kept.delete(name);
      this.#kept.set(name, known); // the newest
      return known;
    }
    const drawn = new RandomState([seed, layer]).normals(count);
    this.#kept.set(name, drawn);
    this.#bytes += drawn.byteLength;
    for (const [oldest, map] of this.#kept) {
      if (this.#bytes <= MOST_KEPT) break;
      this.#kept.delete(oldest);
      this.#bytes -= map.byteLength;
    }
    return drawn;
  }
}

/**
 * A noise map that a recipe holds: rows of float16, low byte first, in base64.
 *
 * @param {string} text
 * @returns {Float32Array<ArrayBuffer>}
 */
export function mapOfText(text) {
  const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length >> 1 }, (_, k) => half(view.getUint16(2 * k, true)));
}

/** @param {number} bits of a float16 */
function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? NaN : sign * Infinity;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/**
 * What synthesis is given for a recipe.
 *
 * @param {Recipe} recipe that fits the model
 * @param {ExportedModel} exported
 * @param {Noise} noise
 * @param {(source: Source) => Promise<Float32Array>} wOf maps a source
 * @returns {Promise<Plan>}
 */
export async function planOf(recipe, exported, noise, wOf) {
  const { num_ws: count, w_dim: width } = exported.model;
  const ws = new Float32Array(count * width);
  const psi = psiByLayer(recipe, count);
  const sources = sourcesByLayer(recipe, count);
  for (const [layer, source] of sources.entries()) {
    const own = ws.subarray(layer * width, (layer + 1) * width);
    const centre = source.centre ?? exported.steering.w_avg;
    lerp(Float32Array.from(centre), await wOf(source), psi[layer], own);
  }
  const edits = recipe.edits ?? [];
  editWs(ws, edits, width);
  return { ws, noise: noise.of(recipe), offsets: styleOffsets(exported, edits) };
}
