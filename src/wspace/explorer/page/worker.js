/**
 * Draws, away from the page: the graphs of a model in ONNX Runtime Web.
 *
 * @import {Images, Recipe, Source} from "../../studio/page/types.js"
 * @import {WalkRequest} from "../../studio/page/engine.js"
 * @import {ExportedModel, Plan} from "./types.js"
 */

import { spread } from "../../studio/page/recipe.js";
import { checkRecipe } from "./check.js";
import { deviationMap } from "./deviation.js";
import { neighbours } from "./neighbours.js";
import { pictureName, pngOf, signed } from "./picture_file.js";
import { Noise, latent, planOf } from "./steering.js";
import { Turns } from "./turns.js";
import { pathOf, walk } from "./walk.js";

const MOST_OPEN = 3; // models
const MOST_PICTURES = 64; // of a call
const MOST_PIXELS = 2 ** 24; // of an answer, all pictures together
const MOST_KEPT = 256; // w of seeds
const SHOWN_TOGETHER = 16; // pictures of a walk

const scope = /** @type {any} */ (self);
/** @type {any} the runtime */
let ort = null;
let runs = { version: "", provider: "", threads: 1 };

/** A model whose graphs are ready. */
class OpenModel {
  /** @type {Map<string, Float32Array>} */
  #mapped = new Map();

  /**
   * @param {ExportedModel} exported
   * @param {{mapping: any, synthesis: any}} sessions
   * @param {Record<string, any>} defaults tensors by the names of inputs
   */
  constructor(exported, sessions, defaults) {
    this.exported = exported;
    this.sessions = sessions;
    this.defaults = defaults;
    this.noise = new Noise(exported, exported.steering.noise.map(({ name }) => defaults[name].data));
  }

  /**
   * @param {Source} source
   * @returns {Promise<Float32Array>} its w, not truncated
   */
  wOf = async (source) => {
    if (source.w) return Float32Array.from(source.w);
    const { seed = 0, class: of = 0 } = source;
    const name = `${seed} ${of}`;
    const known = this.#mapped.get(name);
    if (known) return known;
    const w = await this.wOfLatent(latent(seed, this.exported.steering.z_dim), of);
    this.#mapped.set(name, w);
    const [oldest] = this.#mapped.keys();
    if (this.#mapped.size > MOST_KEPT) this.#mapped.delete(oldest);
    return w;
  };

  /**
   * @param {Float32Array} z
   * @param {number} classIndex
   */
  wOfLatent = async (z, classIndex) => {
    /** @type {Record<string, any>} */
    const inputs = { z: new ort.Tensor("float32", z, [1, z.length]) };
    if (this.exported.model.num_classes) {
      inputs.class = new ort.Tensor("int64", BigInt64Array.of(BigInt(classIndex)), [1]);
    }
    return Float32Array.from((await this.sessions.mapping.run(inputs)).w.data);
  };

  /** @param {Recipe} recipe that fits */
  planOf(recipe) {
    return planOf(recipe, this.exported, this.noise, this.wOf);
  }

  /**
   * @param {Plan} plan
   * @returns {Promise<Uint8Array<ArrayBuffer>>} the picture's bytes, as many channels as it has
   */
  async draw(plan) {
    const { num_ws: count, w_dim: width } = this.exported.model;
    /** @type {Record<string, any>} */
    const inputs = { ...this.defaults, ws: new ort.Tensor("float32", plan.ws, [1, count, width]) };
    for (const [number, { name, height, width }] of this.exported.steering.noise.entries()) {
      const map = plan.noise[number];
      if (map) inputs[name] = new ort.Tensor("float32", map, [1, 1, height, width]);
    }
    if (plan.offsets) {
      inputs.style_offsets = new ort.Tensor("float32", plan.offsets, [1, plan.offsets.length]);
    }
    return (await this.sessions.synthesis.run(inputs, ["picture"])).picture.data;
  }

  async close() {
    await this.sessions.mapping.release();
    await this.sessions.synthesis.release();
  }
}

/** @type {Map<string, OpenModel>} the one that was used last is the last */
const models = new Map();

/** @param {string} key */
function modelOf(key) {
  const model = models.get(key);
  if (!model) throw new Error("This model is not open any more: choose it again.");
  models.delete(key);
  models.set(key, model);
  return model;
}

/**
 * Bytes of a picture as red, green, blue and alpha.
 *
 * @param {Uint8Array} picture
 * @param {number} channels
 * @param {Uint8ClampedArray} into
 */
function putColours(picture, channels, into) {
  if (channels === 4) {
    into.set(picture);
    return;
  }
  for (let from = 0, to = 0; to < into.length; from += channels, to += 4) {
    into[to] = picture[from];
    into[to + 1] = picture[from + (channels === 3 ? 1 : 0)];
    into[to + 2] = picture[from + (channels === 3 ? 2 : 0)];
    into[to + 3] = 255;
  }
}

/**
 * @param {OpenModel} model
 * @param {number} count
 * @returns {Images}
 */
function emptyImages({ exported: { model } }, count) {
  const { width, height } = model;
  if (count * width * height > MOST_PIXELS) {
    throw new Error(`${count} pictures of ${width} × ${height} are too many at once.`);
  }
  return { width, height, count, pixels: new Uint8ClampedArray(4 * count * width * height) };
}

/**
 * Draw into one of several pictures.
 *
 * @param {OpenModel} model
 * @param {Plan} plan
 * @param {Images} images
 * @param {number} number
 */
async function drawInto(model, plan, images, number) {
  const size = 4 * images.width * images.height;
  const own = images.pixels.subarray(number * size, (number + 1) * size);
  putColours(await model.draw(plan), model.exported.model.channels, own);
}

/**
 * @param {OpenModel} model
 * @param {Recipe[]} recipes
 */
async function* drawn(model, recipes) {
  const images = emptyImages(model, recipes.length);
  for (const [number, recipe] of recipes.entries()) {
    if (number) yield null; // others have a turn
    await drawInto(model, await model.planOf(recipe), images, number);
  }
  return images;
}

/** @type {Record<string, (asked: any) => AsyncGenerator<any, any>>} */
const CALLS = {
  async *start({ script, binary, version, provider, threads }) {
    ort = scope.ort ?? (await import(script));
    ort.env.logLevel = "error";
    ort.env.wasm.wasmBinary = binary;
    ort.env.wasm.numThreads = threads;
    runs = { version, provider, threads };
    return {};
  },

  async *open({ exported, graphs }) {
    const options = { executionProviders: [runs.provider], graphOptimizationLevel: "all" };
    const sessions = {
      mapping: await ort.InferenceSession.create(graphs.mapping, options),
      synthesis: await ort.InferenceSession.create(graphs.synthesis, options),
    };
    const given = await ort.InferenceSession.create(graphs.defaults, { executionProviders: ["wasm"] });
    const defaults = { ...(await given.run({})) };
    await given.release();
    models.set(exported.model.key, new OpenModel(exported, sessions, defaults));
    for (const [key, model] of models) {
      if (models.size <= MOST_OPEN) break;
      models.delete(key);
      await model.close();
    }
    return {};
  },

  async *render({ model: key, recipes }) {
    const model = modelOf(key);
    if (recipes.length > MOST_PICTURES) throw new Error(`More than ${MOST_PICTURES} pictures at once.`);
    for (const recipe of recipes) checkRecipe(recipe, model.exported);
    const images = yield* drawn(model, recipes);
    const whole = recipes.map((/** @type {Recipe} */ one) => signed(one, model.exported));
    return { images, recipes: whole };
  },

  async *png({ model: key, recipe }) {
    const model = modelOf(key);
    const { exported } = model;
    checkRecipe(recipe, exported);
    const pixels = await model.draw(await model.planOf(recipe));
    const rendered_by = {
      torch: `onnxruntime-web ${runs.version}`,
      device: runs.provider,
      cpu: "browser",
      threads: runs.threads,
      batch_size: 1,
      path: `exported ${exported.weights}`,
    };
    const document = { kind: "picture", recipe: signed(recipe, exported), rendered_by };
    const { width, height, channels } = exported.model;
    const bytes = await pngOf(pixels, width, height, /** @type {1 | 3 | 4} */ (channels), document);
    return { name: pictureName(recipe), bytes };
  },

  async *neighbours({ model: key, recipe, step, seed }) {
    const model = modelOf(key);
    checkRecipe(recipe, model.exported);
    const recipes = await neighbours(recipe, step, seed, model.exported, model.wOf);
    yield null;
    const images = yield* drawn(model, recipes);
    return { images, recipes: recipes.map((one) => signed(one, model.exported)) };
  },

  async *deviation({ model: key, recipe, count }) {
    const model = modelOf(key);
    checkRecipe(recipe, model.exported);
    const { num_ws, channels, width, height } = model.exported.model;
    const modes = spread(recipe.noise?.mode ?? "const", num_ws);
    const mode = modes.map((one) => (one === "none" ? "none" : "seeded"));
    const strength = recipe.noise?.strength ?? 1;
    const pictures = [];
    for (let seed = 0; seed < Math.min(count, MOST_PICTURES); seed++) {
      if (seed) yield null;
      pictures.push(await model.draw(await model.planOf({ ...recipe, noise: { mode, seed, strength } })));
    }
    const grey = deviationMap(pictures, channels);
    const pixels = new Uint8ClampedArray(4 * grey.length);
    putColours(grey, 1, pixels);
    return { images: { width, height, count: 1, pixels } };
  },

  async *walk({ model: key, ...request }) {
    const model = modelOf(key);
    const { keys, path } = pathOf(/** @type {WalkRequest} */ (request));
    for (const recipe of keys) checkRecipe(recipe, model.exported);
    const plan = await walk(keys, path, model.exported, model.noise, model.wOf, model.wOfLatent);
    const { frames: total } = path;
    const { width, height } = model.exported.model;
    const most = Math.max(1, Math.min(SHOWN_TOGETHER, Math.floor(2 ** 20 / (width * height))));
    for (let done = 0; done < total; ) {
      const images = emptyImages(model, Math.min(most, total - done));
      for (let number = 0; number < images.count; number++) {
        if (number) yield null;
        await drawInto(model, await plan(done + number), images, number);
      }
      done += images.count;
      yield { done, total, images };
    }
    return { done: total, total };
  },
};

const turns = new Turns((id, kind, value) => {
  const buffers = [value?.images?.pixels.buffer, value?.bytes?.buffer].filter(Boolean);
  scope.postMessage({ id, kind, value }, buffers);
});

scope.onmessage = (/** @type {MessageEvent} */ { data: { id, call, slot, asked } }) => {
  if (call === "stop") turns.stop(asked.target);
  else turns.add(id, slot, slot === "main" || call === "png", CALLS[call](asked));
};
