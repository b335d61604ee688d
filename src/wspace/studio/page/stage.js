/**
 * The big picture and what can be done with it.
 *
 * @import {App} from "./app.js"
 */

import { Button, Dialog, useApp } from "./controls.js";
import { DragOverlay } from "./drag_overlay.js";
import { copyText, keepPicture, openFile, save, savePicture, saveRecipe } from "./files.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { describe, toRecipe } from "./recipe.js";

/** @param {{app: App}} props */
export function Stage({ app }) {
  const model = useApp(app, (state) => state.model);
  const work = useApp(app, (state) => state.work);
  const crisp = useApp(app, (state) => state.crisp);
  const task = useApp(app, (state) => state.task);
  const playing = useApp(app, (state) => state.playing);
  const [showsCode, setShowsCode] = useState(false);
  const chooser = useRef(/** @type {HTMLInputElement | null} */ (null));
  if (!model || !work) return html`<section class="stage" aria-label="Picture"></section>`;
  const about = describe(work, model);
  return html`<section class="stage" aria-label="Picture">
    <div class="viewport">
      <div class="frame" style=${{ "--aspect": String(model.width / model.height) }}>
        <canvas
          id="picture"
          class=${crisp ? "crisp" : ""}
          width=${1}
          height=${1}
          role="img"
          aria-label=${`${model.title}: ${task?.title ?? playing ?? about}`}
          ref=${(/** @type {HTMLCanvasElement | null} */ canvas) => app.screen.attach(canvas)}
        ></canvas>
        <${DragOverlay} app=${app} />
      </div>
    </div>
    ${task ? html`<${TaskBar} app=${app} />` : html`<p class="caption" title=${about}>${playing ?? about}</p>`}
    <div class="actions" role="toolbar" aria-label="Picture">
      <${Button} icon="down" kind="main" label="Save PNG" text="Save PNG" onClick=${() => savePicture(app)} title="The picture, with its recipe in it" />
      <${Button} icon="heart" label="Keep on the board" text="Keep" onClick=${() => keepPicture(app, about)} />
      <${Button} icon="copy" label="Copy as command or Python" text="Copy" onClick=${() => setShowsCode(true)} />
      <${Button} icon="upload" label="Open a picture or a recipe" text="Open" onClick=${() => chooser.current?.click()} />
      <input
        ref=${chooser}
        type="file"
        class="unseen"
        tabindex="-1"
        aria-label="A picture or a recipe"
        accept="image/*,.json,application/json"
        onChange=${(/** @type {any} */ event) => {
          const [file] = event.target.files;
          if (file) void openFile(app, file);
          event.target.value = "";
        }}
      />
      <${Button} icon="pixels" label="Crisp pixels" pressed=${crisp} onClick=${() => app.set({ crisp: !crisp })} />
    </div>
    ${showsCode && html`<${Code} app=${app} onClose=${() => setShowsCode(false)} />`}
  </section>`;
}

/** @param {{app: App}} props */
function TaskBar({ app }) {
  const task = useApp(app, (state) => state.task);
  if (!task) return null;
  const { done, total, text } = task.progress;
  return html`<div class="task" role="status">
    <span class="task-title">${task.title}${text ? ` · ${text}` : ""}</span>
    <progress
      aria-label=${task.title}
      max=${total || undefined}
      value=${total ? done : undefined}
    ></progress>
    <${Button} icon="stop" kind="small" label="Stop" text="Stop" onClick=${task.stop} />
  </div>`;
}

/** @param {{app: App, onClose: () => void}} props */
function Code({ app, onClose }) {
  const [code, setCode] = useState(/** @type {import("./types.js").Code | null} */ (null));
  const { model, work } = app.state;
  useEffect(() => {
    if (!model?.can.includes("code") || !work) return;
    app.engine.code(model.key, toRecipe(work)).then(setCode, (error) => app.fail(error));
  }, []);
  return html`<${Dialog} title="What makes this picture" onClose=${onClose}>
    ${
      code &&
      [
        ["Command", code.command],
        ["Python", code.python],
      ].map(
        ([name, text]) => html`<div class="code">
          <div class="section-head">
            <h3>${name}</h3>
            <span class="spacer"></span>
            <${Button} icon="copy" label=${`Copy as ${name}`} text="Copy" onClick=${() => copyText(app, text, name)} />
          </div>
          <pre tabindex="0" aria-label=${name}>${text}</pre>
        </div>`,
      )
    }
    <div class="row">
      ${
        code?.file &&
        html`<${Button} icon="down" label=${`Save ${code.file.name}, which they read`} text=${`Save ${code.file.name}, which they read`} onClick=${() => code.file && save(code.file.name, new Blob([code.file.text]))} />`
      }
      <${Button} icon="down" label="Save the recipe as JSON" text="Save the recipe as JSON" onClick=${() => saveRecipe(app)} />
    </div>
  <//>`;
}
