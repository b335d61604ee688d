/**
 * Walk: key pictures, played in the page, and films of them.
 *
 * @import {App, Walk} from "../app.js"
 * @import {Images, Model, Recipe} from "../types.js"
 */

import { Button, Check, Choice, Section, Slider, Thumb, useApp } from "../controls.js";
import { saveFile } from "../files.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { describe, fromRecipe, same, toRecipe } from "../recipe.js";
import { imageData } from "../screen.js";

const MOST_KEYS = 32;
const MOST_FRAMES = 1500; // that the page keeps for playing
const MOST_BYTES = 512 * 2 ** 20; // of them

/** @type {[string, string][]} */
const KINDS = [
  ["linear", "Straight"],
  ["spline", "Smooth"],
  ["slerp", "Through z"],
];
/** @type {Record<string, string>} */
const FORMATS = { mp4: "MP4", webp: "WebP", gif: "GIF" };

/** @param {{app: App}} props */
export function WalkTab({ app }) {
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  const walk = useApp(app, (state) => state.walk);
  const films = useApp(app, (state) => state.films);
  if (!model || !work) return null;
  const set = (/** @type {Partial<Walk>} */ change) => app.set({ walk: { ...app.state.walk, ...change } });
  const { keys } = walk;
  const here = toRecipe(work);
  const total = frameCount(keys.length, walk);
  const format = films.includes(walk.format) ? walk.format : films[0];
  const canSlerp = keys.every((key) => key.sources.every((source) => source.seed !== undefined));
  const kinds = canSlerp ? KINDS : KINDS.slice(0, 2);
  const most = Math.min(MOST_FRAMES, Math.floor(MOST_BYTES / (4 * model.width * model.height)));
  const ready = keys.length > 1 && total <= most;
  const request = {
    recipes: keys,
    frames: walk.frames,
    loop: walk.loop,
    kind: kinds.some(([kind]) => kind === walk.kind) ? walk.kind : "linear",
  };
  const film = async () => {
    const result = await app.run("Film", (told) =>
      app.engine.film(model.key, { ...request, format, fps: walk.fps }, told),
    );
    if (result?.file) saveFile(result.file);
  };
  return html`<${Section}
      title="Key pictures"
      about="The walk goes from picture to picture."
      actions=${html`<${Button}
        icon="add"
        kind="small"
        label="Add this picture to the walk"
        text="Add this picture"
        disabled=${keys.length >= MOST_KEYS || same(keys.at(-1), here)}
        onClick=${() => set({ keys: [...keys, here] })}
      />`}
    >
      ${
        keys.length === 0
          ? html`<p class="nothing">No key yet: find a picture, add it, find the next one.</p>`
          : html`<ol class="keys">
              ${keys.map((key, number) => html`<${Key} key=${number} app=${app} model=${model} recipe=${key} number=${number} set=${set} />`)}
            </ol>`
      }
    <//>
    <${Section} title="Way">
      <${Choice} label="Path" options=${kinds} value=${request.kind} onChange=${(/** @type {string} */ kind) => set({ kind })} />
      <${Slider} label="Frames of each leg" value=${walk.frames} usual=${24} min=${2} max=${120} most=${600} step=${1} onChange=${(/** @type {number} */ frames) => set({ frames })} />
      <${Slider} label="Frames a second" value=${walk.fps} usual=${24} min=${1} max=${60} step=${1} onChange=${(/** @type {number} */ fps) => set({ fps })} />
      <${Check} label="Back to the first at the end" checked=${walk.loop} onChange=${(/** @type {boolean} */ loop) => set({ loop })} />
    <//>
    ${
      keys.length > 1 &&
      html`<${Section} title=${`${(total / walk.fps).toFixed(1)} seconds`} about=${ready ? "" : `More than ${most} frames: take fewer for each leg.`}>
        <${Player} app=${app} model=${model} request=${request} fps=${walk.fps} ready=${ready} />
        ${
          model.can.includes("film") &&
          html`<div class="row">
            <${Choice} label="Film" options=${films.map((one) => [one, FORMATS[one] ?? one])} value=${format} onChange=${(/** @type {string} */ format) => set({ format })} />
            <${Button} icon="down" label="Save the film" text="Save the film" disabled=${!ready} onClick=${film} />
          </div>`
        }
      <//>`
    }`;
}

/**
 * @param {{app: App, model: Model, recipe: Recipe, number: number,
 *     set: (change: Partial<Walk>) => void}} props
 */
function Key({ app, model, recipe, number, set }) {
  const { keys } = app.state.walk;
  const name = `Key ${number + 1}`;
  const move = (/** @type {number} */ by) => {
    const next = [...keys];
    const [one] = next.splice(number, 1);
    next.splice(number + by, 0, one);
    set({ keys: next });
  };
  let about = "";
  try {
    about = describe(fromRecipe(recipe, model), model);
  } catch {
    about = "of another model";
  }
  return html`<li class="card">
    <button type="button" class="tile" aria-label=${`Show key ${number + 1}: ${about}`} title=${about} onClick=${() => app.takeRecipe(recipe)}>
      <${Thumb} app=${app} recipe=${recipe} alt="" />
    </button>
    <div class="card-actions">
      <${Button} icon="earlier" kind="tiny" label=${`${name}: earlier`} disabled=${number === 0} onClick=${() => move(-1)} />
      <${Button} icon="close" kind="tiny" label=${`${name}: remove`} onClick=${() => set({ keys: keys.filter((_, at) => at !== number) })} />
      <${Button} icon="later" kind="tiny" label=${`${name}: later`} disabled=${number === keys.length - 1} onClick=${() => move(1)} />
    </div>
  </li>`;
}

/**
 * Plays the walk on the big picture: as it comes, then again from what has come.
 *
 * @param {{app: App, model: Model, request: import("../engine.js").WalkRequest, fps: number,
 *     ready: boolean}} props
 */
function Player({ app, model, request, fps, ready }) {
  const [frames, setFrames] = useState(/** @type {ImageData[]} */ ([]));
  const [at, setAt] = useState(0);
  const [plays, setPlays] = useState(false);
  const made = useRef("");
  const name = JSON.stringify([model.key, model.sha256, request]);
  const total = frameCount(request.recipes.length, request);
  useEffect(() => {
    setPlays(false);
    setFrames([]);
    setAt(0);
    made.current = "";
    return () => app.draw(); // the picture of the controls again
  }, [name]);
  useEffect(() => {
    if (!plays || !frames.length) return;
    let asked = 0;
    let started = 0;
    const first = at >= frames.length - 1 && made.current === name ? 0 : at;
    const tick = (/** @type {number} */ now) => {
      started ||= now;
      const step = first + Math.floor(((now - started) * fps) / 1000);
      const last = frames.length - 1;
      const next = request.loop && made.current === name ? step % frames.length : Math.min(step, last);
      setAt(next);
      show(frames[next]);
      if (next === last && !request.loop && made.current === name) setPlays(false);
      else asked = requestAnimationFrame(tick);
    };
    asked = requestAnimationFrame(tick);
    return () => cancelAnimationFrame(asked);
  }, [plays, frames.length > 0, made.current, fps]);
  const show = (/** @type {ImageData} */ data) => {
    app.live.rest();
    app.screen.put(data);
    if (app.state.playing === null) app.set({ playing: `walk of ${request.recipes.length} key pictures` });
  };
  const fetchAll = async () => {
    /** @type {ImageData[]} */
    const come = [];
    const result = await app.run(
      "Walk",
      (told) => app.engine.walk(model.key, request, told),
      ({ images }) => images && come.push(...pictures(images)),
    );
    if (!result || result.stopped || !come.length) return;
    made.current = name;
    setFrames(come);
    setAt(0);
    setPlays(true);
  };
  const play = () => {
    if (plays) setPlays(false);
    else if (made.current === name) setPlays(true);
    else void fetchAll();
  };
  return html`<div class="player">
    <${Button} icon=${plays ? "pause" : "play"} kind="main" label=${plays ? "Pause" : "Play"} text=${plays ? "Pause" : "Play"} disabled=${!ready} onClick=${play} />
    <input
      type="range"
      aria-label="Frame"
      min="0"
      max=${Math.max(total - 1, 1)}
      step="1"
      value=${at}
      disabled=${!frames.length}
      onInput=${(/** @type {any} */ event) => {
        const to = Math.min(Number(event.target.value), frames.length - 1);
        setPlays(false);
        setAt(to);
        show(frames[to]);
      }}
    />
    <span class="note">${at + 1} / ${total}</span>
  </div>`;
}

/**
 * @param {number} keys
 * @param {{frames: number, loop: boolean}} walk
 */
function frameCount(keys, { frames, loop }) {
  return loop ? keys * frames : Math.max(keys - 1, 0) * frames + 1;
}

/** @param {Images} images */
function pictures(images) {
  return Array.from({ length: images.count }, (_, number) => imageData(images, number));
}
