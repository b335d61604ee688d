/**
 * Whether a recipe, which a stranger may have written, can be drawn by a model.
 *
 * @import {Edit, Noise, Recipe, Source} from "../../studio/page/types.js"
 * @import {ExportedModel} from "./types.js"
 */

import { MAX_SEED, spread } from "../../studio/page/recipe.js";
import { mapOfText } from "./steering.js";

const [MIN_PSI, MAX_PSI] = [-1, 1.5];
const MAX_STRENGTH = 100;
const MAX_NOISE = 100;
const MAX_EDITS = 64;
const MAX_NAME = 100;
const MODES = ["const", "seeded", "none", "given"];

/**
 * @param {boolean} fits
 * @param {string} otherwise
 */
function ask(fits, otherwise) {
  if (!fits) throw new Error(`This recipe does not fit the model: ${otherwise}.`);
}

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 */
function isWhole(value, least, most) {
  return Number.isInteger(value) && Number(value) >= least && Number(value) <= most;
}

/**
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 */
function isNumber(value, least, most) {
  return typeof value === "number" && value >= least && value <= most;
}

/**
 * @param {unknown} value
 * @param {number} length
 */
function isVector(value, length) {
  return Array.isArray(value) && value.length === length && value.every((one) => isNumber(one, -3e38, 3e38));
}

/**
 * One value, or one for each layer.
 *
 * @param {unknown} value
 * @param {number} count
 * @param {(one: unknown) => boolean} fits
 */
function isPerLayer(value, count, fits) {
  return Array.isArray(value) ? value.length === count && value.every(fits) : fits(value);
}

/**
 * Fails with an Error whose message can be shown where it cannot.
 *
 * @param {Recipe} recipe
 * @param {ExportedModel} exported
 */
export function checkRecipe(recipe, exported) {
  const { model } = exported;
  const { num_ws: count } = model;
  if (recipe.model && recipe.model.sha256 !== model.sha256) {
    throw new Error(`This recipe was made with another model named ${recipe.model.name}.`);
  }
  ask(isWhole(recipe.sources?.length, 1, 256), "it needs 1 to 256 sources");
  for (const source of recipe.sources) checkSource(source, exported);
  const { layer_sources: layers, psi = 1, cutoff, edits = [], noise = {} } = recipe;
  const last = recipe.sources.length - 1;
  ask(!!layers || last === 0, "it has several sources and does not say which layer takes which");
  ask(!layers || isPerLayer([...layers], count, (one) => isWhole(one, 0, last)), `it needs a source for each of ${count} layers`);
  ask(isPerLayer(psi, count, (one) => isNumber(one, MIN_PSI, MAX_PSI)), `psi goes from ${MIN_PSI} to ${MAX_PSI}`);
  ask(cutoff === undefined || cutoff === null || isWhole(cutoff, 0, count), `its cutoff is outside 0 to ${count}`);
  ask(edits.length <= MAX_EDITS, `it has more than ${MAX_EDITS} steps`);
  for (const edit of edits) checkEdit(edit, exported);
  checkNoise(noise, exported);
}

/**
 * @param {Source} source
 * @param {ExportedModel} exported
 */
function checkSource(source, { model }) {
  const { seed, w, centre } = source;
  ask((seed === undefined) !== (w === undefined), "a source needs a seed or a w");
  ask(centre === undefined || isVector(centre, model.w_dim), `a centre has ${model.w_dim} numbers`);
  if (w !== undefined) {
    ask(isVector(w, model.w_dim), `a w has ${model.w_dim} numbers`);
    ask(source.class === undefined, "a source with a w takes no class");
    return;
  }
  ask(isWhole(seed, 0, MAX_SEED), `a seed goes from 0 to ${MAX_SEED}`);
  const most = model.num_classes - 1;
  if (most < 0) ask(source.class === undefined, "the model has no classes");
  else ask(isWhole(source.class, 0, most), `a seed needs a class from 0 to ${most}`);
}

/**
 * @param {Edit} edit
 * @param {ExportedModel} exported
 */
function checkEdit({ direction, channels, strength, layers, name = "" }, { model, steering }) {
  ask((direction === undefined) !== (channels === undefined), "a step needs a direction or channels");
  ask(direction === undefined || isVector(direction, model.w_dim), `a direction has ${model.w_dim} numbers`);
  ask(isNumber(strength, -MAX_STRENGTH, MAX_STRENGTH), `a step is at most ${MAX_STRENGTH} strong`);
  const inside = (/** @type {unknown} */ one) => isWhole(one, 0, model.num_ws - 1);
  ask(layers === undefined || (Array.isArray(layers) && layers.length <= model.num_ws && layers.every(inside)), "a step names a layer that is not there");
  ask(typeof name === "string" && name.length <= MAX_NAME, "a step's name is too long");
  const { styles } = steering;
  const fits = (/** @type {any} */ one) =>
    Array.isArray(one) && isWhole(one[0], 0, styles.length - 1) &&
    isWhole(one[1], 0, styles[one[0]].channels - 1) && isNumber(one[2], -3e38, 3e38);
  ask(channels === undefined || (Array.isArray(channels) && channels.length < 2 ** 16 && channels.every(fits)), "a step names a channel that is not there");
}

/**
 * @param {Partial<Noise>} noise
 * @param {ExportedModel} exported
 */
function checkNoise({ mode = "const", seed = 0, strength = 1, maps }, { model, steering }) {
  const { num_ws: count } = model;
  ask(isPerLayer(mode, count, (one) => MODES.includes(String(one))), "it has an unknown mode of noise");
  ask(isPerLayer(seed, count, (one) => isWhole(one, 0, MAX_SEED)), `a noise seed goes from 0 to ${MAX_SEED}`);
  ask(isPerLayer(strength, count, (one) => isNumber(one, 0, MAX_STRENGTH)), `noise is 0 to ${MAX_STRENGTH} strong`);
  const modes = spread(mode, count);
  if (!modes.includes("given")) return;
  ask(Array.isArray(maps) && maps.length === count, `noise needs a map for each of ${count} layers`);
  for (const { layer, height, width } of steering.noise) {
    if (modes[layer] !== "given") continue;
    const text = maps?.[layer];
    ask(typeof text === "string" && isMap(text, height * width), `the noise map of layer ${layer} is not of ${height} x ${width}`);
  }
}

/**
 * @param {string} text
 * @param {number} count of values
 */
function isMap(text, count) {
  if (text.length !== 4 * Math.ceil((2 * count) / 3)) return false;
  try {
    const map = mapOfText(text);
    return map.length === count && map.every((one) => Math.abs(one) <= MAX_NOISE);
  } catch {
    return false;
  }
}
