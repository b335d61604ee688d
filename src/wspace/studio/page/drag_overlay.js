/**
 * Points and mask, over the picture: placed and moved by pointer or keys.
 *
 * @import {App} from "./app.js"
 * @import {Place} from "./types.js"
 */

import { useApp } from "./controls.js";
import { html, useEffect, useRef, useState } from "./html.js";

const MOST_POINTS = 16;

/** @param {{app: App}} props */
export function DragOverlay({ app }) {
  const model = useApp(app, (state) => state.model);
  const tab = useApp(app, (state) => state.tab);
  const { tool, points } = useApp(app, (state) => state.drag);
  if (!model || tab !== "edit" || !model.can.includes("drag")) return null;
  if (!tool && !points.length) return null;
  return html`${tool === "mask" && html`<${Mask} app=${app} />`}
    <${Points} app=${app} />`;
}

/** @param {{app: App}} props */
function Points({ app }) {
  const model = useApp(app, (state) => state.model);
  const { points, tool } = useApp(app, (state) => state.drag);
  const held = useRef(/** @type {{number: number, end: 0 | 1} | null} */ (null));
  const svg = useRef(/** @type {SVGSVGElement | null} */ (null));
  if (!model) return null;
  const { width, height } = model;
  const unit = width / 100;
  const set = (/** @type {typeof points} */ to) => app.set({ drag: { ...app.state.drag, points: to } });
  const move = (/** @type {number} */ number, /** @type {0 | 1} */ end, /** @type {Place} */ to) =>
    set(
      app.state.drag.points.map((pair, at) =>
        at !== number ? pair : end === 0 ? [inside(to), pair[1]] : [pair[0], inside(to)],
      ),
    );
  const inside = (/** @type {Place} */ [x, y]) =>
    /** @type {Place} */ ([Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)]);
  const placeOf = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {SVGSVGElement} */ (svg.current).getBoundingClientRect();
    const across = ((event.clientX - box.left) / box.width) * width;
    const down = ((event.clientY - box.top) / box.height) * height;
    return inside([Math.floor(across), Math.floor(down)]);
  };
  const begin = (/** @type {PointerEvent} */ event) => {
    if (tool !== "points" || event.button !== 0) return;
    const knob = /** @type {Element} */ (event.target).closest("[data-point]");
    if (knob instanceof SVGElement) {
      held.current = {
        number: Number(knob.dataset.point),
        end: knob.dataset.end === "1" ? 1 : 0,
      };
    } else {
      if (points.length >= MOST_POINTS) return;
      const at = placeOf(event);
      set([...points, [at, at]]);
      held.current = { number: points.length, end: 1 };
    }
    svg.current?.setPointerCapture(event.pointerId);
  };
  const go = (/** @type {PointerEvent} */ event) => {
    if (held.current) move(held.current.number, held.current.end, placeOf(event));
  };
  const key = (/** @type {KeyboardEvent} */ event, /** @type {number} */ number, /** @type {0 | 1} */ end) => {
    const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      set(points.filter((_, at) => at !== number));
    }
    if (!turn) return;
    event.preventDefault();
    const far = event.shiftKey ? Math.max(1, Math.round(width / 16)) : 1;
    const [x, y] = points[number][end];
    move(number, end, [x + far * turn[0], y + far * turn[1]]);
  };
  return html`<svg
    ref=${svg}
    class=${`overlay ${tool === "points" ? "active" : ""}`}
    viewBox=${`0 0 ${width} ${height}`}
    role="group"
    aria-label="Points to drag: arrows move them, delete removes them"
    onPointerDown=${begin}
    onPointerMove=${go}
    onPointerUp=${() => {
      held.current = null;
    }}
    onPointerCancel=${() => {
      held.current = null;
    }}
  >
    ${points.map(([from, to], number) => {
      const [x0, y0, x1, y1] = [from[0] + 0.5, from[1] + 0.5, to[0] + 0.5, to[1] + 0.5];
      const knob = (/** @type {0 | 1} */ end, /** @type {Place} */ [x, y]) => html`<g
        class=${end ? "knob to" : "knob"}
        data-point=${number}
        data-end=${end}
        tabindex=${tool === "points" ? 0 : -1}
        role="button"
        aria-label=${`Point ${number + 1}, ${end ? "to" : "from"} ${x}, ${y}`}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => key(event, number, end)}
      >
        <circle class="reach" cx=${x + 0.5} cy=${y + 0.5} r=${4.5 * unit} />
        <circle class="dot" cx=${x + 0.5} cy=${y + 0.5} r=${(end ? 1.9 : 1.5) * unit} />
      </g>`;
      return html`<g key=${number}>
        <line class="under" x1=${x0} y1=${y0} x2=${x1} y2=${y1} />
        <line x1=${x0} y1=${y0} x2=${x1} y2=${y1} />
        ${knob(0, from)}${knob(1, to)}
      </g>`;
    })}
  </svg>`;
}

/** @param {{app: App}} props */
function Mask({ app }) {
  const model = useApp(app, (state) => state.model);
  const { mask, brush } = useApp(app, (state) => state.drag);
  const canvas = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const last = useRef(/** @type {Place | null} */ (null));
  const [cursor, setCursor] = useState(/** @type {Place} */ ([
    Math.round((model?.width ?? 0) / 2),
    Math.round((model?.height ?? 0) / 2),
  ]));
  const { width, height } = model ?? { width: 1, height: 1 };
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    const data = context.createImageData(width, height);
    for (let at = 0; mask && at < mask.length; at++) {
      // what may not move is veiled
      data.data[4 * at + 3] = mask[at] ? 0 : 130;
    }
    context.putImageData(data, 0, 0);
  }, [mask, width, height]);
  const placeOf = (/** @type {PointerEvent} */ event) => {
    const box = /** @type {HTMLCanvasElement} */ (canvas.current).getBoundingClientRect();
    return /** @type {Place} */ ([
      ((event.clientX - box.left) / box.width) * width,
      ((event.clientY - box.top) / box.height) * height,
    ]);
  };
  /**
   * @param {Place} from
   * @param {Place} to
   * @param {0 | 1} value
   */
  const stroke = (from, to, value) => {
    const before = app.state.drag.mask;
    const painted = before ? before.slice() : new Uint8Array(width * height);
    const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let step = 0; step <= steps; step++) {
      const x = from[0] + ((to[0] - from[0]) * step) / steps;
      const y = from[1] + ((to[1] - from[1]) * step) / steps;
      disc(painted, width, height, x, y, brush, value);
    }
    app.set({ drag: { ...app.state.drag, mask: painted.some(Boolean) ? painted : null } });
  };
  const wipes = (/** @type {PointerEvent | KeyboardEvent} */ event) => (event.shiftKey ? 0 : 1);
  const key = (/** @type {KeyboardEvent} */ event) => {
    const turn = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (turn) {
      event.preventDefault();
      setCursor([
        Math.min(Math.max(cursor[0] + turn[0], 0), width - 1),
        Math.min(Math.max(cursor[1] + turn[1], 0), height - 1),
      ]);
    } else if (event.key === " ") {
      event.preventDefault();
      stroke(cursor, cursor, wipes(event));
    }
  };
  return html`<canvas
      ref=${canvas}
      class="overlay active"
      width=${width}
      height=${height}
      tabindex="0"
      role="application"
      aria-label="Brush over what may move: arrows move the brush, space paints, shift and space wipes"
      onKeyDown=${key}
      onPointerDown=${(/** @type {PointerEvent} */ event) => {
        if (event.button !== 0) return;
        canvas.current?.setPointerCapture(event.pointerId);
        last.current = placeOf(event);
        stroke(last.current, last.current, wipes(event));
      }}
      onPointerMove=${(/** @type {PointerEvent} */ event) => {
        const at = placeOf(event);
        setCursor([Math.floor(at[0]), Math.floor(at[1])]);
        if (!last.current) return;
        stroke(last.current, at, wipes(event));
        last.current = at;
      }}
      onPointerUp=${() => {
        last.current = null;
      }}
      onPointerCancel=${() => {
        last.current = null;
      }}
    ></canvas>
    <svg class="overlay brush" viewBox=${`0 0 ${width} ${height}`} aria-hidden="true">
      <circle cx=${cursor[0] + 0.5} cy=${cursor[1] + 0.5} r=${brush} />
    </svg>`;
}

/**
 * @param {Uint8Array} mask changed
 * @param {number} width
 * @param {number} height
 * @param {number} x
 * @param {number} y
 * @param {number} radius
 * @param {0 | 1} value
 */
function disc(mask, width, height, x, y, radius, value) {
  for (let row = Math.max(0, Math.ceil(y - radius)); row < Math.min(height, y + radius); row++) {
    for (let column = Math.max(0, Math.ceil(x - radius)); column < Math.min(width, x + radius); column++) {
      if (Math.hypot(column - x, row - y) <= radius) mask[row * width + column] = value;
    }
  }
}
