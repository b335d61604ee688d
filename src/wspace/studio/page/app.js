/**
 * The studio's state, and what can be done with it. Parts of the page read the state, and change it
 * by the methods of `App` alone.
 *
 * @import {Engine} from "./engine.js"
 * @import {Entry, Item, Loading, Model, Place, Progress, Recipe, Running, Work} from "./types.js"
 */

import { Board } from "./board.js";
import { Dropped, Lost } from "./engine.js";
import { keepState, readState } from "./kept.js";
import { firstWork, fromRecipe, same, toRecipe } from "./recipe.js";
import { Live, Screen } from "./screen.js";
import { Thumbnails } from "./thumbnails.js";

const MOST_PAST = 200; // changes that can be undone
const GESTURE_MS = 800; // changes of one control within it are one change
const KEEP_MS = 250;
const QUICK_SECONDS = 10;
const MOST_RECENT = 24;

/**
 * @typedef {"explore" | "mix" | "noise" | "edit" | "walk" | "board" | "run"} Tab
 * @typedef {"connecting" | "open" | "lost" | "refused"} Connection
 * @typedef {"auto" | "light" | "dark"} Theme
 *
 * @typedef {object} Walk
 * @property {Recipe[]} keys
 * @property {number} frames of each leg
 * @property {boolean} loop
 * @property {string} kind
 * @property {number} fps
 * @property {string} format
 *
 * @typedef {object} Drag points to be dragged over the picture
 * @property {"points" | "mask" | null} tool
 * @property {[Place, Place][]} points from where to where, in pixels of the picture
 * @property {Uint8Array | null} mask height * width, 1 where it may move; null: everywhere
 * @property {number} brush radius in pixels
 *
 * @typedef {object} Task something that takes long
 * @property {string} title
 * @property {Progress} progress
 * @property {() => void} stop
 *
 * @typedef {object} State
 * @property {Connection} connection
 * @property {number} epoch counts connections: what was asked for before may be lost
 * @property {string} version
 * @property {Entry[]} models
 * @property {string[]} films formats that films can have
 * @property {Model | null} model
 * @property {string | null} opening key of the model that is being opened
 * @property {Loading | null} loading
 * @property {Work | null} work
 * @property {Work[]} past
 * @property {Work[]} future
 * @property {Record<string, {sha256: string, work: Work}>} works of other models
 * @property {Item[]} recent
 * @property {Tab} tab
 * @property {boolean} crisp
 * @property {Theme} theme
 * @property {Walk} walk
 * @property {Drag} drag
 * @property {number} seconds that a photograph is looked for
 * @property {number | null} startClass that it is looked for in; null: nobody has said
 * @property {Task | null} task
 * @property {string | null} playing what the screen shows instead of the controls' picture
 * @property {{text: string, bad: boolean, number: number} | null} message
 */

/** @type {Walk} */
const FIRST_WALK = { keys: [], frames: 24, loop: true, kind: "linear", fps: 24, format: "mp4" };

/** @type {Drag} */
const NO_DRAG = { tool: null, points: [], mask: null, brush: 6 };

export class App {
  screen = new Screen();
  /** @type {State} */
  state;
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #gesture = "";
  #changedAt = 0;
  #keepTimer = 0;
  /** @type {Record<string, any>} */
  #kept = readState();

  /** @param {Engine} engine */
  constructor(engine) {
    this.engine = engine;
    const kept = this.#kept;
    this.state = {
      connection: "connecting",
      epoch: 0,
      version: "",
      models: [],
      films: ["webp", "gif"],
      model: null,
      opening: null,
      loading: null,
      work: null,
      past: [],
      future: [],
      works: kept.works ?? {},
      recent: kept.recent ?? [],
      tab: kept.tab ?? "explore",
      crisp: kept.crisp ?? false,
      theme: kept.theme ?? "auto",
      walk: { ...FIRST_WALK, ...kept.walk },
      drag: NO_DRAG,
      seconds: kept.seconds ?? QUICK_SECONDS,
      startClass: null,
      task: null,
      playing: null,
      message: null,
    };
    this.live = new Live(engine, this.screen, (error) => this.fail(error));
    this.thumbnails = new Thumbnails(engine);
    this.board = new Board((error) => this.fail(error));
    addEventListener("pagehide", () => this.#keep());
    engine.onLoading?.((loading) => this.set({ loading }));
    engine.onState((connection) => void this.#connected(connection));
  }

  /** @param {() => void} listener */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** @param {Partial<State>} change */
  set(change) {
    this.state = { ...this.state, ...change };
    for (const listener of this.#listeners) listener();
    clearTimeout(this.#keepTimer);
    this.#keepTimer = setTimeout(() => this.#keep(), KEEP_MS);
  }

  // The recipe.

  /**
   * Take another recipe's controls as the present ones.
   *
   * @param {Work} work
   * @param {string} [gesture] changes of the same gesture that follow fast are undone together
   */
  change(work, gesture = "") {
    const { work: before, past } = this.state;
    if (!before || same(before, work)) return;
    const now = performance.now();
    const goesOn = gesture !== "" && gesture === this.#gesture && now - this.#changedAt < GESTURE_MS;
    this.#gesture = gesture;
    this.#changedAt = now;
    this.#show(work);
    const playing = null;
    this.set({ work, playing, past: goesOn ? past : [...past, before].slice(-MOST_PAST), future: [] });
  }

  undo() {
    const { work, past, future } = this.state;
    const before = past.at(-1);
    if (!work || !before || this.state.task) return;
    this.#gesture = "";
    this.#show(before);
    this.set({ work: before, past: past.slice(0, -1), future: [work, ...future] });
  }

  redo() {
    const { work, past, future } = this.state;
    if (!work || !future.length || this.state.task) return;
    this.#gesture = "";
    this.#show(future[0]);
    this.set({ work: future[0], past: [...past, work], future: future.slice(1) });
  }

  /**
   * Take over a recipe; the pictures in the tray stay there.
   *
   * @param {Recipe} recipe
   * @param {string} [gesture]
   */
  takeRecipe(recipe, gesture = "") {
    const { model, work } = this.state;
    if (!model || !work) return;
    this.change(fromRecipe(recipe, model, work.tray), gesture);
  }

  /** @param {Item} item that was looked at */
  remember(item) {
    const recent = [item, ...this.state.recent.filter((one) => !same(one, item))];
    this.set({ recent: recent.slice(0, MOST_RECENT) });
  }

  /** Draw what is to be seen, unless something that takes long has the screen. */
  draw() {
    if (this.state.playing !== null) this.set({ playing: null });
    if (this.state.work) this.#show(this.state.work);
  }

  /** @param {Work} work */
  #show(work) {
    const { model, task } = this.state;
    if (model && !task) this.live.want(model.key, toRecipe(work), model.quick_precision);
  }

  // Models.

  /** @param {string} key */
  async openModel(key) {
    const { model: before, work: lastWork, works } = this.state;
    this.set({ opening: key });
    try {
      const model = await this.engine.open(key);
      if (this.state.opening !== key) return; // another one was chosen meanwhile
      this.#adopt(model, before && lastWork ? { ...works, [before.key]: { sha256: before.sha256, work: lastWork } } : works);
    } catch (error) {
      if (this.state.opening === key) this.set({ opening: null });
      this.fail(/** @type {Error} */ (error));
    }
  }

  /**
   * @param {Model} model
   * @param {State["works"]} works
   */
  #adopt(model, works) {
    const models = this.state.models.map((one) => (one.key === model.key ? { ...one, open: true } : one));
    const isSame = this.state.model?.key === model.key;
    const kept = works[model.key];
    const fits = kept && kept.work?.layers?.length === model.num_ws;
    const work = isSame ? this.state.work : fits ? kept.work : firstWork(model);
    const { past, future, recent } = isSame
      ? this.state
      : this.#kept.key === model.key && fits && same(this.#kept.work, work)
        ? { past: this.#kept.past ?? [], future: this.#kept.future ?? [], recent: this.state.recent }
        : { past: [], future: [], recent: [] };
    const walk = isSame || this.#kept.key === model.key ? this.state.walk : { ...this.state.walk, keys: [] };
    this.#kept = {};
    const drag = isSame ? this.state.drag : { ...NO_DRAG, brush: Math.ceil(model.width / 10) };
    const startClass = isSame ? this.state.startClass : null;
    this.set({ model, models, work, past, future, recent, walk, drag, startClass, works, opening: null });
    this.draw();
  }

  /** @param {Model} model the open one, as it is now */
  updateModel(model) {
    if (this.state.model?.key !== model.key) return;
    this.set({ model });
    this.draw();
  }

  /** @param {Connection} connection */
  async #connected(connection) {
    this.set({ connection });
    if (connection !== "open") return;
    try {
      const { version, models, films = this.state.films } = await this.engine.models();
      this.set({ version, models, films });
      const wanted = this.state.model?.key ?? this.#kept.key;
      const usable = models.filter((one) => !one.error);
      const entry = usable.find((one) => one.key === wanted) ?? usable[0];
      if (!entry) return;
      if (!this.state.model) this.set({ works: { ...this.state.works, ...keptWork(this.#kept) } });
      await this.openModel(entry.key);
      this.set({ epoch: this.state.epoch + 1 });
    } catch (error) {
      this.fail(/** @type {Error} */ (error));
    }
  }

  // What takes long.

  /**
   * Do something that takes long, on the screen; null where it failed or was lost.
   *
   * @param {string} title
   * @param {(told: (progress: Progress) => void) => Running} start
   * @param {(progress: Progress) => void} [told]
   */
  async run(title, start, told = () => {}) {
    if (this.state.task) return null;
    const key = this.state.model?.key;
    this.live.rest();
    const running = start((progress) => {
      if (progress.images) this.screen.paint(progress.images, progress.images.count - 1);
      told(progress);
      if (this.state.task) this.set({ task: { ...this.state.task, progress } });
    });
    this.set({ task: { title, progress: {}, stop: running.stop } });
    try {
      const result = await running.done;
      return this.state.model?.key === key ? result : null; // another one was chosen meanwhile
    } catch (error) {
      if (error instanceof Lost) this.say(`${title}: the connection was lost. Start it again.`, true);
      else this.fail(/** @type {Error} */ (error));
      return null;
    } finally {
      this.set({ task: null });
      this.draw();
    }
  }

  // Messages.

  /**
   * @param {string} text
   * @param {boolean} [bad]
   */
  say(text, bad = false) {
    this.set({ message: { text, bad, number: (this.state.message?.number ?? 0) + 1 } });
  }

  /** @param {Error} error */
  fail(error) {
    if (error instanceof Dropped || error instanceof Lost) return;
    this.say(error.message, true);
  }

  #keep() {
    const { model, work, past, future, works, recent, tab, crisp, theme, walk, seconds } = this.state;
    if (!model || !work) return;
    const all = { ...works, [model.key]: { sha256: model.sha256, work } };
    const least = { key: model.key, work, works: all, recent, tab, crisp, theme, walk, seconds };
    keepState(
      { ...least, past, future },
      { ...least, past: past.slice(-10), future: future.slice(0, 10) },
      least,
      { ...least, works: {} },
    );
  }
}

/** @param {Record<string, any>} kept */
function keptWork(kept) {
  return kept.key && kept.work ? { [kept.key]: { sha256: "", work: kept.work } } : {};
}
