/**
 * The big picture, and who paints it.
 *
 * @import {Engine} from "./engine.js"
 * @import {Images, Recipe} from "./types.js"
 */

import { Dropped, Lost } from "./engine.js";

/** A canvas that shows pictures, and the last one again when it is put into the page anew. */
export class Screen {
  /** @type {HTMLCanvasElement | null} */
  #canvas = null;
  /** @type {ImageData | null} */
  #shown = null;
  #busy = true;

  /** @param {HTMLCanvasElement | null} canvas */
  attach(canvas) {
    this.#canvas = canvas;
    if (canvas) canvas.ariaBusy = String(this.#busy);
    this.#draw();
  }

  /**
   * @param {Images} images
   * @param {number} [number] which of them
   */
  paint(images, number = 0) {
    this.put(imageData(images, number));
  }

  /** @param {ImageData} data */
  put(data) {
    this.#shown = data;
    this.#draw();
  }

  /** @param {boolean} busy whether another picture is on its way */
  expect(busy) {
    this.#busy = busy;
    if (this.#canvas) this.#canvas.ariaBusy = String(busy);
  }

  /** @returns {Promise<Blob | null>} what is shown, as a PNG without a recipe */
  async blob() {
    return await new Promise((resolve) =>
      this.#canvas ? this.#canvas.toBlob(resolve) : resolve(null),
    );
  }

  #draw() {
    if (this.#canvas && this.#shown) paintOn(this.#canvas, this.#shown);
  }
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {ImageData} data
 */
export function paintOn(canvas, data) {
  if (canvas.width !== data.width || canvas.height !== data.height) {
    canvas.width = data.width;
    canvas.height = data.height;
  }
  canvas.getContext("2d")?.putImageData(data, 0, 0);
}

/**
 * One of several pictures, without copying.
 *
 * @param {Images} images
 * @param {number} number
 */
export function imageData({ width, height, pixels }, number) {
  const size = 4 * width * height;
  return new ImageData(pixels.subarray(number * size, (number + 1) * size), width, height);
}

const SLOW_MS = 100; // a picture that takes longer is drawn quickly while the hand moves
const STILL_MS = 150; // after so long without another wish the hand rests

/**
 * Draws what is wanted: one picture is on its way at a time, and the newest wish is the next.
 *
 * Large pictures follow the hand in the precision that is quick on this machine, and are drawn in
 * their own when it rests.
 */
export class Live {
  #engine;
  #screen;
  #fail;
  /** @type {{model: string, recipe: Recipe, quick: string | undefined} | null} */
  #wanted = null;
  #busy = false;
  #slow = ""; // the model whose last picture took long
  #wake = () => {}; // ends the wait for the hand to rest
  #turn = 0; // what was wanted in an earlier one is not shown

  /**
   * @param {Engine} engine
   * @param {Screen} screen
   * @param {(error: Error) => void} fail
   */
  constructor(engine, screen, fail) {
    this.#engine = engine;
    this.#screen = screen;
    this.#fail = fail;
  }

  /**
   * @param {string} model
   * @param {Recipe} recipe
   * @param {string} [quick] the precision that is quick for this model
   */
  want(model, recipe, quick) {
    this.#wanted = { model, recipe, quick };
    this.#wake();
    if (!this.#busy) void this.#run();
  }

  /** Forget what is wanted; what is on its way is not shown any more. */
  rest() {
    this.#wanted = null;
    this.#turn++;
    this.#wake();
  }

  async #run() {
    this.#busy = true;
    this.#screen.expect(true);
    while (this.#wanted) {
      const { model, recipe, quick = recipe.precision } = this.#wanted;
      const turn = this.#turn;
      const sketched = this.#slow === model && quick !== recipe.precision;
      const drawn = sketched ? { ...recipe, precision: quick } : recipe;
      this.#wanted = null;
      try {
        const started = performance.now();
        const { images } = await this.#engine.render(model, [drawn], "main");
        if (!sketched) this.#slow = performance.now() - started > SLOW_MS ? model : "";
        if (turn === this.#turn) this.#screen.paint(images);
        if (sketched && !this.#wanted) {
          await this.#stillness();
          if (turn === this.#turn) this.#wanted ??= { model, recipe, quick: recipe.precision };
        }
      } catch (error) {
        // What is lost is asked for again when the connection is back.
        if (error instanceof Lost || error instanceof Dropped) continue;
        if (turn === this.#turn) this.#fail(/** @type {Error} */ (error));
      }
    }
    this.#busy = false;
    this.#screen.expect(false);
  }

  /** @returns {Promise<void>} until the hand rests, or something else is wanted */
  #stillness() {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, STILL_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
