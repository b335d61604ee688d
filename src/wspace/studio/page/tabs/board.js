/**
 * Board: pictures kept, and all of them as a zip.
 *
 * @import {App} from "../app.js"
 * @import {Favourite} from "../board.js"
 */

import { Button, Section, useApp } from "../controls.js";
import { save, saveFile } from "../files.js";
import { html, useEffect, useState } from "../html.js";
import { zipOf } from "../zip.js";

/** @param {{app: App}} props */
export function BoardTab({ app }) {
  const [all, setAll] = useState(app.board.all);
  const [removed, setRemoved] = useState(/** @type {Favourite | null} */ (null));
  const [done, setDone] = useState(/** @type {number | null} */ (null));
  const crisp = useApp(app, (state) => state.crisp);
  useEffect(() => {
    const look = () => setAll(app.board.all);
    look();
    return app.board.subscribe(look);
  }, [app]);
  const exportAll = async () => {
    const files = [];
    const missing = new Set();
    setDone(0);
    for (const [number, one] of [...all].reverse().entries()) {
      try {
        const { name, bytes } = await app.engine.png(one.model, one.recipe);
        files.push({ name: `${String(number + 1).padStart(3, "0")}-${name}`, bytes });
      } catch (error) {
        missing.add(`${one.title}: ${/** @type {Error} */ (error).message}`);
      }
      setDone(number + 1);
    }
    setDone(null);
    if (files.length) save("board.zip", zipOf(files));
    if (missing.size) app.say(`Left out: ${[...missing].join(" ")}`, true);
  };
  const saveText = done === null ? "Save all as a zip" : `${done} of ${all.length} …`;
  return html`<${Section}
    title=${all.length ? `Kept pictures: ${all.length}` : "Kept pictures"}
    about="They stay in this browser, with their recipes."
    actions=${
      all.length > 0 &&
      html`<${Button} icon="down" kind="small" label=${saveText} text=${saveText} disabled=${done !== null} onClick=${exportAll} />`
    }
  >
    ${
      removed &&
      html`<p class="about">
        Removed.
        <button
          type="button"
          class="link"
          onClick=${() => {
            void app.board.put(removed);
            setRemoved(null);
          }}
        >
          Put it back
        </button>
      </p>`
    }
    ${
      all.length === 0
        ? html`<p class="nothing">Nothing yet: <b>Keep</b>, under the picture, puts one here.</p>`
        : html`<div class="board">
            ${all.map(
              (one) => html`<${Card}
                key=${one.id}
                app=${app}
                one=${one}
                crisp=${crisp}
                onRemove=${() => {
                  void app.board.remove(one.id);
                  setRemoved(one);
                }}
              />`,
            )}
          </div>`
    }
  <//>`;
}

/** @param {{app: App, one: Favourite, crisp: boolean, onRemove: () => void}} props */
function Card({ app, one, crisp, onRemove }) {
  const [address, setAddress] = useState("");
  useEffect(() => {
    const made = URL.createObjectURL(one.picture);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [one.id]);
  const show = async () => {
    if (app.state.model?.key !== one.model) await app.openModel(one.model);
    if (app.state.model?.key !== one.model) return;
    try {
      app.takeRecipe(one.recipe);
    } catch (error) {
      app.fail(/** @type {Error} */ (error));
    }
  };
  const download = async () => {
    try {
      saveFile(await app.engine.png(one.model, one.recipe));
    } catch (error) {
      app.fail(/** @type {Error} */ (error));
    }
  };
  return html`<figure class="card">
    <button type="button" class="tile" aria-label=${`Show ${one.title}: ${one.about}`} onClick=${show}>
      ${address && html`<img src=${address} alt="" class=${`thumb ${crisp ? "crisp" : ""}`} />`}
    </button>
    <figcaption title=${one.about}>${one.about}<span class="note">${one.title}</span></figcaption>
    <div class="card-actions">
      <${Button} icon="down" kind="tiny" label=${`Save ${one.about}`} title="Save PNG" onClick=${download} />
      <${Button} icon="close" kind="tiny" label=${`Remove ${one.about}`} title="Remove" onClick=${onRemove} />
    </div>
  </figure>`;
}
