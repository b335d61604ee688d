/** Starts the studio on this page. */

import { App } from "./app.js";
import { html, render } from "./html.js";
import { ServerEngine } from "./server_engine.js";
import { Shell } from "./shell.js";

const scheme = location.protocol === "https:" ? "wss" : "ws";
const app = new App(new ServerEngine(`${scheme}://${location.host}/engine`));
const root = document.querySelector("#studio");
if (root) {
  root.replaceChildren();
  render(html`<${Shell} app=${app} />`, root);
}
