/**
 * Mix: which layer takes its style from which picture.
 *
 * @import {App} from "../app.js"
 * @import {Group, Images, Item, Model, Work} from "../types.js"
 */

import { Button, Choice, Dialog, Picture, Section, Thumb, useApp } from "../controls.js";
import { openFile, saveFile } from "../files.js";
import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import {
  GROUPS, MAX_ITEMS, itemName, itemRecipe, layersName, randomSeed, same, seedItem, toRecipe,
  withoutItem,
} from "../recipe.js";
import { imageData } from "../screen.js";

const MOST_IN_GRID = 7; // pictures along each side: 49 mixtures go in one call

/** @param {{app: App}} props */
export function MixTab({ app }) {
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  const [chosen, setChosen] = useState(0);
  const [showsGrid, setShowsGrid] = useState(false);
  if (!model || !work) return null;
  const number = Math.min(chosen, work.tray.length - 1);
  const assign = (/** @type {number[]} */ layers) =>
    app.change({ ...work, layers: work.layers.map((one, at) => (layers.includes(at) ? number : one)) });
  const all = work.layers.map((_, layer) => layer);
  return html`<${Tray} app=${app} model=${model} work=${work} chosen=${number} onChoose=${setChosen} />
    <${Section}
      title="Layers"
      about="A column is a layer, a row a picture: paint which picture each layer takes its style from."
    >
      <div class="row presets" role="group" aria-label=${`From ${itemName(work.tray[number], model)} take`}>
        <span class="note">Take</span>
        ${GROUPS.filter((group) => model.groups[group].length).map(
          (group) =>
            html`<${Button} kind="small" label=${`Take ${group} layers from ${itemName(work.tray[number], model)}`} text=${group} onClick=${() => assign(model.groups[group])} />`,
        )}
        <${Button} kind="small" label=${`Take all layers from ${itemName(work.tray[number], model)}`} text="all" onClick=${() => assign(all)} />
        <span class="note from">from ${itemName(work.tray[number], model)}</span>
      </div>
      <${Matrix} app=${app} model=${model} work=${work} chosen=${number} onChoose=${setChosen} />
    <//>
    <${Section}
      title="Grid"
      about=${
        work.tray.length < 2
          ? "Add another picture to see each mixed with each."
          : "Each picture of the tray with the styles of each other one."
      }
      actions=${html`<${Button} kind="small" label="Show the grid" text="Show the grid" disabled=${work.tray.length < 2} onClick=${() => setShowsGrid(true)} />`}
    />
    ${showsGrid && html`<${Grid} app=${app} model=${model} work=${work} onClose=${() => setShowsGrid(false)} />`}`;
}

/**
 * @param {{app: App, model: Model, work: Work, chosen: number,
 *     onChoose: (number: number) => void}} props
 */
function Tray({ app, model, work, chosen, onChoose }) {
  const file = useRef(/** @type {HTMLInputElement | null} */ (null));
  const [hovers, setHovers] = useState(false);
  const add = (/** @type {Item[]} */ items) => {
    const { work } = app.state;
    if (!work) return;
    const fresh = items.filter((item) => !work.tray.some((one) => same(one, item)));
    const tray = [...work.tray, ...fresh].slice(0, MAX_ITEMS);
    app.change({ ...work, tray });
    onChoose(tray.length - 1);
  };
  const isFull = work.tray.length >= MAX_ITEMS;
  return html`<${Section}
    title="Pictures"
    actions=${html`<${Button} icon="dice" kind="small" label="Add a random picture" text="Add" disabled=${isFull} onClick=${() => add([seedItem(model, randomSeed(), Math.floor(Math.random() * model.num_classes))])} />
      <${Button} icon="upload" kind="small" label="Add a picture from a file" text="File" disabled=${isFull} onClick=${() => file.current?.click()} />`}
  >
    <input
      ref=${file}
      type="file"
      class="unseen"
      tabindex="-1"
      aria-label="A picture to mix"
      accept="image/*,.json,application/json"
      onChange=${(/** @type {any} */ event) => {
        const [chosenFile] = event.target.files;
        if (chosenFile) void openFile(app, chosenFile, add);
        event.target.value = "";
      }}
    />
    <div
      class=${`tray ${hovers ? "hovers" : ""}`}
      role="group"
      aria-label="Pictures to mix; files can be dropped here"
      onDragOver=${() => setHovers(true)}
      onDragLeave=${() => setHovers(false)}
      onDrop=${(/** @type {DragEvent} */ event) => {
        setHovers(false);
        const [dropped] = event.dataTransfer?.files ?? [];
        if (!dropped) return;
        event.preventDefault(); // the whole page does not take it
        void openFile(app, dropped, add);
      }}
    >
      ${work.tray.map((item, number) => {
        const name = itemName(item, model);
        const layers = work.layers.flatMap((one, layer) => (one === number ? [layer] : []));
        return html`<figure class=${`card ${number === chosen ? "chosen" : ""}`} key=${number}>
          <button type="button" class="tile" aria-pressed=${number === chosen} aria-label=${`Choose ${name}`} onClick=${() => onChoose(number)}>
            <${Thumb} app=${app} recipe=${itemRecipe(work, number)} alt="" />
          </button>
          <figcaption title=${name}>${name}<span class="note">${layers.length ? layersName(layers, model) : "not used"}</span></figcaption>
          ${
            work.tray.length > 1 &&
            html`<${Button} icon="close" kind="tiny remove" label=${`Remove ${name}`} onClick=${() => app.change(withoutItem(work, number))} />`
          }
        </figure>`;
      })}
    </div>
  <//>`;
}

/**
 * Painted with the pointer, or with arrows and the space bar.
 *
 * @param {{app: App, model: Model, work: Work, chosen: number,
 *     onChoose: (number: number) => void}} props
 */
function Matrix({ app, model, work, chosen, onChoose }) {
  const [focus, setFocus] = useState(/** @type {[number, number]} */ ([0, 0]));
  const paints = useRef(/** @type {number | null} */ (null));
  const table = useRef(/** @type {HTMLElement | null} */ (null));
  const [row, column] = [Math.min(focus[0], work.tray.length - 1), Math.min(focus[1], model.num_ws - 1)];
  useEffect(() => {
    const end = () => {
      paints.current = null;
    };
    addEventListener("pointerup", end);
    addEventListener("pointercancel", end);
    return () => {
      removeEventListener("pointerup", end);
      removeEventListener("pointercancel", end);
    };
  }, []);
  const set = (/** @type {number} */ number, /** @type {number} */ layer) => {
    const { work } = app.state;
    if (!work || work.layers[layer] === number) return;
    const layers = work.layers.map((one, at) => (at === layer ? number : one));
    app.change({ ...work, layers }, `paint ${number}`);
  };
  /** @param {PointerEvent} event */
  const cellAt = (event) => {
    const under = document.elementFromPoint(event.clientX, event.clientY);
    const cell = under instanceof Element ? under.closest("[data-layer]") : null;
    return cell instanceof HTMLElement && table.current?.contains(cell) ? cell : null;
  };
  const begin = (/** @type {PointerEvent} */ event) => {
    const cell = cellAt(event);
    if (!cell || event.button !== 0) return;
    paints.current = Number(cell.dataset.row);
    onChoose(paints.current);
    setFocus([paints.current, Number(cell.dataset.layer)]);
    set(paints.current, Number(cell.dataset.layer));
  };
  const go = (/** @type {PointerEvent} */ event) => {
    if (paints.current === null) return;
    const box = table.current?.getBoundingClientRect();
    const cell = cellAt(event);
    // The row in which painting began counts, whatever row the hand slips into.
    if (cell && box) set(paints.current, Number(cell.dataset.layer));
  };
  const key = (/** @type {KeyboardEvent} */ event) => {
    const turn = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    /** @type {[number, number] | null} */
    let to = null;
    if (turn) to = [row + turn[0], column + turn[1]];
    if (event.key === "Home") to = [row, 0];
    if (event.key === "End") to = [row, model.num_ws - 1];
    if (event.key === " " || event.key === "Enter") {
      event.preventDefault();
      onChoose(row);
      set(row, column);
    }
    if (!to) return;
    event.preventDefault();
    const inside = /** @type {[number, number]} */ ([
      Math.min(Math.max(to[0], 0), work.tray.length - 1),
      Math.min(Math.max(to[1], 0), model.num_ws - 1),
    ]);
    setFocus(inside);
    if (event.shiftKey) set(inside[0], inside[1]);
    const cell = table.current?.querySelector(`[data-row="${inside[0]}"][data-layer="${inside[1]}"]`);
    if (cell instanceof HTMLElement) cell.focus();
  };
  const groupOf = (/** @type {number} */ layer) =>
    GROUPS.find((group) => model.groups[group].includes(layer)) ?? "";
  return html`<div
    class="matrix"
    role="grid"
    aria-label="Which picture each layer takes its style from: arrows move, space takes, shift and arrows paint"
    ref=${table}
    style=${{ "--layers": String(model.num_ws) }}
    onPointerDown=${begin}
    onPointerMove=${go}
    onKeyDown=${key}
  >
    <div role="row" class="matrix-groups">
      <span role="columnheader" class="unseen">Picture</span>
      ${GROUPS.filter((group) => model.groups[group].length).map(
        (group) =>
          html`<span role="columnheader" aria-colspan=${model.groups[group].length} style=${{ "--span": String(model.groups[group].length), "--start": String(2 + model.groups[group][0]) }}>${group}</span>`,
      )}
    </div>
    ${work.tray.map(
      (item, number) => html`<div role="row" key=${number} class=${number === chosen ? "chosen" : ""}>
        <span role="rowheader" aria-label=${itemName(item, model)}
          ><${Thumb} app=${app} recipe=${itemRecipe(work, number)} alt=""
        /></span>
        ${work.layers.map(
          (one, layer) => html`<span
            role="gridcell"
            key=${layer}
            data-row=${number}
            data-layer=${layer}
            class=${`${groupOf(layer)} ${groupOf(layer) !== groupOf(layer - 1) ? "first" : ""}`}
            aria-selected=${one === number}
            aria-label=${`Layer ${layer}, ${itemName(item, model)}`}
            tabindex=${row === number && column === layer ? 0 : -1}
            onFocus=${() => setFocus([number, layer])}
          ></span>`,
        )}
      </div>`,
    )}
  </div>`;
}

/**
 * The figure of the StyleGAN paper: rows keep their own, but for the layers of the columns.
 *
 * @param {{app: App, model: Model, work: Work, onClose: () => void}} props
 */
function Grid({ app, model, work, onClose }) {
  const groups = GROUPS.filter((group) => model.groups[group].length);
  const [group, setGroup] = useState(/** @type {Group} */ (groups[0]));
  const [images, setImages] = useState(/** @type {Images | null} */ (null));
  const crisp = useApp(app, (state) => state.crisp);
  const tray = work.tray.slice(0, MOST_IN_GRID);
  const mixtures = useMemo(
    () =>
      tray.flatMap((_, row) =>
        tray.map((_, column) => ({
          ...work,
          layers: work.layers.map((_, layer) => (model.groups[group].includes(layer) ? column : row)),
        })),
      ),
    [work, group],
  );
  useEffect(() => {
    let current = true;
    app.engine.render(model.key, mixtures.map(toRecipe), "grid").then(
      (answer) => current && setImages(answer.images),
      (error) => app.fail(error),
    );
    return () => {
      current = false;
    };
  }, [mixtures]);
  const name = (/** @type {number} */ number) => itemName(work.tray[number], model);
  const sources = tray.map((_, number) => toRecipe({ ...work, layers: work.layers.map(() => number) }));
  const sheet = async () => {
    try {
      const layers = model.groups[group];
      saveFile(await app.engine.sheet(model.key, { kind: "mixing", rows: sources, columns: sources, layers }));
    } catch (error) {
      app.fail(/** @type {Error} */ (error));
    }
  };
  return html`<${Dialog} title="Each mixed with each" onClose=${onClose} kind="wide">
    <div class="row">
      <${Choice} label="From the columns" options=${groups.map((one) => [one, one])} value=${group} onChange=${setGroup} />
      <span class="spacer"></span>
      ${
        model.can.includes("sheet") &&
        html`<${Button} icon="down" label="Save the sheet" text="Save the sheet" onClick=${sheet} />`
      }
    </div>
    <p class="about">The row gives the picture, the column its ${group} styles. Choose one to go on with it.</p>
    <div class="paper" style=${{ "--side": String(tray.length + 1) }}>
      <span></span>
      ${tray.map((_, number) => html`<div class="tile source"><${Thumb} app=${app} recipe=${sources[number]} alt=${`Column: ${name(number)}`} /></div>`)}
      ${tray.map(
        (_, row) => html`<div class="tile source"><${Thumb} app=${app} recipe=${sources[row]} alt=${`Row: ${name(row)}`} /></div>
          ${tray.map((_, column) => {
            const number = row * tray.length + column;
            return html`<button
              type="button"
              class="tile"
              aria-label=${`${name(row)} with the ${group} styles of ${name(column)}`}
              onClick=${() => {
                app.change(mixtures[number]);
                onClose();
              }}
            >
              ${images && number < images.count && html`<${Picture} data=${imageData(images, number)} alt="" crisp=${crisp} />`}
            </button>`;
          })}`,
      )}
    </div>
  <//>`;
}
