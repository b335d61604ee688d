/**
 * Run: a model in training, its curves and sheets.
 *
 * @import {App} from "../app.js"
 * @import {Curve, Run} from "../types.js"
 */

import { Button, Section, Select, useApp } from "../controls.js";
import { Lost } from "../engine.js";
import { html, useEffect, useState } from "../html.js";
import { rounded } from "../recipe.js";

const LOOK_MS = 10_000;
const WIDTH = 400;
const HEIGHT = 150;

/** @param {{app: App}} props */
export function RunTab({ app }) {
  const model = useApp(app, (state) => state.model);
  const epoch = useApp(app, (state) => state.epoch);
  const [run, setRun] = useState(/** @type {Run | null} */ (null));
  const [isBusy, setBusy] = useState(false);
  useEffect(() => {
    if (model?.kind !== "run") return;
    let current = true;
    const look = async () => {
      try {
        const found = await app.engine.run(model.key);
        if (current) setRun(found);
      } catch (error) {
        if (!(error instanceof Lost)) app.fail(/** @type {Error} */ (error));
      }
    };
    void look();
    const timer = setInterval(() => void look(), LOOK_MS);
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, [model?.key, epoch]);
  if (!model || !run) return html`<p class="nothing">Reading the run …</p>`;
  const reload = async () => {
    setBusy(true);
    try {
      app.updateModel(await app.engine.reload(model.key));
      app.say("The newest snapshot is shown.");
    } catch (error) {
      app.fail(/** @type {Error} */ (error));
    }
    setBusy(false);
  };
  return html`<${Section}
      title=${`${rounded(run.kimg)} kimg`}
      about=${run.newest === null ? "No snapshot yet." : `The newest snapshot is of ${rounded(run.newest)} kimg.`}
      actions=${html`<${Button} icon="reset" kind="small" label="Take the newest snapshot" text="Take the newest" disabled=${isBusy} onClick=${reload} />`}
    />
    ${run.sheets.length > 0 && html`<${Sheets} app=${app} model=${model.key} names=${run.sheets} />`}
    ${[...new Set(run.curves.map((curve) => curve.chart))].map(
      (chart) => html`<${Section} key=${chart} title=${chart}>
        <div class="curves">
          ${run.curves
            .filter((curve) => curve.chart === chart)
            .map((curve) => html`<${Plot} key=${curve.name} curve=${curve} />`)}
        </div>
      <//>`,
    )}`;
}

/** @param {{curve: Curve}} props */
function Plot({ curve: { name, points } }) {
  if (points.length < 2) return null;
  const xs = points.map(([x]) => x);
  const ys = points.map(([, y]) => y);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const path = points.map(([x, y]) => {
    const across = ((x - left) / (right - left || 1)) * WIDTH;
    const down = HEIGHT - ((y - low) / (high - low || 1)) * HEIGHT;
    return `${across.toFixed(1)},${down.toFixed(1)}`;
  });
  const last = ys.at(-1) ?? 0;
  return html`<figure class="curve">
    <figcaption><b>${name}</b><span class="note">${rounded(last)} now</span></figcaption>
    <svg
      viewBox=${`-4 -4 ${WIDTH + 8} ${HEIGHT + 8}`}
      preserveAspectRatio="none"
      role="img"
      aria-label=${`${name} from ${rounded(ys[0])} at ${rounded(left)} kimg to ${rounded(last)} at ${rounded(right)} kimg`}
    >
      <polyline points=${path.join(" ")} />
    </svg>
    <div class="axis note" aria-hidden="true">
      <span>${rounded(left)} kimg</span><span>${rounded(low)} – ${rounded(high)}</span><span>${rounded(right)} kimg</span>
    </div>
  </figure>`;
}

/** @param {{app: App, model: string, names: string[]}} props */
function Sheets({ app, model, names }) {
  const [name, setName] = useState(names[0]);
  const [address, setAddress] = useState("");
  useEffect(() => {
    let made = "";
    let current = true;
    app.engine.runSheet(model, name).then(
      (bytes) => {
        made = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
        if (current) setAddress(made);
      },
      (error) => app.fail(error),
    );
    return () => {
      current = false;
      if (made) URL.revokeObjectURL(made);
    };
  }, [model, name]);
  return html`<${Section} title="Sheets">
    <${Select} label="Sheet" value=${name} options=${names.map((one) => [one, one])} onChange=${setName} />
    ${address && html`<img class="sheet" src=${address} alt=${`Sheet ${name} of the run`} />`}
  <//>`;
}
