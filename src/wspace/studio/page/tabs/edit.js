/**
 * Edit: steps along named directions, points that are dragged, photographs that are looked for.
 *
 * @import {App} from "../app.js"
 * @import {Direction, Edit, Model, Work} from "../types.js"
 */

import { Button, Choice, Section, Select, Slider, useApp, useOwnId } from "../controls.js";
import { openFile } from "../files.js";
import { html, useEffect, useRef, useState } from "../html.js";
import { className, findEdit, layersName, same, toRecipe, withEdit } from "../recipe.js";

const RANGE = 3; // of the sliders, in strengths
const MAX_STRENGTH = 100;
const STEPS = 200; // of a drag

/** @param {{app: App}} props */
export function EditTab({ app }) {
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  const seconds = useApp(app, (state) => state.seconds);
  const startClass = useApp(app, (state) => state.startClass);
  const photo = useRef(/** @type {HTMLInputElement | null} */ (null));
  if (!model || !work) return null;
  return html`${model.can.includes("drag") && html`<${Drag} app=${app} model=${model} work=${work} />`}
    ${
      model.can.includes("invert") &&
      html`<${Section}
        title="Your picture"
        about="Drop a photograph anywhere: the model looks for it, and then it is edited like any other."
        actions=${html`<${Button} icon="upload" kind="small" label="Choose a photograph" text="Choose" onClick=${() => photo.current?.click()} />`}
      >
        <input
          ref=${photo}
          type="file"
          class="unseen"
          tabindex="-1"
          aria-label="A photograph"
          accept="image/*"
          onChange=${(/** @type {any} */ event) => {
            const [file] = event.target.files;
            if (file) void openFile(app, file);
            event.target.value = "";
          }}
        />
        <${Choice}
          label="Look for"
          options=${[["10", "10 seconds"], ["40", "40 seconds"]]}
          value=${String(seconds)}
          onChange=${(/** @type {string} */ to) => app.set({ seconds: Number(to) })}
        />
        ${
          model.num_classes > 0 &&
          html`<${Select}
            label="It shows"
            value=${String(startClass ?? "")}
            options=${[
              ["", "whatever the model finds"],
              ...Array.from({ length: model.num_classes }, (_, number) => [String(number), className(number, model)]),
            ]}
            onChange=${(/** @type {string} */ to) => app.set({ startClass: to === "" ? null : Number(to) })}
          />`
        }
      <//>`
    }
    <${Directions} app=${app} model=${model} work=${work} />
    ${model.lacks && html`<${Section} title="Elsewhere" about=${model.lacks} />`}`;
}

/** @typedef {{app: App, model: Model, work: Work}} Shown */

/** @param {Shown} props */
function Directions({ app, model, work }) {
  const foreign = work.edits.filter(
    (edit) => !model.directions.some((one) => alike(one.edit, edit)),
  );
  return html`<${Section}
    title="Directions"
    about=${
      model.directions.length
        ? "A step along each: 0 leaves the picture as it is."
        : "This model has no named directions: wspace directions find looks for some."
    }
    actions=${
      work.edits.length > 0 &&
      html`<${Button} icon="reset" kind="small" label="Reset all steps" text="Reset" onClick=${() => app.change({ ...work, edits: [] })} />`
    }
  >
    <div class="directions">
      ${foreign.map(
        (edit, number) =>
          html`<${Step} key=${`foreign-${number}`} app=${app} model=${model} edit=${edit} name=${edit.name || `Step ${number + 1}`} />`,
      )}
      ${model.directions.map((one) => html`<${Named} key=${one.name} app=${app} model=${model} direction=${one} />`)}
    </div>
  <//>`;
}

/**
 * @param {Edit} a
 * @param {Edit} b
 */
function alike(a, b) {
  return same(a.direction, b.direction) && same(a.channels, b.channels);
}

/** @param {{app: App, model: Model, direction: Direction}} props */
function Named({ app, model, direction }) {
  const [isWritten, setWritten] = useState(false);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => {
    if (isWritten) field.current?.select();
  }, [isWritten]);
  const rename = async (/** @type {string} */ to) => {
    setWritten(false);
    if (!to || to === direction.name) return;
    try {
      const renamed = await app.engine.renameDirection(model.key, direction.name, to);
      const { work } = app.state;
      app.updateModel(renamed);
      if (!work) return;
      const edits = work.edits.map((edit) => (alike(edit, direction.edit) ? { ...edit, name: to } : edit));
      app.change({ ...work, edits });
    } catch (error) {
      app.fail(/** @type {Error} */ (error));
    }
  };
  if (isWritten) {
    return html`<div class="rename">
      <label class="unseen" for="rename">${`New name of ${direction.name}`}</label>
      <input
        id="rename"
        ref=${field}
        type="text"
        maxlength="100"
        value=${direction.name}
        onKeyDown=${(/** @type {any} */ event) => {
          if (event.key === "Enter") void rename(event.target.value.trim());
          if (event.key === "Escape") setWritten(false);
        }}
      />
      <${Button} kind="small" label="Rename" text="Rename" onClick=${() => rename(field.current?.value.trim() ?? "")} />
      <${Button} kind="small plain" label="Cancel" text="Cancel" onClick=${() => setWritten(false)} />
    </div>`;
  }
  return html`<${Step}
    app=${app}
    model=${model}
    edit=${direction.edit}
    name=${direction.name}
    about=${direction.about}
    onRename=${model.can.includes("rename_direction") ? () => setWritten(true) : undefined}
  />`;
}

/**
 * @param {{app: App, model: Model, edit: Edit, name: string, about?: string,
 *     onRename?: () => void}} props
 */
function Step({ app, model, edit, name, about, onRename }) {
  const work = useApp(app, (state) => state.work);
  if (!work) return null;
  const place = findEdit(work, edit);
  const layers = place < 0 ? edit.layers : work.edits[place].layers;
  const strength = place < 0 ? 0 : work.edits[place].strength;
  const note = edit.channels ? "style channels" : layers ? layersName(layers, model) : "";
  return html`<${Slider}
    compact
    label=${name}
    note=${note}
    value=${strength}
    usual=${0}
    min=${-RANGE}
    max=${RANGE}
    least=${-MAX_STRENGTH}
    most=${MAX_STRENGTH}
    step=${0.05}
    onChange=${(/** @type {number} */ to) => {
      const { work } = app.state;
      if (work) app.change(withEdit(work, { ...edit, layers, strength: to }), `step ${name}`);
    }}
  >
    ${
      onRename &&
      html`<${Button} icon="pencil" kind="tiny" label=${`Rename ${name}`} title=${about ? `Rename (${about})` : "Rename"} onClick=${onRename} />`
    }
  <//>`;
}

/** @param {Shown} props */
function Drag({ app, model, work }) {
  const drag = useApp(app, (state) => state.drag);
  const task = useApp(app, (state) => state.task);
  const id = useOwnId();
  const set = (/** @type {Partial<typeof drag>} */ change) => app.set({ drag: { ...app.state.drag, ...change } });
  useEffect(() => () => app.set({ drag: { ...app.state.drag, tool: null } }), []);
  const { points, mask, tool, brush } = drag;
  const add = () => {
    const middle = /** @type {[number, number]} */ ([Math.round(model.width / 2), Math.round(model.height / 2)]);
    set({ tool: "points", points: [...points, [middle, [middle[0], Math.round(middle[1] - model.height / 8)]]] });
  };
  const start = async () => {
    set({ tool: null });
    const result = await app.run(
      "Dragging",
      (told) => app.engine.drag(model.key, toRecipe(work), points, mask, STEPS, told),
      (progress) => {
        const now = progress.points;
        if (now) set({ points: app.state.drag.points.map(([, to], number) => [now[number] ?? to, to]) });
      },
    );
    if (result?.recipe) {
      const { model: _model, ...recipe } = result.recipe;
      app.takeRecipe(recipe);
    }
  };
  return html`<${Section}
    title="Drag points"
    about="Pull from a point of the picture to where it should be; brush over what may move, or leave all free."
  >
    <div class="row">
      <${Choice}
        label="Tool"
        hidden
        options=${[["points", "Points"], ["mask", "Brush"], ["none", "Off"]]}
        value=${tool ?? "none"}
        onChange=${(/** @type {string} */ to) => set({ tool: to === "none" ? null : /** @type {any} */ (to) })}
      />
      <span class="spacer"></span>
      <${Button} icon="add" kind="small" label="Add a point" text="Point" disabled=${!!task} onClick=${add} />
    </div>
    ${
      tool === "mask" &&
      html`<${Slider} label="Brush" note="pixels" value=${brush} min=${1} max=${Math.ceil(model.width / 4)} step=${1} usual=${Math.ceil(model.width / 10)} onChange=${(/** @type {number} */ to) => set({ brush: to })} />
        <p class="about">With keys: arrows move the brush on the picture, space paints, shift and space wipes.</p>`
    }
    <div class="row">
      <${Button} icon="play" kind="main" label="Drag" text="Drag" disabled=${!points.length || !!task} onClick=${start} />
      <span class="note" id=${id}>${points.length === 1 ? "1 point" : `${points.length} points`}${mask ? ", brushed" : ""}</span>
      <span class="spacer"></span>
      <${Button} kind="small" label="Clear points and brush" text="Clear" disabled=${!points.length && !mask} onClick=${() => set({ points: [], mask: null })} />
    </div>
  <//>`;
}
