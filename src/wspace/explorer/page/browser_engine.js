/**
 * The engine that is this browser: graphs of a model, run by ONNX Runtime Web in a worker.
 *
 * @import {Engine} from "../../studio/page/engine.js"
 * @import {Running} from "../../studio/page/types.js"
 * @import {Contents, ExportedModel, Packed} from "./types.js"
 */

import { Dropped } from "../../studio/page/engine.js";
import { read } from "./packed.js";

const MOST_THREADS = 4;
const FAR_SIDE = 16; // pixels
const TELL_MS = 100; // between two words of how much has come
const MOST_DIFFERENCE = 16; // steps of 1/255 that a graphics card's first picture may be off

/**
 * @typedef {object} Waiting a call without its last answer
 * @property {(value: any) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {(value: any) => void} progress
 */

/** @implements {Engine} */
export class BrowserEngine {
  #contents;
  #newWorker;
  /** @type {Promise<Worker> | null} */
  #worker = null;
  /** @type {"webgpu" | "wasm" | null} */
  #provider = null;
  #id = 0;
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  /** @type {Parameters<NonNullable<Engine["onLoading"]>>[0]} */
  #loading = () => {};
  /** @type {Map<string, Promise<void>>} models that are open, or about to be, by their keys */
  #opened = new Map();

  /**
   * @param {Contents} contents
   * @param {() => Worker} newWorker
   */
  constructor(contents, newWorker) {
    this.#contents = contents;
    this.#newWorker = newWorker;
  }

  /** @type {Engine["onState"]} */
  onState(listener) {
    setTimeout(() => listener("open"));
  }

  /** @type {NonNullable<Engine["onLoading"]>} */
  onLoading(listener) {
    this.#loading = listener;
  }

  /** @type {Engine["models"]} */
  async models() {
    const { version, models } = this.#contents;
    return { version, models: models.map(({ model }) => model), films: [] };
  }

  /** @type {Engine["open"]} */
  async open(key) {
    const { model } = this.#exported(key);
    try {
      await this.#ready(key);
    } finally {
      this.#loading(null);
    }
    return model;
  }

  /**
   * The model's graphs are there; after another one took their place, once more.
   *
   * @param {string} key
   */
  #ready(key) {
    let opened = this.#opened.get(key);
    if (!opened) {
      opened = this.#open(this.#exported(key));
      this.#opened.set(key, opened);
      opened.catch(() => this.#opened.delete(key));
    }
    return opened;
  }

  /** @param {string} key */
  #exported(key) {
    const found = this.#contents.models.find(({ model }) => model.key === key);
    if (!found) throw new Error("There is no such model here.");
    return found;
  }

  /** @param {ExportedModel} exported */
  async #open(exported) {
    const { mapping, synthesis, defaults } = exported.graphs;
    this.#provider ??= await this.#chosen();
    const runtime = this.#contents.runtime[this.#provider];
    const progress = new Loading(exported, [mapping, synthesis, defaults], this.#loading);
    if (!this.#worker && runtime) progress.add(runtime.binary);
    progress.tell();
    this.#worker ??= this.#start(progress);
    const files = [mapping, synthesis, defaults].map((one) => read(one, (bytes) => progress.has(one, bytes)));
    const [[a, b, c]] = await Promise.all([Promise.all(files), this.#worker]);
    progress.made();
    const graphs = { mapping: a, synthesis: b, defaults: c };
    try {
      await this.#ask("open", { exported, graphs }, { transfer: [a, b, c] }).done;
      if (this.#provider === "webgpu") await this.#check(exported);
    } catch (error) {
      if (this.#provider !== "webgpu") throw error;
      await this.#end();
      this.#provider = "wasm"; // what the graphics card cannot do, the processor can
      await this.#open(exported);
    }
  }

  /** @returns {Promise<"webgpu" | "wasm">} what is to draw */
  async #chosen() {
    const wanted = new URLSearchParams(location.search).get("draw");
    const { webgpu } = this.#contents.runtime;
    const { gpu } = /** @type {any} */ (navigator);
    // The runtime's build for graphics cards waits for them by a way that not every browser has.
    if (wanted === "wasm" || !webgpu || !gpu || !("Suspending" in WebAssembly)) return "wasm";
    try {
      const adapter = await gpu.requestAdapter();
      const isSlow = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter ?? false;
      return adapter && (!isSlow || wanted === "webgpu") ? "webgpu" : "wasm";
    } catch {
      return "wasm";
    }
  }

  /** @param {Loading} progress */
  async #start(progress) {
    const provider = this.#provider ?? "wasm";
    const { version } = this.#contents.runtime;
    const { script, binary } = this.#contents.runtime[provider] ?? this.#contents.runtime.wasm;
    const worker = this.#newWorker();
    worker.onmessage = ({ data }) => this.#answer(data);
    /** @type {Promise<never>} */
    const broken = new Promise((_, reject) => {
      worker.onerror = ({ message = "the worker does not start" }) => {
        const error = new Error(`Drawing has failed: ${message}.`);
        this.#fail(error);
        reject(error);
      };
    });
    broken.catch(() => {}); // told to those who wait
    try {
      // A core is left to the page: threads that wait for one another are slow where they have to share.
      const cores = Math.max((navigator.hardwareConcurrency || 1) - 1, 1);
      const threads = crossOriginIsolated ? Math.min(MOST_THREADS, cores) : 1;
      const whole = read(binary, (bytes) => progress.has(binary, bytes));
      const content = await Promise.race([whole, broken]);
      const asked = { script: new URL(script, document.baseURI).href, binary: content, version, provider, threads };
      await Promise.race([this.#ask("start", asked, { worker, transfer: [content] }).done, broken]);
      return worker;
    } catch (error) {
      worker.terminate();
      this.#worker = null;
      throw error;
    }
  }

  /**
   * Whether the graphics card draws what wspace draws; some drivers do not.
   *
   * @param {ExportedModel} exported
   */
  async #check({ model, preview, previewed }) {
    const { images } = await this.#ask("render", { model: model.key, recipes: [previewed] }).done;
    const picture = new Image();
    picture.src = preview;
    await picture.decode();
    const expected = await seenFromAfar(picture);
    const drawn = await seenFromAfar(new ImageData(images.pixels, images.width, images.height));
    const isOff = expected.some((one, place) => Math.abs(one - drawn[place]) > MOST_DIFFERENCE);
    if (isOff) throw new Error("The graphics card draws another picture.");
  }

  async #end() {
    const worker = await this.#worker;
    worker?.terminate();
    this.#worker = null;
    this.#opened.clear();
  }

  /** @param {Error} error */
  #fail(error) {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const call of waiting) call.reject(error);
  }

  /** @param {{id: number, kind: string, value: any}} answer */
  #answer({ id, kind, value }) {
    const call = this.#waiting.get(id);
    if (!call) return;
    if (kind === "progress") {
      call.progress(value);
      return;
    }
    this.#waiting.delete(id);
    if (kind === "error") call.reject(new Error(value));
    else if (kind === "dropped") call.reject(new Dropped("A newer one came."));
    else call.resolve({ ...value, stopped: kind === "stopped" });
  }

  /**
   * @param {string} call
   * @param {object} asked
   * @param {{slot?: string | null, worker?: Worker, transfer?: Transferable[],
   *     progress?: (value: any) => void}} more
   * @returns {{id: number, done: Promise<any>}}
   */
  #ask(call, asked, { slot = null, worker, transfer = [], progress = () => {} } = {}) {
    const id = ++this.#id;
    const done = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, progress });
      const post = (/** @type {Worker} */ to) => to.postMessage({ id, call, slot, asked }, transfer);
      const started = worker ?? this.#worker;
      if (!started) throw new Error("What draws is not there any more: choose the model again.");
      Promise.resolve(started).then(post).catch(reject);
    });
    return { id, done };
  }

  /** @type {Engine["render"]} */
  async render(model, recipes, slot) {
    await this.#ready(model);
    return await this.#ask("render", { model, recipes }, { slot }).done;
  }

  /** @type {Engine["png"]} */
  async png(model, recipe) {
    await this.#ready(model);
    return await this.#ask("png", { model, recipe }).done;
  }

  /** @type {Engine["deviation"]} */
  async deviation(model, recipe, count) {
    await this.#ready(model);
    return (await this.#ask("deviation", { model, recipe, count }, { slot: "deviation" }).done).images;
  }

  /** @type {Engine["neighbours"]} */
  async neighbours(model, recipe, step, seed) {
    await this.#ready(model);
    return await this.#ask("neighbours", { model, recipe, step, seed }, { slot: "neighbours" }).done;
  }

  /** @type {Engine["walk"]} */
  walk(model, walk, progress) {
    const { id, done } = this.#ask("walk", { model, ...walk }, { progress });
    return { done, stop: () => void this.#ask("stop", { target: id }) };
  }

  /** @type {Engine["code"]} */
  async code(model, recipe) {
    const { command, python } = this.#exported(model);
    return { command, python, file: { name: "recipe.json", text: `${JSON.stringify(recipe)}\n` } };
  }

  // What this engine cannot do; no model says that it can.

  /** @type {Engine["sheet"]} */
  sheet = absent;
  /** @type {Engine["renameDirection"]} */
  renameDirection = absent;
  /** @type {Engine["run"]} */
  run = absent;
  /** @type {Engine["runSheet"]} */
  runSheet = absent;
  /** @type {Engine["reload"]} */
  reload = absent;
  /** @type {Engine["invert"]} */
  invert = absentRunning;
  /** @type {Engine["drag"]} */
  drag = absentRunning;
  /** @type {Engine["film"]} */
  film = absentRunning;
}

/**
 * The few pixels that are left of a picture from afar, so that it does not count how it was packed.
 *
 * @param {ImageBitmapSource} picture
 */
async function seenFromAfar(picture) {
  const [width, height] = [FAR_SIDE, FAR_SIDE];
  const options = /** @type {const} */ ({ resizeWidth: width, resizeHeight: height, resizeQuality: "high" });
  const context = new OffscreenCanvas(width, height).getContext("2d");
  context?.drawImage(await createImageBitmap(picture, options), 0, 0);
  return context?.getImageData(0, 0, width, height).data ?? new Uint8ClampedArray();
}

/** @returns {Promise<never>} */
async function absent() {
  throw new Error("This page cannot do that: it needs wspace itself.");
}

/** @returns {Running} */
function absentRunning() {
  return { done: absent(), stop: () => {} };
}

/** How much of what a model needs is there. */
class Loading {
  /** @type {Map<Packed, number>} */
  #has = new Map();
  #isMade = false;
  #toldAt = -TELL_MS;

  /**
   * @param {ExportedModel} exported
   * @param {Packed[]} files of the model
   * @param {Parameters<NonNullable<Engine["onLoading"]>>[0]} listener
   */
  constructor({ model, preview }, files, listener) {
    this.title = model.title;
    this.preview = preview;
    this.listener = listener;
    this.files = files;
    /** @type {Packed[]} */
    this.runtime = [];
  }

  /** @param {Packed} file of the runtime */
  add(file) {
    this.runtime.push(file);
  }

  /**
   * @param {Packed} file
   * @param {number} bytes
   */
  has(file, bytes) {
    this.#has.set(file, bytes);
    if (performance.now() - this.#toldAt >= TELL_MS) this.tell();
  }

  made() {
    this.#isMade = true;
    this.tell();
  }

  tell() {
    this.#toldAt = performance.now();
    const sum = (/** @type {Packed[]} */ files) => files.reduce((all, one) => all + one.bytes, 0);
    const there = (/** @type {Packed[]} */ files) => files.reduce((all, one) => all + (this.#has.get(one) ?? 0), 0);
    const part = (/** @type {string} */ name, /** @type {Packed[]} */ files) =>
      files.length ? [`${name} ${megabytes(there(files))} of ${megabytes(sum(files))} MB`] : [];
    const parts = [...part(this.title, this.files), ...part("runtime", this.runtime)];
    const all = [...this.files, ...this.runtime];
    const text = this.#isMade ? `Making ${this.title} ready …` : `Loading ${parts.join(", ")}`;
    this.listener({ text, done: there(all), total: sum(all), preview: this.preview });
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}
