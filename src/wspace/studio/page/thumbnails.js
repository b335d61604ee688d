/**
 * Small pictures: asked for together, and kept while they may be shown again.
 *
 * @import {Engine} from "./engine.js"
 * @import {Recipe} from "./types.js"
 */

import { imageData } from "./screen.js";

const MOST_KEPT = 256;
const MOST_AT_ONCE = 16; // so that the big picture does not wait long behind them

/**
 * @typedef {object} Wish
 * @property {string} name
 * @property {string} model
 * @property {Recipe} recipe
 * @property {(data: ImageData) => void} resolve
 * @property {(error: unknown) => void} reject
 */

export class Thumbnails {
  #engine;
  /** @type {Map<string, Promise<ImageData>>} */
  #kept = new Map();
  /** @type {Wish[]} */
  #wishes = [];

  /** @param {Engine} engine */
  constructor(engine) {
    this.#engine = engine;
  }

  /**
   * @param {string} model
   * @param {Recipe} recipe
   * @param {string} [version] of the model
   * @returns {Promise<ImageData>}
   */
  get(model, recipe, version = "") {
    const name = JSON.stringify([model, version, recipe]);
    const known = this.#kept.get(name);
    if (known) {
      this.#kept.delete(name);
      this.#kept.set(name, known); // the newest
      return known;
    }
    /** @type {Promise<ImageData>} */
    const made = new Promise((resolve, reject) => {
      if (!this.#wishes.length) setTimeout(() => void this.#ask());
      this.#wishes.push({ name, model, recipe, resolve, reject });
    });
    this.#kept.set(name, made);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(oldest);
    return made;
  }

  async #ask() {
    while (this.#wishes.length) {
      const { model } = this.#wishes[0];
      const now = this.#wishes.filter((wish) => wish.model === model).slice(0, MOST_AT_ONCE);
      this.#wishes = this.#wishes.filter((wish) => !now.includes(wish));
      try {
        const { images } = await this.#engine.render(model, now.map((wish) => wish.recipe));
        now.forEach((wish, number) => wish.resolve(imageData(images, number)));
      } catch (error) {
        for (const wish of now) {
          this.#kept.delete(wish.name);
          wish.reject(error);
        }
      }
    }
  }
}
