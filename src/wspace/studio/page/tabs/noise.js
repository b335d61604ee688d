/**
 * Noise: mode, strength and seed by group of layers, and what it changes.
 *
 * @import {App} from "../app.js"
 * @import {NoiseMode} from "../types.js"
 */

import { Button, Choice, NumberField, Picture, Section, Slider, useApp, useOwnId, useSettled } from "../controls.js";
import { Dropped, Lost } from "../engine.js";
import { saveFile } from "../files.js";
import { html, useEffect, useMemo, useState } from "../html.js";
import { GROUPS, MAX_SEED, gathered, randomSeed, spread, toRecipe, withLayers } from "../recipe.js";
import { imageData } from "../screen.js";

const REALISATIONS = 16; // of the deviation map
const DEVIATION_MS = 300;
const MAX_STRENGTH = 100;

/** @type {[NoiseMode, string][]} */
const MODES = [
  ["const", "Own"],
  ["seeded", "Seed"],
  ["none", "Off"],
];

/** @param {{app: App}} props */
export function NoiseTab({ app }) {
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  if (!model || !work) return null;
  const groups = GROUPS.map((group) => /** @type {const} */ ([group, model.groups[group]])).filter(
    ([, layers]) => layers.some((layer) => model.noise_layers.includes(layer)),
  );
  const all = work.layers.map((_, layer) => layer);
  return html`<${Controls}
      app=${app}
      title="All layers"
      about="Noise draws what is left to chance: the model's own, or as a seed draws it."
      layers=${all}
    />
    ${groups.map(
      ([group, layers]) =>
        html`<${Controls} key=${group} app=${app} title=${`${group[0].toUpperCase()}${group.slice(1)} layers`} layers=${layers} />`,
    )}
    <${Deviation} app=${app} />`;
}

/** @param {{app: App, title: string, about?: string, layers: number[]}} props */
function Controls({ app, title, about, layers }) {
  const name = title.toLowerCase();
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  const id = useOwnId();
  if (!model || !work) return null;
  const { noise } = work;
  const count = model.num_ws;
  /** @type {<T>(value: T | T[]) => T | null} */
  const shared = (value) => {
    const values = gathered(layers.map((layer) => spread(value, count)[layer]));
    return Array.isArray(values) ? null : values;
  };
  const set = (/** @type {Partial<typeof noise>} */ change, gesture = "") =>
    app.change({ ...work, noise: { ...noise, ...change } }, gesture && `${gesture} ${name}`);
  const mode = shared(noise.mode);
  const { maps } = noise;
  const own = layers.some((layer) => maps?.[layer]);
  /** @type {[NoiseMode, string][]} */
  const modes = own ? [...MODES, ["given", "Found"]] : MODES;
  const setMode = (/** @type {NoiseMode} */ to) => {
    const fits = to === "given" ? layers.filter((layer) => maps?.[layer]) : layers;
    set({ mode: withLayers(noise.mode, count, fits, to) });
  };
  const choice = html`<${Choice}
    label=${`Noise of ${name}`}
    hidden
    options=${modes}
    value=${mode}
    onChange=${setMode}
  />`;
  return html`<${Section} title=${title} about=${about} actions=${choice}>
    ${
      mode === "seeded" &&
      html`<div class="field inline">
        <label for=${id}>Seed<span class="unseen"> of the noise of ${name}</span></label>
        <span class="spacer"></span>
        <${Button}
          icon="dice"
          kind="tiny"
          label=${`Another noise seed for ${name}`}
          onClick=${() => set({ seed: withLayers(noise.seed, count, layers, randomSeed()) })}
        />
        <${NumberField}
          id=${id}
          label="Noise seed"
          value=${shared(noise.seed)}
          least=${0}
          most=${MAX_SEED}
          step=${1}
          onChange=${(/** @type {number} */ to) => set({ seed: withLayers(noise.seed, count, layers, to) })}
        />
      </div>`
    }
    ${
      mode !== "none" &&
      html`<${Slider}
        compact
        label="Strength"
        of=${`of ${name}`}
        value=${shared(noise.strength)}
        usual=${1}
        min=${0}
        max=${4}
        most=${MAX_STRENGTH}
        step=${0.05}
        onChange=${(/** @type {number} */ to) => set({ strength: withLayers(noise.strength, count, layers, to) }, "noise strength")}
      />`
    }
  <//>`;
}

/** @param {{app: App}} props */
function Deviation({ app }) {
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  const epoch = useApp(app, (state) => state.epoch);
  const crisp = useApp(app, (state) => state.crisp);
  const [map, setMap] = useState(/** @type {ImageData | null} */ (null));
  const settled = useSettled(work, DEVIATION_MS);
  const recipe = useMemo(() => settled && toRecipe(settled), [settled]);
  const can = !!model?.can.includes("deviation");
  useEffect(() => {
    if (!model || !recipe || !can || settled?.layers.length !== model.num_ws) return;
    let current = true;
    app.engine.deviation(model.key, recipe, REALISATIONS).then(
      (images) => current && setMap(imageData(images, 0)),
      (error) => {
        if (error instanceof Dropped || error instanceof Lost || !current) return;
        setMap(null);
        app.fail(error);
      },
    );
    return () => {
      current = false;
    };
  }, [recipe, epoch, model?.key, model?.sha256]);
  if (!model || !can) return null;
  const sheet = async () => {
    try {
      if (recipe) saveFile(await app.engine.sheet(model.key, { kind: "noise", recipe }));
    } catch (error) {
      app.fail(/** @type {Error} */ (error));
    }
  };
  return html`<${Section}
    title="What noise changes"
    about=${`How much each pixel differs over ${REALISATIONS} seeds of noise: bright is much.`}
    actions=${
      model.can.includes("sheet") &&
      html`<${Button} icon="down" kind="small" label="Save the noise figure" text="Figure" onClick=${sheet} />`
    }
  >
    <div class="tile deviation">
      ${map && html`<${Picture} data=${map} alt="Map of how much noise changes each pixel" crisp=${crisp} />`}
    </div>
  <//>`;
}
