/** Starts the explorer on this page. */

import { App } from "../../studio/page/app.js";
import { html, render } from "../../studio/page/html.js";
import { Shell } from "../../studio/page/shell.js";
import { BrowserEngine } from "./browser_engine.js";
import { isOneFile, readText } from "./packed.js";

/** @returns {Worker} */
function newWorker() {
  if (!isOneFile) return new Worker(new URL("worker.js", document.baseURI), { type: "module" });
  const code = document.getElementById("worker.js")?.textContent ?? "";
  const bytes = Uint8Array.from(atob(code), (one) => one.charCodeAt(0));
  const address = URL.createObjectURL(new Blob([bytes], { type: "text/javascript" }));
  return new Worker(address);
}

const root = document.querySelector("#studio");

async function start() {
  const contents = JSON.parse(await readText("contents.json"));
  const app = new App(new BrowserEngine(contents, newWorker));
  root?.replaceChildren();
  if (root) render(html`<${Shell} app=${app} />`, root);
}

start().catch((error) => {
  const line = document.createElement("p");
  line.className = "starting";
  line.textContent = `The explorer does not open: ${error.message}`;
  root?.replaceChildren(line);
});
