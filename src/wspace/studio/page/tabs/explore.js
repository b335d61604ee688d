/**
 * Explore: seed, class, truncation, and the neighbourhood of the picture.
 *
 * @import {App} from "../app.js"
 * @import {Item, Model, Recipe, Work} from "../types.js"
 */

import {
  Button, NumberField, Picture, Section, Select, Slider, Thumb, useApp, useOwnId, useSettled,
} from "../controls.js";
import { Dropped, Lost } from "../engine.js";
import { saveFile } from "../files.js";
import { html, useEffect, useMemo, useState } from "../html.js";
import {
  GROUPS, MAX_SEED, className, gathered, itemName, randomSeed, same, seedItem, spread,
  toRecipe, withItem, withLayers, withOnly,
} from "../recipe.js";
import { imageData } from "../screen.js";

const NEIGHBOURS_MS = 250;
const SHOWN_RECENT = 12;
const PLACES = ["above left", "above", "above right", "left", "right", "below left", "below", "below right"];

/** @param {{app: App}} props */
export function ExploreTab({ app }) {
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  if (!model || !work) return null;
  return html`<${Start} app=${app} model=${model} work=${work} />
    <${Truncation} app=${app} model=${model} work=${work} />
    <${Neighbourhood} app=${app} model=${model} work=${work} />
    <${Recent} app=${app} model=${model} work=${work} />`;
}

/** @typedef {{app: App, model: Model, work: Work}} Shown */

/** @param {Shown} props */
function Start({ app, model, work }) {
  const id = useOwnId();
  // The picture of the first layer, so that what is chosen here is always seen.
  const place = work.layers[0];
  const item = work.tray[place];
  const [source] = item.sources;
  const take = (/** @type {Item} */ next) => {
    app.remember(item);
    app.change(withItem(work, place, next));
  };
  const isMixed = work.layers.some((one) => one !== place);
  return html`<${Section} title="Picture">
    <div class="row start">
      <div class="field">
        <label for=${id}>Seed</label>
        <${NumberField}
          id=${id}
          label="Seed"
          wide
          none="none"
          value=${source.seed ?? null}
          least=${0}
          most=${MAX_SEED}
          step=${1}
          onChange=${(/** @type {number} */ seed) => take(seedItem(model, seed, source.class))}
        />
      </div>
      <${Button} icon="earlier" label="Seed before" disabled=${!source.seed} onClick=${() => take(seedItem(model, Number(source.seed) - 1, source.class))} />
      <${Button} icon="later" label="Next seed" disabled=${source.seed === undefined || source.seed >= MAX_SEED} onClick=${() => take(seedItem(model, Number(source.seed) + 1, source.class))} />
      <${Button} icon="dice" kind="main" label="Roll the dice" text="Dice" onClick=${() => take(seedItem(model, randomSeed(), source.class))} />
    </div>
    ${
      model.num_classes > 0 &&
      html`<${Select}
        label="Class"
        value=${String(source.class ?? "")}
        options=${[
          ...(source.class === undefined ? [["", "of its own w"]] : []),
          ...Array.from({ length: model.num_classes }, (_, number) => [String(number), className(number, model)]),
        ]}
        onChange=${(/** @type {string} */ value) =>
          value !== "" && take(seedItem(model, source.seed ?? randomSeed(), Number(value)))}
      />`
    }
    ${
      isMixed &&
      html`<p class="about">
        A mixture: the dice change what comes from ${itemName(item, model)}.
        <button type="button" class="link" onClick=${() => app.change(withOnly(work, item))}>Show it alone</button>
      </p>`
    }
  <//>`;
}

/** @param {Shown} props */
function Truncation({ app, model, work }) {
  const byLayer = spread(work.psi, model.num_ws);
  const one = gathered(byLayer);
  const [isOpen, setOpen] = useState(false);
  const set = (/** @type {number[]} */ layers, /** @type {number} */ psi) => {
    const set = withLayers(app.state.work?.psi ?? work.psi, model.num_ws, layers, psi);
    app.change({ ...work, psi: set }, `psi ${layers[0]} ${layers.length}`);
  };
  const all = byLayer.map((_, layer) => layer);
  const sheet = async () => {
    try {
      saveFile(await app.engine.sheet(model.key, { kind: "psi", recipe: toRecipe(work) }));
    } catch (error) {
      app.fail(/** @type {Error} */ (error));
    }
  };
  return html`<${Section} title="Truncation">
    <${Slider}
      label="Psi"
      note="0 is the mean picture, 1 as drawn"
      value=${Array.isArray(one) ? null : one}
      usual=${0.7}
      min=${-1}
      max=${1.5}
      step=${0.01}
      onChange=${(/** @type {number} */ psi) => set(all, psi)}
    />
    <details open=${isOpen} onToggle=${(/** @type {any} */ event) => setOpen(event.target.open)}>
      <summary>More: by layer</summary>
      ${
        isOpen &&
        html`${GROUPS.filter((group) => model.groups[group].length).map((group) => {
            const own = model.groups[group].map((layer) => byLayer[layer]);
            const value = gathered(own);
            return html`<${Slider}
              key=${group}
              label=${`Psi, ${group}`}
              note=${`layers ${model.groups[group][0]}–${model.groups[group].at(-1)}`}
              value=${Array.isArray(value) ? null : value}
              usual=${0.7}
              min=${-1}
              max=${1.5}
              step=${0.01}
              onChange=${(/** @type {number} */ psi) => set(model.groups[group], psi)}
            />`;
          })}
          <div class="layer-sliders" role="group" aria-label="Psi of each layer">
            ${byLayer.map(
              (psi, layer) => html`<label key=${layer}
                ><span>${layer}</span
                ><input
                  type="range"
                  class="upright"
                  min="-1"
                  max="1.5"
                  step="0.01"
                  value=${psi}
                  aria-label=${`Psi of layer ${layer}`}
                  onInput=${(/** @type {any} */ event) => set([layer], Number(event.target.value))}
              /></label>`,
            )}
          </div>
          ${
            model.can.includes("sheet") &&
            html`<div class="row">
              <${Button} icon="down" kind="small" label="Save a sheet over psi" text="Sheet over psi" onClick=${sheet} />
            </div>`
          }
          ${
            work.cutoff !== null &&
            html`<p class="about">
              Layers from ${work.cutoff} on are not truncated.
              <button type="button" class="link" onClick=${() => app.change({ ...work, cutoff: null })}>Truncate all</button>
            </p>`
          }`
      }
    </details>
  <//>`;
}

/** @param {Shown} props */
function Neighbourhood({ app, model, work }) {
  const [step, setStep] = useState(0.5);
  const [seed, setSeed] = useState(1);
  const [found, setFound] = useState(
    /** @type {{recipes: Recipe[], pictures: ImageData[]} | null} */ (null),
  );
  const epoch = useApp(app, (state) => state.epoch);
  const crisp = useApp(app, (state) => state.crisp);
  const settled = useSettled(work, NEIGHBOURS_MS);
  const settledStep = useSettled(step, NEIGHBOURS_MS);
  const recipe = useMemo(() => toRecipe(settled), [settled]);
  useEffect(() => {
    if (!model.can.includes("neighbours") || settled.layers.length !== model.num_ws) return;
    let current = true;
    app.engine.neighbours(model.key, recipe, settledStep, seed).then(
      ({ recipes, images }) => {
        const pictures = recipes.map((_, number) => imageData(images, number));
        if (current) setFound({ recipes, pictures });
      },
      (error) => {
        if (!(error instanceof Dropped || error instanceof Lost)) app.fail(error);
      },
    );
    return () => {
      current = false;
    };
  }, [recipe, settledStep, seed, epoch, model.key, model.sha256]);
  if (!model.can.includes("neighbours")) return null;
  const choose = (/** @type {number} */ number) => {
    if (!found) return;
    const { model: _model, ...chosen } = found.recipes[number];
    app.remember(work.tray[work.layers[0]]);
    app.takeRecipe(chosen);
  };
  const cell = (/** @type {number} */ number) =>
    html`<button type="button" class="tile" aria-label=${`Go ${PLACES[number]}`} disabled=${!found} onClick=${() => choose(number)}>
      ${found && html`<${Picture} data=${found.pictures[number]} alt="" crisp=${crisp} />`}
    </button>`;
  return html`<${Section}
    title="Nearby"
    about="Choose the picture that is nearer to what you look for."
    actions=${html`<${Button} icon="dice" kind="small" label="Others nearby" text="Others" onClick=${() => setSeed(seed + 1)} />`}
  >
    <div class="nine" role="group" aria-label="Pictures nearby">
      ${[0, 1, 2, 3].map(cell)}
      <div class="tile here"><${Thumb} app=${app} recipe=${recipe} alt="Where you are" /></div>
      ${[4, 5, 6, 7].map(cell)}
    </div>
    <${Slider} label="Step" note="in deviations of w" value=${step} usual=${0.5} min=${0.05} max=${1.5} step=${0.05} onChange=${setStep} />
  <//>`;
}

/** @param {Shown} props */
function Recent({ app, model, work }) {
  const recent = useApp(app, (state) => state.recent);
  const shown = recent
    .filter((item) => [1, model.num_ws].includes(item.sources.length))
    .slice(0, SHOWN_RECENT);
  const base = { ...work, edits: [], layers: work.layers.map(() => 0) };
  if (!shown.length) return null;
  return html`<${Section} title="Lately">
    <div class="strip" role="group" aria-label="Pictures looked at lately">
      ${shown.map((item) => {
        const name = itemName(item, model);
        return html`<button
          type="button"
          class="tile"
          key=${JSON.stringify(item).slice(0, 200)}
          title=${name}
          aria-label=${`Back to ${name}`}
          onClick=${() => {
            const place = work.layers[0];
            app.remember(work.tray[place]);
            if (!same(item, work.tray[place])) app.change(withItem(work, place, item));
          }}
        >
          <${Thumb} app=${app} recipe=${toRecipe({ ...base, tray: [item] })} alt="" />
        </button>`;
      })}
    </div>
  <//>`;
}
