/**
 * Pictures that somebody likes: their recipes, with a small picture of each.
 *
 * @import {Model, Recipe} from "./types.js"
 */

import { Shelf } from "./kept.js";

/**
 * @typedef {object} Favourite
 * @property {string} id in the order of time
 * @property {string} model key of the model
 * @property {string} title of the model
 * @property {Recipe} recipe
 * @property {string} about
 * @property {Blob} picture a PNG
 */

export class Board {
  /** @type {Favourite[]} the newest first */
  all = [];
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {Shelf<Favourite>} */
  #shelf = new Shelf(() => void this.#read());
  #fail;

  /** @param {(error: Error) => void} fail */
  constructor(fail) {
    this.#fail = fail;
    void this.#read();
  }

  /** @param {() => void} listener */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * @param {Model} model
   * @param {Recipe} recipe
   * @param {string} about
   * @param {Blob} picture
   */
  async add(model, recipe, about, picture) {
    const id = `${String(Date.now()).padStart(15, "0")}-${Math.random().toString(36).slice(2, 10)}`;
    await this.put({ id, model: model.key, title: model.title, recipe, about, picture });
    return id;
  }

  /** @param {Favourite} favourite */
  async put(favourite) {
    try {
      await this.#shelf.put(favourite);
    } catch (error) {
      this.#fail(new Error(`The browser did not keep it: ${error}`));
    }
    await this.#read();
  }

  /** @param {string} id */
  async remove(id) {
    await this.#shelf.remove(id);
    await this.#read();
  }

  async #read() {
    try {
      this.all = (await this.#shelf.all()).reverse();
    } catch {
      this.all = []; // a browser that keeps nothing
    }
    for (const listener of this.#listeners) listener();
  }
}
