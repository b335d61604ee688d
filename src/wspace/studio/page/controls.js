/**
 * Controls that all tabs share.
 *
 * @import {App, State} from "./app.js"
 * @import {IconName} from "./icons.js"
 * @import {Recipe} from "./types.js"
 * @import {ComponentChildren} from "preact"
 */

import { html, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { Icon } from "./icons.js";
import { paintOn } from "./screen.js";

const SETTLED_MS = 150; // pictures that hang on a slider are drawn anew when it rests

/**
 * Part of the state; the component is drawn again when that part changes.
 *
 * @template T
 * @param {App} app
 * @param {(state: State) => T} choose gives a part of the state, or a plain value
 * @returns {T}
 */
export function useApp(app, choose) {
  const chosen = choose(app.state);
  const [, setShown] = useState(chosen);
  const chooser = useRef(choose);
  chooser.current = choose;
  useLayoutEffect(() => {
    const look = () => setShown(() => chooser.current(app.state));
    look();
    return app.subscribe(look);
  }, [app]);
  return chosen;
}

/**
 * A value once it has not changed for a while.
 *
 * @template T
 * @param {T} value
 * @param {number} [ms]
 * @returns {T}
 */
export function useSettled(value, ms = SETTLED_MS) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(() => value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}

let nextId = 0;

/** An id that no other element has. */
export function useOwnId() {
  return useState(() => `part-${++nextId}`)[0];
}

/**
 * @param {{icon?: IconName, label: string, text?: string, onClick: (event: MouseEvent) => void,
 *     disabled?: boolean, kind?: string, pressed?: boolean, title?: string}} props
 *     `text`: what is to be read on it besides the icon; without it, the label alone names it
 */
export function Button({ icon, label, text, onClick, disabled, kind = "", pressed, title }) {
  return html`<button
    type="button"
    class=${`button ${kind} ${text ? "" : "square"}`}
    aria-label=${text === label ? undefined : label}
    aria-pressed=${pressed}
    title=${title ?? (text ? undefined : label)}
    disabled=${disabled}
    onClick=${onClick}
  >
    ${icon && html`<${Icon} name=${icon} />`}${text && html`<span>${text}</span>`}
  </button>`;
}

/**
 * A slider with its number beside it. The number may lie outside the slider's range.
 *
 * @param {{label: string, value: number | null, min: number, max: number, step: number,
 *     onChange: (value: number) => void, usual?: number, least?: number, most?: number,
 *     note?: string, of?: string, compact?: boolean, children?: ComponentChildren}} props
 *     `value`: null where several layers differ; `usual`: what the reset button gives back;
 *     `least`, `most`: of the number, where they lie outside `min` and `max`; `of`: what the label
 *     goes on with, for those who do not see where it stands; `compact`: all in one line;
 *     `children`: stand behind the label
 */
export function Slider(props) {
  const { label, value, min, max, step, onChange, usual, note, of, compact, children } = props;
  const name = of ? `${label} ${of}` : label;
  const { least = min, most = max } = props;
  const id = useOwnId();
  const shown = value ?? usual ?? min;
  const share = (Math.min(Math.max(shown, min), max) - min) / (max - min);
  const zero = usual === undefined ? 0 : (Math.min(Math.max(usual, min), max) - min) / (max - min);
  const fill = {
    "--from": `${100 * Math.min(share, zero)}%`,
    "--to": `${100 * Math.max(share, zero)}%`,
  };
  return html`<div class=${compact ? "slider compact" : "slider"}>
    <div class="slider-head">
      <label for=${id}>${label}${of && html`<span class="unseen"> ${of}</span>`}</label>
      ${note && html`<span class="note">${note}</span>`} ${children}
    </div>
    <input
      id=${id}
      type="range"
      min=${min}
      max=${max}
      step=${step}
      value=${shown}
      style=${fill}
      onInput=${(/** @type {any} */ event) => onChange(Number(event.target.value))}
    />
    ${
      usual !== undefined && value !== usual
        ? html`<${Button} icon="reset" kind="tiny" label=${`Reset ${name}`} onClick=${() => onChange(usual)} />`
        : html`<span class="no-reset"></span>`
    }
    <${NumberField}
      label=${`${name}, number`}
      value=${value}
      least=${least}
      most=${most}
      step=${step}
      onChange=${onChange}
    />
  </div>`;
}

/**
 * A number that takes effect when it is done: by Enter, or by leaving the field.
 *
 * @param {{label: string, value: number | null, least: number, most: number, step: number,
 *     onChange: (value: number) => void, wide?: boolean, id?: string, none?: string}} props
 *     `none`: what stands there while there is no number
 */
export function NumberField({ label, value, least, most, step, onChange, wide, id, none = "mixed" }) {
  const written = value === null ? "" : String(Math.round(value * 1000) / 1000);
  const done = (/** @type {any} */ event) => {
    const field = event.target;
    const number = Number(field.value);
    if (field.value.trim() === "" || !Number.isFinite(number)) {
      field.value = written;
      return;
    }
    const inside = Math.min(Math.max(number, least), most);
    const whole = Number.isInteger(step) ? Math.round(inside) : inside;
    field.value = String(whole);
    if (whole !== value) onChange(whole);
  };
  return html`<input
    id=${id}
    class=${`number ${wide ? "wide" : ""}`}
    type="text"
    inputmode="decimal"
    autocomplete="off"
    aria-label=${id ? undefined : label}
    placeholder=${value === null ? none : ""}
    value=${written}
    onChange=${done}
    onKeyDown=${(/** @type {any} */ event) => {
      if (event.key === "Enter") done(event);
      const turn = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
      if (turn && value !== null) {
        event.preventDefault();
        onChange(Math.min(Math.max(rid(value + turn * step), least), most));
      }
    }}
  />`;
}

/** @param {number} value without what binary fractions add */
function rid(value) {
  return Math.round(value * 1e6) / 1e6;
}

/**
 * One of a few, side by side.
 *
 * @template {string} T
 * @param {{label: string, options: [T, string][], value: T | null, onChange: (value: T) => void,
 *     hidden?: boolean, kind?: string}} props `hidden`: the label is not seen
 */
export function Choice({ label, options, value, onChange, hidden, kind = "" }) {
  const id = useOwnId();
  return html`<div class=${`choice-row ${kind}`}>
    <span id=${id} class=${hidden ? "unseen" : "choice-label"}>${label}</span>
    <div class="choice" role="radiogroup" aria-labelledby=${id} onKeyDown=${rove}>
      ${options.map(
        ([name, text], number) => html`<button
          type="button"
          role="radio"
          aria-checked=${name === value}
          tabindex=${name === value || (value === null && number === 0) ? 0 : -1}
          onClick=${() => onChange(name)}
        >
          ${text}
        </button>`,
      )}
    </div>
  </div>`;
}

/**
 * Arrow keys move the focus among the buttons of an element, and press them.
 *
 * @param {KeyboardEvent} event
 */
export function rove(event) {
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (!step) return;
  const group = /** @type {HTMLElement} */ (event.currentTarget);
  const buttons = [...group.querySelectorAll("button")];
  const place = buttons.indexOf(/** @type {any} */ (document.activeElement));
  const next = buttons[(place + step + buttons.length) % buttons.length];
  event.preventDefault();
  next.focus();
  next.click();
}

/**
 * @param {{label: string, value: string, options: [string, string][],
 *     onChange: (value: string) => void, hidden?: boolean}} props
 */
export function Select({ label, value, options, onChange, hidden }) {
  const id = useOwnId();
  return html`<div class="select">
    <label for=${id} class=${hidden ? "unseen" : ""}>${label}</label>
    <select id=${id} value=${value} onChange=${(/** @type {any} */ event) => onChange(event.target.value)}>
      ${options.map(([name, text]) => html`<option value=${name} selected=${name === value}>${text}</option>`)}
    </select>
  </div>`;
}

/**
 * @param {{label: string, checked: boolean, onChange: (checked: boolean) => void}} props
 */
export function Check({ label, checked, onChange }) {
  return html`<label class="check"
    ><input
      type="checkbox"
      checked=${checked}
      onChange=${(/** @type {any} */ event) => onChange(event.target.checked)}
    /><span>${label}</span></label
  >`;
}

/**
 * A small picture.
 *
 * @param {{app: App, recipe: Recipe, alt: string}} props `alt`: "" beside a text that says it
 */
export function Thumb({ app, recipe, alt }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const model = useApp(app, (state) => state.model);
  const epoch = useApp(app, (state) => state.epoch);
  const crisp = useApp(app, (state) => state.crisp);
  const [shown, setShown] = useState(false);
  const name = JSON.stringify(recipe);
  useEffect(() => {
    if (!model) return;
    let current = true;
    const ask = async () => {
      try {
        const data = await app.thumbnails.get(model.key, recipe, model.sha256);
        if (!current || !canvas.current) return;
        paintOn(canvas.current, data);
        setShown(true);
      } catch {
        // without a connection; asked for again with the next one
      }
    };
    const timer = setTimeout(() => void ask(), shown ? SETTLED_MS : 0);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [name, model?.key, model?.sha256, epoch]);
  return html`<canvas
    ref=${canvas}
    class=${`thumb ${crisp ? "crisp" : ""} ${shown ? "" : "empty"}`}
    width="1"
    height="1"
    role=${alt ? "img" : undefined}
    aria-label=${alt || undefined}
    aria-hidden=${alt ? undefined : "true"}
  ></canvas>`;
}

/**
 * A picture that is here already.
 *
 * @param {{data: ImageData, alt: string, crisp: boolean}} props
 */
export function Picture({ data, alt, crisp }) {
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  useLayoutEffect(() => {
    if (canvas.current) paintOn(canvas.current, data);
  }, [data]);
  return html`<canvas
    ref=${canvas}
    class=${`thumb ${crisp ? "crisp" : ""}`}
    role=${alt ? "img" : undefined}
    aria-label=${alt || undefined}
    aria-hidden=${alt ? undefined : "true"}
  ></canvas>`;
}

/**
 * A part of a tab, with its title.
 *
 * @param {{title: string, about?: string, actions?: ComponentChildren,
 *     children?: ComponentChildren}} props
 */
export function Section({ title, about, actions, children }) {
  const id = useOwnId();
  return html`<section aria-labelledby=${id}>
    <div class="section-head">
      <h3 id=${id}>${title}</h3>
      <span class="spacer"></span>
      ${actions}
    </div>
    ${about && html`<p class="about">${about}</p>`} ${children}
  </section>`;
}

/**
 * A window above the page.
 *
 * @param {{title: string, onClose: () => void, children?: ComponentChildren, kind?: string}} props
 */
export function Dialog({ title, onClose, children, kind = "" }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useOwnId();
  useEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close(); // the focus goes back to where it was
  }, []);
  return html`<dialog
    ref=${dialog}
    class=${kind}
    aria-labelledby=${id}
    onClose=${onClose}
    onClick=${(/** @type {any} */ event) => event.target === dialog.current && onClose()}
  >
    <div class="dialog-body">
      <div class="dialog-head">
        <h2 id=${id}>${title}</h2>
        <${Button} icon="close" kind="plain" label="Close" onClick=${() => dialog.current?.close()} />
      </div>
      ${children}
    </div>
  </dialog>`;
}
