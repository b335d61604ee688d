/**
 * The whole page: bar, picture, tabs, messages.
 *
 * @import {App, State, Tab, Theme} from "./app.js"
 * @import {Loading, Model} from "./types.js"
 */

import { Button, Dialog, Select, useApp } from "./controls.js";
import { openFile } from "./files.js";
import { html, useEffect, useLayoutEffect, useState } from "./html.js";
import { Stage } from "./stage.js";
import { BoardTab } from "./tabs/board.js";
import { EditTab } from "./tabs/edit.js";
import { ExploreTab } from "./tabs/explore.js";
import { MixTab } from "./tabs/mix.js";
import { NoiseTab } from "./tabs/noise.js";
import { RunTab } from "./tabs/run.js";
import { WalkTab } from "./tabs/walk.js";

const MESSAGE_MS = 6000;

/** @type {[Tab, string, any, (state: State) => boolean][]} */
const TABS = [
  ["explore", "Explore", ExploreTab, () => true],
  ["mix", "Mix", MixTab, () => true],
  ["noise", "Noise", NoiseTab, ({ model }) => (model?.noise_layers.length ?? 0) > 0],
  ["edit", "Edit", EditTab, ({ model }) => canEdit(model)],
  ["walk", "Walk", WalkTab, ({ model }) => model?.can.includes("walk") ?? false],
  ["board", "Board", BoardTab, () => true],
  ["run", "Run", RunTab, ({ model }) => model?.kind === "run"],
];

/** @param {State["model"]} model */
function canEdit(model) {
  return !!model && (model.directions.length > 0 || ["invert", "drag"].some((one) => model.can.includes(one)));
}

/** @param {{app: App}} props */
export function Shell({ app }) {
  useTheme(app);
  useKeys(app);
  const drops = useDrops(app);
  const isReady = useApp(app, (state) => !!state.model);
  const hasAlpha = useApp(app, (state) => state.model?.channels === 4);
  return html`<${Bar} app=${app} />
    <${ConnectionBar} app=${app} />
    ${
      isReady
        ? html`<main class=${hasAlpha ? "alpha" : ""}><${Stage} app=${app} /><${Panel} app=${app} /></main>`
        : html`<main class="empty-page"><${Waiting} app=${app} /></main>`
    }
    <${Message} app=${app} />
    ${drops && html`<div class="drop-veil"><p>Drop a picture or a recipe</p></div>`}`;
}

/** @param {{app: App}} props */
function Waiting({ app }) {
  const isChosen = useApp(app, (state) => !state.models.length || state.opening !== null);
  const loading = useApp(app, (state) => state.loading);
  if (loading) return html`<${Arriving} loading=${loading} />`;
  return html`<p class="starting">${isChosen ? "Opening a model …" : "Choose a model above."}</p>`;
}

/** @param {{loading: Loading}} props */
function Arriving({ loading: { text, done, total, preview } }) {
  return html`<div class="arriving">
    <img src=${preview} alt="" />
    <progress aria-label="Loading" max=${total} value=${done}></progress>
    <p role="status">${text}</p>
  </div>`;
}

/** @param {{app: App}} props */
function Bar({ app }) {
  const { models, model, opening, loading, theme, past, future, version } = useApp(app, (state) => state);
  const [isAsked, setAsked] = useState(false);
  const kinds = { bundled: "", file: " (file)", run: " (run)" };
  const icon = document.querySelector("link[rel=icon]")?.getAttribute("href");
  /** @type {Record<Theme, [Theme, string]>} */
  const next = {
    auto: ["light", "as the system has it"],
    light: ["dark", "light"],
    dark: ["auto", "dark"],
  };
  return html`<header>
    <h1><img src=${icon} alt="" width="28" height="28" /><span>${document.title}</span></h1>
    ${
      models.length > 0 &&
      html`<${Select}
        label="Model"
        hidden
        value=${opening ?? model?.key ?? ""}
        options=${[
          ...(opening || model ? [] : [["", "choose"]]),
          ...models.map((one) => [one.key, `${one.title}${kinds[one.kind]}`]),
        ]}
        onChange=${(/** @type {string} */ key) => key && app.openModel(key)}
      />`
    }
    ${model && loading && html`<span class="note loading" role="status">${loading.text}</span>`}
    ${model && html`<${Button} icon="about" kind="plain" label="About the model" onClick=${() => setAsked(true)} />`}
    ${model && isAsked && html`<${About} model=${model} version=${version} onClose=${() => setAsked(false)} />`}
    <span class="spacer"></span>
    <${Button} icon="undo" kind="plain" label="Undo" title="Undo (Ctrl+Z)" disabled=${!past.length} onClick=${() => app.undo()} />
    <${Button} icon="redo" kind="plain" label="Redo" title="Redo (Ctrl+Shift+Z)" disabled=${!future.length} onClick=${() => app.redo()} />
    <${Button}
      icon=${theme}
      kind="plain"
      label=${`Colours: ${next[theme][1]}`}
      onClick=${() => app.set({ theme: next[theme][0] })}
    />
  </header>`;
}

/** @param {{model: Model, version: string, onClose: () => void}} props */
function About({ model, version, onClose }) {
  const kinds = { bundled: "bundled with wspace", file: "a file", run: "a run" };
  const facts = [
    ["Model", `${model.title}, ${kinds[model.kind]}`],
    ["Pictures", `${model.width} × ${model.height}, ${model.channels === 1 ? "grey" : model.channels === 4 ? "colour with alpha" : "colour"}`],
    ["Layers", `${model.num_ws}, a w of ${model.w_dim} numbers`],
    ...(model.num_classes ? [["Classes", model.classes?.join(", ") ?? String(model.num_classes)]] : []),
    ...model.facts,
    ["sha256", model.sha256],
    ["wspace", version],
  ];
  return html`<${Dialog} title="About the model" onClose=${onClose}>
    <dl class="facts">${facts.map(([label, text]) => html`<dt>${label}</dt><dd>${text}</dd>`)}</dl>
    ${model.lacks && html`<p class="about">${model.lacks}</p>`}
  <//>`;
}

/** @param {{app: App}} props */
function ConnectionBar({ app }) {
  const connection = useApp(app, (state) => state.connection);
  const epoch = useApp(app, (state) => state.epoch);
  const text =
    connection === "refused"
      ? "The studio does not know this browser: open the address that wspace studio has printed."
      : connection === "lost" || (connection === "connecting" && epoch > 0)
        ? "The studio does not answer: reconnecting …"
        : "";
  return html`<div class="connection" role="status" hidden=${!text}>${text}</div>`;
}

/** @param {{app: App}} props */
function Panel({ app }) {
  const model = useApp(app, (state) => state.model);
  const chosen = useApp(app, (state) => state.tab);
  const tabs = TABS.filter(([, , , isThere]) => isThere({ ...app.state, model }));
  const [tab, , View] = tabs.find(([name]) => name === chosen) ?? tabs[0];
  useEffect(() => {
    const button = document.getElementById(`tab-${tab}`);
    const list = button?.parentElement;
    if (!button || !list) return;
    const [own, seen] = [button.getBoundingClientRect(), list.getBoundingClientRect()];
    // Not by `scrollIntoView`, which moves where the Tab key begins.
    list.scrollLeft += Math.max(own.right - seen.right, 0) + Math.min(own.left - seen.left, 0);
  }, [tab]);
  const step = (/** @type {KeyboardEvent} */ event) => {
    const place = tabs.findIndex(([name]) => name === tab);
    const to = {
      ArrowRight: (place + 1) % tabs.length,
      ArrowLeft: (place + tabs.length - 1) % tabs.length,
      Home: 0,
      End: tabs.length - 1,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    app.set({ tab: tabs[to][0] });
    document.getElementById(`tab-${tabs[to][0]}`)?.focus();
  };
  return html`<div class="panel">
    <div class="tabs" role="tablist" aria-label="Controls" onKeyDown=${step}>
      ${tabs.map(
        ([name, text]) => html`<button
          type="button"
          role="tab"
          id=${`tab-${name}`}
          aria-selected=${name === tab}
          aria-controls="panel"
          tabindex=${name === tab ? 0 : -1}
          onClick=${() => app.set({ tab: name })}
        >
          ${text}
        </button>`,
      )}
    </div>
    <div id="panel" class="tab-panel" role="tabpanel" aria-labelledby=${`tab-${tab}`} key=${tab}>
      <${View} app=${app} />
    </div>
  </div>`;
}

/** @param {{app: App}} props */
function Message({ app }) {
  const message = useApp(app, (state) => state.message);
  useEffect(() => {
    if (!message) return;
    const timer = setTimeout(() => app.set({ message: null }), MESSAGE_MS * (message.bad ? 2 : 1));
    return () => clearTimeout(timer);
  }, [message?.number]);
  return html`<div class="messages">
    <div role="status">${message && !message.bad && html`<p class="message">${message.text}</p>`}</div>
    <div role="alert">
      ${
        message?.bad &&
        html`<p class="message bad">
          <span>${message.text}</span>
          <${Button} icon="close" kind="plain" label="Close" onClick=${() => app.set({ message: null })} />
        </p>`
      }
    </div>
  </div>`;
}

/** @param {App} app */
function useTheme(app) {
  const theme = useApp(app, (state) => state.theme);
  useLayoutEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
}

/** @param {App} app */
function useKeys(app) {
  useEffect(() => {
    const pressed = (/** @type {KeyboardEvent} */ event) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
      const field = /** @type {HTMLElement} */ (event.target);
      const writes = field.matches?.("input[type=text], textarea");
      const key = event.key.toLowerCase();
      if (writes) return;
      if (key === "z") {
        event.preventDefault();
        if (event.shiftKey) app.redo();
        else app.undo();
      } else if (key === "y") {
        event.preventDefault();
        app.redo();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/**
 * Takes files that are dropped anywhere.
 *
 * @param {App} app
 * @returns {boolean} whether one hovers
 */
function useDrops(app) {
  const [hovers, setHovers] = useState(false);
  useEffect(() => {
    let timer = 0;
    const over = (/** @type {DragEvent} */ event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setHovers(true);
      clearTimeout(timer);
      timer = setTimeout(() => setHovers(false), 300);
    };
    const drop = (/** @type {DragEvent} */ event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      const isTaken = event.defaultPrevented; // by a part of the page
      event.preventDefault();
      setHovers(false);
      const [file] = event.dataTransfer.files;
      if (file && !isTaken) void openFile(app, file);
    };
    addEventListener("dragover", over);
    addEventListener("drop", drop);
    return () => {
      removeEventListener("dragover", over);
      removeEventListener("drop", drop);
    };
  }, []);
  return hovers;
}
