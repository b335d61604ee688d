/**
 * Recipes and what the controls show of them. Nothing here knows a page or an engine, and every
 * function gives a new value.
 *
 * @import {Edit, Group, Item, Model, Noise, Recipe, Source, Work} from "./types.js"
 */

export const RECIPE_VERSION = 3;
export const MAX_SEED = 2 ** 32 - 1;
export const MAX_ITEMS = 16; // pictures in the tray
export const GROUPS = /** @type {Group[]} */ (["coarse", "middle", "fine"]);
const START_PSI = 0.7;

/** @type {Noise} */
export const PLAIN_NOISE = { mode: "const", seed: 0, strength: 1 };

/** @returns {number} a seed short enough to say */
export function randomSeed() {
  return Math.floor(Math.random() * 100_000);
}

/**
 * What a model is opened with.
 *
 * @param {Model} model
 * @returns {Work}
 */
export function firstWork(model) {
  return {
    tray: [seedItem(model, 1)],
    layers: Array(model.num_ws).fill(0),
    psi: START_PSI,
    cutoff: null,
    edits: [],
    noise: PLAIN_NOISE,
    precision: "fp32",
  };
}

/**
 * @param {Model} model
 * @param {number} seed
 * @param {number} [classIndex] where the model has classes
 * @returns {Item}
 */
export function seedItem(model, seed, classIndex = 0) {
  return { sources: [model.num_classes > 0 ? { seed, class: classIndex } : { seed }] };
}

/**
 * The source that an item gives to a layer.
 *
 * @param {Item} item
 * @param {number} layer
 * @returns {Source}
 */
function sourceOf(item, layer) {
  return item.sources[item.sources.length > 1 ? layer : 0];
}

/**
 * The recipe of what is shown: what no layer takes is left out.
 *
 * @param {Work} work
 * @returns {Recipe}
 */
export function toRecipe(work) {
  /** @type {Source[]} */
  const sources = [];
  const numbers = work.layers.map((number, layer) => {
    const source = sourceOf(work.tray[number], layer);
    const known = sources.findIndex((one) => same(one, source));
    return known >= 0 ? known : sources.push(source) - 1;
  });
  /** @type {Recipe} */
  const recipe = { version: version(work, sources), sources, psi: work.psi };
  const { maps, ...noise } = work.noise;
  recipe.noise = spread(noise.mode, 1).includes("given") ? { ...noise, maps } : noise;
  if (sources.length > 1) recipe.layer_sources = numbers;
  if (work.cutoff !== null) recipe.cutoff = work.cutoff;
  if (work.edits.length) recipe.edits = work.edits;
  recipe.precision = work.precision;
  return recipe;
}

/**
 * The first version that can say this, so that older readers read what they can.
 *
 * @param {Work} work
 * @param {Source[]} sources
 */
function version(work, sources) {
  const isGiven = spread(work.noise.mode, 1).includes("given");
  if (isGiven || work.edits.some((edit) => edit.channels)) return 3;
  return work.edits.length || sources.some((source) => source.class_name) ? 2 : 1;
}

/**
 * The controls that show a recipe.
 *
 * Several w, each of one layer alone, are one picture (found in W+); a layer for which it gives none
 * takes the nearest one's.
 *
 * @param {Recipe} recipe
 * @param {Model} model
 * @param {Item[]} [others] pictures that stay in the tray behind those of the recipe
 * @returns {Work}
 */
export function fromRecipe(recipe, model, others = []) {
  const numbers = recipe.layer_sources ?? Array(model.num_ws).fill(0);
  if (numbers.length !== model.num_ws) {
    throw new Error(
      `This recipe has ${numbers.length} layers, the model ${model.num_ws}: it belongs to another.`,
    );
  }
  for (const source of recipe.sources) {
    if (source.w && source.w.length !== model.w_dim) {
      throw new Error(
        `This recipe's w has ${source.w.length} numbers, the model's ${model.w_dim}: it belongs to ` +
          "another.",
      );
    }
  }
  const uses = recipe.sources.map((_, number) => numbers.filter((one) => one === number).length);
  const single = recipe.sources.map((source, number) => Boolean(source.w) && uses[number] === 1);
  const joins = single.filter(Boolean).length > 1;
  /** @type {Item[]} */
  const tray = [];
  /** @type {Map<number, number>} */
  const places = new Map();
  let joined = -1;
  const layers = numbers.map((number) => {
    if (joins && single[number]) {
      if (joined < 0) joined = tray.push(wPlusItem(recipe, numbers, single)) - 1;
      return joined;
    }
    if (!places.has(number)) places.set(number, tray.push({ sources: [recipe.sources[number]] }) - 1);
    return /** @type {number} */ (places.get(number));
  });
  const rest = others.filter((item) => !tray.some((one) => same(one, item)));
  return {
    tray: [...tray, ...rest].slice(0, Math.max(tray.length, MAX_ITEMS)),
    layers,
    psi: gathered(spread(recipe.psi ?? 1, model.num_ws)),
    cutoff: recipe.cutoff ?? null,
    edits: recipe.edits ?? [],
    noise: { ...PLAIN_NOISE, ...recipe.noise },
    precision: recipe.precision ?? "fp32",
  };
}

/**
 * @param {Recipe} recipe
 * @param {number[]} numbers
 * @param {boolean[]} single
 * @returns {Item}
 */
function wPlusItem(recipe, numbers, single) {
  const own = numbers.flatMap((number, layer) => (single[number] ? [layer] : []));
  const nearest = (/** @type {number} */ layer) =>
    own.reduce((best, one) => (Math.abs(one - layer) < Math.abs(best - layer) ? one : best));
  return { sources: numbers.map((_, layer) => recipe.sources[numbers[nearest(layer)]]) };
}

/**
 * The work with a picture in the place of all others, which stay in the tray.
 *
 * @param {Work} work
 * @param {Item} item
 * @returns {Work}
 */
export function withOnly(work, item) {
  const known = work.tray.findIndex((one) => same(one, item));
  const tray = known >= 0 ? work.tray : [item, ...work.tray].slice(0, MAX_ITEMS);
  return { ...work, tray, layers: work.layers.map(() => Math.max(known, 0)) };
}

/**
 * The work with another picture in an item's place.
 *
 * @param {Work} work
 * @param {number} number
 * @param {Item} item
 * @returns {Work}
 */
export function withItem(work, number, item) {
  return { ...work, tray: work.tray.map((one, place) => (place === number ? item : one)) };
}

/**
 * The work without an item; layers that took it take the first.
 *
 * @param {Work} work
 * @param {number} number
 * @returns {Work}
 */
export function withoutItem(work, number) {
  const layers = work.layers.map((one) => (one === number ? 0 : one > number ? one - 1 : one));
  return { ...work, tray: work.tray.filter((_, place) => place !== number), layers };
}

/**
 * An item alone, drawn as the work is but without edits: for thumbnails.
 *
 * @param {Work} work
 * @param {number} number
 * @returns {Recipe}
 */
export function itemRecipe(work, number) {
  const layers = work.layers.map(() => number);
  return toRecipe({ ...work, layers, edits: [], noise: PLAIN_NOISE });
}

/**
 * @template T
 * @param {T | T[]} value
 * @param {number} count
 * @returns {T[]}
 */
export function spread(value, count) {
  return Array.isArray(value) ? value : Array(count).fill(value);
}

/**
 * One value where all layers have the same.
 *
 * @template T
 * @param {T[]} values
 * @returns {T | T[]}
 */
export function gathered(values) {
  return values.every((value) => value === values[0]) ? values[0] : values;
}

/**
 * A value per layer with another value in some layers.
 *
 * @template T
 * @param {T | T[]} value
 * @param {number} count
 * @param {number[]} layers
 * @param {T} to
 * @returns {T | T[]}
 */
export function withLayers(value, count, layers, to) {
  return gathered(spread(value, count).map((one, layer) => (layers.includes(layer) ? to : one)));
}

/**
 * The work with a step along a direction; strength 0 takes the step out.
 *
 * @param {Work} work
 * @param {Edit} edit
 * @returns {Work}
 */
export function withEdit(work, edit) {
  const place = findEdit(work, edit);
  const edits =
    place < 0
      ? [...work.edits, edit]
      : work.edits.map((one, number) => (number === place ? edit : one));
  return { ...work, edits: edits.filter((one) => one.strength !== 0) };
}

/**
 * Where the work has a step along this direction, or -1.
 *
 * @param {Work} work
 * @param {Edit} edit
 */
export function findEdit(work, edit) {
  return work.edits.findIndex(
    (one) => same(one.direction, edit.direction) && same(one.channels, edit.channels),
  );
}

/**
 * Whether two plain values are alike.
 *
 * @param {unknown} a
 * @param {unknown} b
 * @returns {boolean}
 */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    return a.every((value, place) => same(value, b[place]));
  }
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  const [left, right] = /** @type {Record<string, unknown>[]} */ ([a, b]);
  return keys.every((key) => key in right && same(left[key], right[key]));
}

/**
 * What a layer or several are called: a group's name, or numbers.
 *
 * @param {number[]} layers in order
 * @param {Model} model
 */
export function layersName(layers, model) {
  if (layers.length === model.num_ws) return "all";
  for (const group of GROUPS) if (same(model.groups[group], layers)) return group;
  /** @type {[number, number][]} */
  const ranges = [];
  for (const layer of layers) {
    const last = ranges.at(-1);
    if (last && last[1] === layer - 1) last[1] = layer;
    else ranges.push([layer, layer]);
  }
  return ranges.map(([from, to]) => (from === to ? `${from}` : `${from}–${to}`)).join(", ");
}

/**
 * @param {Item} item
 * @param {Model} model
 */
export function itemName(item, model) {
  const [source] = item.sources;
  if (item.sources.length > 1) return "a w for each layer";
  if (source.seed === undefined) return "a w of its own";
  const name = source.class === undefined ? "" : ` ${className(source.class, model)}`;
  return `seed ${source.seed}${name}`;
}

/**
 * @param {number} number
 * @param {Model} model
 */
export function className(number, model) {
  return model.classes?.[number] ?? `class ${number}`;
}

/**
 * A picture in words: what it is drawn from, psi, edits, noise.
 *
 * @param {Work} work
 * @param {Model} model
 */
export function describe(work, model) {
  const used = [...new Set(work.layers)];
  const parts = [];
  if (used.length === 1) {
    parts.push(itemName(work.tray[used[0]], model));
  } else {
    const shares = used.map((number) => {
      const layers = work.layers.flatMap((one, layer) => (one === number ? [layer] : []));
      return `${itemName(work.tray[number], model)} (${layersName(layers, model)})`;
    });
    parts.push(shares.join(" + "));
  }
  parts.push(Array.isArray(work.psi) ? "psi by layer" : `psi ${rounded(work.psi)}`);
  for (const edit of work.edits) {
    parts.push(`${edit.name || "edit"} ${edit.strength > 0 ? "+" : ""}${rounded(edit.strength)}`);
  }
  const modes = new Set(spread(work.noise.mode, model.num_ws));
  if (modes.size > 1) parts.push("noise by layer");
  else if (modes.has("none")) parts.push("no noise");
  else if (!modes.has("const")) parts.push(modes.has("seeded") ? "seeded noise" : "noise of its own");
  return parts.join(" · ");
}

/**
 * A number as people write it, with a real minus.
 *
 * @param {number} value
 */
export function rounded(value) {
  return String(Math.round(value * 100) / 100).replace("-", "−");
}

/**
 * Read a recipe that a stranger may have written, far enough that the page can show it; an engine
 * checks it to the end.
 *
 * @param {unknown} data
 * @returns {Recipe}
 */
export function readRecipe(data) {
  const wrong = new Error("This is no recipe that wspace wrote.");
  const numeric = (/** @type {unknown} */ value) =>
    typeof value === "number" || (Array.isArray(value) && value.every(Number.isFinite));
  if (typeof data !== "object" || data === null || Array.isArray(data)) throw wrong;
  const recipe = /** @type {Record<string, any>} */ (data);
  if (!Number.isInteger(recipe.version) || recipe.version < 1) throw wrong;
  if (recipe.version > RECIPE_VERSION) {
    throw new Error(`The recipe's version ${recipe.version} is newer than this page reads.`);
  }
  const { sources, edits, noise } = recipe;
  const goodSource = (/** @type {any} */ one) =>
    (Number.isInteger(one?.seed) && one.seed >= 0) || (Array.isArray(one?.w) && numeric(one.w));
  const goodEdit = (/** @type {any} */ one) =>
    (Array.isArray(one?.direction) && numeric(one.direction)) || Array.isArray(one?.channels);
  if (!Array.isArray(sources) || !sources.length || !sources.every(goodSource)) throw wrong;
  if (recipe.layer_sources !== undefined) {
    const inside = (/** @type {unknown} */ one) =>
      Number.isInteger(one) && Number(one) >= 0 && Number(one) < sources.length;
    const layers = recipe.layer_sources;
    if (!Array.isArray(layers) || !layers.every(inside)) throw wrong;
  }
  if (recipe.psi !== undefined && !numeric(recipe.psi)) throw wrong;
  if (edits !== undefined && !(Array.isArray(edits) && edits.every(goodEdit))) throw wrong;
  if (noise !== undefined && (typeof noise !== "object" || noise === null)) throw wrong;
  const whole = (edits ?? []).map((/** @type {any} */ one) => ({ name: "", strength: 1, ...one }));
  return /** @type {Recipe} */ ({ ...recipe, ...(whole.length ? { edits: whole } : {}) });
}

/**
 * The recipe in what a picture or a file of JSON says of itself.
 *
 * @param {string} text
 * @returns {Recipe}
 */
export function recipeOfDocument(text) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error("What the file says of itself is damaged.");
  }
  if (data?.kind === "sheet") {
    throw new Error("This is a sheet of several pictures: drop one picture.");
  }
  if (data?.kind === "figure") throw new Error("This shows real pictures, which no recipe makes.");
  return readRecipe(data?.kind === "picture" ? data.recipe : data);
}

