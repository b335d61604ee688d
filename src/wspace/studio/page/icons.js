/** Small signs for buttons, which carry their names themselves. */

import { html } from "./html.js";

const PATHS = {
  about: "M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zM12 11v5M12 8h.01",
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  copy: "M9 9h10v11H9zM5 15V4h10",
  dark: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z",
  dice: "M5 5h14v14H5zM9 9h.01M15 15h.01M12 12h.01M15 9h.01M9 15h.01",
  down: "M12 4v11m-5-4.5l5 5 5-5M5 20h14",
  earlier: "M14 6l-6 6 6 6",
  heart: "M12 20S4 15 4 9.3A4.3 4.3 0 0 1 12 7a4.3 4.3 0 0 1 8 2.3C20 15 12 20 12 20z",
  later: "M10 6l6 6-6 6",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  pause: "M9 5v14M15 5v14",
  pencil: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  play: "M8 5l11 7-11 7z",
  pixels: "M4 4h16v16H4zM4 12h16M12 4v16",
  redo: "M19 9H10a5 5 0 0 0 0 10h3M15 5l4 4-4 4",
  reset: "M5 5v5h5M5.5 14a7 7 0 1 0 1.3-6L5 10",
  stop: "M6 6h12v12H6z",
  undo: "M5 9h9a5 5 0 0 1 0 10h-3M9 5L5 9l4 4",
  upload: "M12 20V9M7 12.5l5-5 5 5M5 4h14",
};

/** @typedef {keyof typeof PATHS} IconName */

/** @param {{name: IconName}} props */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
    <path d=${PATHS[name]} />
  </svg>`;
}
