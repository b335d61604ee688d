/**
 * The engine that is a server: `wspace studio`, asked over a WebSocket.
 *
 * @import {Engine} from "./engine.js"
 * @import {Images, NamedFile, Progress, Running} from "./types.js"
 */

import { Dropped, Lost } from "./engine.js";

const FIRST_WAIT = 250; // ms until it is tried again
const LONGEST_WAIT = 4000;

/**
 * @typedef {object} Waiting a call without its last answer
 * @property {string | ArrayBuffer} frame
 * @property {(answer: Answer) => void} resolve
 * @property {(error: Error) => void} reject
 * @property {(answer: Answer) => void} progress
 *
 * @typedef {object} Answer
 * @property {any} head
 * @property {Uint8Array<ArrayBuffer>} payload
 */

/** @implements {Engine} */
export class ServerEngine {
  /** @type {WebSocket | null} */
  #socket = null;
  #id = 0;
  #wait = FIRST_WAIT;
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  /** @type {(state: "connecting" | "open" | "lost" | "refused") => void} */
  #listener = () => {};
  #address;

  /** @param {string} address ws://... */
  constructor(address) {
    this.#address = address;
  }

  /** @type {Engine["onState"]} */
  onState(listener) {
    this.#listener = listener;
    listener("connecting");
    this.#connect();
    addEventListener("online", () => this.#connect());
  }

  #connect() {
    if (this.#socket) return;
    const socket = new WebSocket(this.#address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    let wasOpen = false;
    socket.onopen = () => {
      wasOpen = true;
      this.#wait = FIRST_WAIT;
      this.#listener("open");
    };
    socket.onmessage = (event) => {
      if (event.data instanceof ArrayBuffer) this.#answer(event.data);
    };
    socket.onclose = (event) => {
      this.#socket = null;
      const waiting = [...this.#waiting.values()];
      this.#waiting.clear();
      this.#listener(event.code === 4403 ? "refused" : "lost");
      if (!wasOpen) void this.#askWhy();
      for (const call of waiting) call.reject(new Lost("The connection was lost."));
      setTimeout(() => this.#connect(), this.#wait);
      this.#wait = Math.min(2 * this.#wait, LONGEST_WAIT);
    };
  }

  /** A browser does not say why a connection did not come about: the page itself may be refused. */
  async #askWhy() {
    try {
      if ((await fetch("/", { method: "HEAD" })).status === 403) this.#listener("refused");
    } catch {
      // nobody answers
    }
  }

  /** @param {ArrayBuffer} frame */
  #answer(frame) {
    const size = new DataView(frame).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(frame, 4, size)));
    const answer = { head, payload: new Uint8Array(frame, 4 + size) };
    const call = this.#waiting.get(head.id);
    if (!call) return;
    if (head.kind === "progress") {
      call.progress(answer);
      return;
    }
    this.#waiting.delete(head.id);
    if (head.kind === "error") call.reject(new Error(head.message));
    else if (head.kind === "dropped") call.reject(new Dropped("A newer one came."));
    else call.resolve(answer);
  }

  /**
   * Ask, once.
   *
   * @param {string} call
   * @param {object} data
   * @param {{payload?: Uint8Array | null, progress?: (answer: Answer) => void}} more
   * @returns {{id: number, done: Promise<Answer>}}
   */
  #ask(call, data = {}, { payload = null, progress = () => {} } = {}) {
    const id = ++this.#id;
    const text = JSON.stringify({ id, call, slot: null, ...data });
    /** @type {Promise<Answer>} */
    const done = new Promise((resolve, reject) => {
      if (this.#socket?.readyState !== WebSocket.OPEN) {
        reject(new Lost("There is no connection."));
        return;
      }
      const frame = payload ? joined(text, payload) : text;
      this.#waiting.set(id, { frame, resolve, reject, progress });
      this.#socket.send(frame);
    });
    return { id, done };
  }

  /**
   * Ask for something that takes long.
   *
   * @param {string} call
   * @param {object} data
   * @param {Uint8Array | null} payload
   * @param {(progress: Progress) => void} progress
   * @returns {Running}
   */
  #start(call, data, payload, progress) {
    const told = (/** @type {Answer} */ answer) => progress(progressOf(answer));
    const { id, done } = this.#ask(call, data, { payload, progress: told });
    return {
      done: done.then((answer) => ({
        ...progressOf(answer),
        file: answer.head.name ? fileOf(answer) : undefined,
        stopped: answer.head.kind === "stopped",
      })),
      stop: () => void this.#ask("stop", { target: id }).done.catch(() => {}),
    };
  }

  /** @type {Engine["models"]} */
  async models() {
    return (await this.#ask("models").done).head;
  }

  /** @type {Engine["open"]} */
  async open(model) {
    return modelOf(await this.#ask("open", { model }).done);
  }

  /** @type {Engine["render"]} */
  async render(model, recipes, slot) {
    const answer = await this.#ask("render", { model, recipes, slot: slot ?? null }).done;
    return { images: imagesOf(answer), recipes: answer.head.recipes };
  }

  /** @type {Engine["png"]} */
  async png(model, recipe) {
    return fileOf(await this.#ask("png", { model, recipe }).done);
  }

  /** @type {Engine["sheet"]} */
  async sheet(model, sheet) {
    const answer = await this.#ask("sheet", { model, ...sheet }).done;
    return { name: answer.head.name ?? `${sheet.kind}.png`, bytes: answer.payload };
  }

  /** @type {Engine["deviation"]} */
  async deviation(model, recipe, count) {
    return imagesOf(await this.#ask("deviation", { model, recipe, count, slot: "deviation" }).done);
  }

  /** @type {Engine["neighbours"]} */
  async neighbours(model, recipe, step, seed) {
    const data = { model, recipe, step, seed, slot: "neighbours" };
    const answer = await this.#ask("neighbours", data).done;
    return { images: imagesOf(answer), recipes: answer.head.recipes };
  }

  /** @type {Engine["invert"]} */
  invert(model, picture, how, progress) {
    return this.#start("invert", { model, ...how }, picture, progress);
  }

  /** @type {Engine["drag"]} */
  drag(model, recipe, points, mask, steps, progress) {
    return this.#start("drag", { model, recipe, points, steps }, mask, progress);
  }

  /** @type {Engine["walk"]} */
  walk(model, walk, progress) {
    return this.#start("walk", { model, ...walk }, null, progress);
  }

  /** @type {Engine["film"]} */
  film(model, walk, progress) {
    return this.#start("film", { model, ...walk }, null, progress);
  }

  /** @type {Engine["renameDirection"]} */
  async renameDirection(model, name, to) {
    return modelOf(await this.#ask("rename_direction", { model, name, to }).done);
  }

  /** @type {Engine["code"]} */
  async code(model, recipe) {
    return (await this.#ask("code", { model, recipe }).done).head;
  }

  /** @type {Engine["run"]} */
  async run(model) {
    return (await this.#ask("run", { model }).done).head;
  }

  /** @type {Engine["runSheet"]} */
  async runSheet(model, name) {
    return (await this.#ask("run_sheet", { model, name }).done).payload;
  }

  /** @type {Engine["reload"]} */
  async reload(model) {
    return modelOf(await this.#ask("reload", { model }).done);
  }
}

/**
 * A binary frame: the head's length, the head, the payload.
 *
 * @param {string} text
 * @param {Uint8Array} payload
 */
function joined(text, payload) {
  const head = new TextEncoder().encode(text);
  const frame = new Uint8Array(4 + head.length + payload.length);
  new DataView(frame.buffer).setUint32(0, head.length);
  frame.set(head, 4);
  frame.set(payload, 4 + head.length);
  return frame.buffer;
}

/**
 * @param {Answer} answer
 * @returns {Images}
 */
function imagesOf({ head, payload }) {
  const { width, height, count } = head.images;
  const pixels = new Uint8ClampedArray(payload.buffer, payload.byteOffset, payload.byteLength);
  return { width, height, count, pixels };
}

/**
 * @param {Answer} answer
 * @returns {Progress}
 */
function progressOf(answer) {
  const { id: _id, kind: _kind, images, ...facts } = answer.head;
  return images ? { ...facts, images: imagesOf(answer) } : facts;
}

/**
 * @param {Answer} answer
 * @returns {NamedFile}
 */
function fileOf({ head, payload }) {
  return { name: head.name, bytes: payload };
}

/**
 * @param {Answer} answer
 * @returns {import("./types.js").Model}
 */
function modelOf({ head }) {
  return head.model;
}
