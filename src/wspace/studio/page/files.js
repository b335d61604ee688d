/**
 * Files that come in and go out.
 *
 * @import {App} from "./app.js"
 * @import {Item, NamedFile, Recipe} from "./types.js"
 */

import { isPng, textOfPng } from "./png.js";
import { fromRecipe, recipeOfDocument, same, toRecipe } from "./recipe.js";

const MAX_BYTES = 48 * 2 ** 20; // of a file that is dropped

/**
 * Have the browser save a file.
 *
 * @param {string} name
 * @param {Blob} blob
 */
export function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** @param {NamedFile} file */
export function saveFile({ name, bytes }) {
  save(name, new Blob([bytes]));
}

/** @param {App} app */
export async function savePicture(app) {
  const { model, work } = app.state;
  if (!model || !work) return;
  try {
    saveFile(await app.engine.png(model.key, toRecipe(work)));
  } catch (error) {
    app.fail(/** @type {Error} */ (error));
  }
}

/** @param {App} app */
export function saveRecipe(app) {
  const { work } = app.state;
  if (!work) return;
  const text = `${JSON.stringify(toRecipe(work))}\n`;
  save("recipe.json", new Blob([text], { type: "application/json" }));
}

/**
 * Keep what is shown on the board.
 *
 * @param {App} app
 * @param {string} about the picture in words
 */
export async function keepPicture(app, about) {
  const { model, work } = app.state;
  const picture = await app.screen.blob();
  if (!model || !work || !picture) return;
  await app.board.add(model, toRecipe(work), about, picture);
  app.say("Kept on the board.");
}

/**
 * Take what was dropped: a PNG with a recipe or a recipe sets every control, a photograph is
 * looked for in the model.
 *
 * @param {App} app
 * @param {File} file
 * @param {(item: Item[]) => void} [add] instead of showing it: takes the pictures
 */
export async function openFile(app, file, add) {
  try {
    if (file.size > MAX_BYTES) throw new Error(`${file.name} is larger than 48 MB.`);
    const bytes = new Uint8Array(await file.arrayBuffer());
    const recipe = await recipeIn(file, bytes);
    if (recipe) await takeRecipe(app, recipe, file.name, add);
    else await invert(app, bytes, file.name, add);
  } catch (error) {
    app.fail(/** @type {Error} */ (error));
  }
}

/**
 * @param {File} file
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<Recipe | null>} null of a picture without one
 */
async function recipeIn(file, bytes) {
  if (isPng(bytes)) {
    const text = await textOfPng(bytes);
    return text === null ? null : recipeOfDocument(text);
  }
  if (file.name.toLowerCase().endsWith(".json") || file.type === "application/json") {
    return recipeOfDocument(new TextDecoder().decode(bytes));
  }
  return null;
}

/**
 * @param {App} app
 * @param {Recipe} recipe
 * @param {string} name of its file
 * @param {((item: Item[]) => void) | undefined} add
 */
async function takeRecipe(app, recipe, name, add) {
  const { model: own, ...rest } = recipe;
  if (own && own.sha256 !== app.state.model?.sha256) await openModelOf(app, own.name);
  const { model, work } = app.state;
  if (!model || !work) return;
  if (own && own.sha256 !== model.sha256) {
    throw new Error(
      `${name} was made by another model named ${own.name}: start the studio with that one.`,
    );
  }
  const theirs = fromRecipe(rest, model);
  // What the engine cannot draw is refused before any control moves.
  await app.engine.render(model.key, [toRecipe(theirs)]);
  if (add) {
    add(theirs.tray);
    return;
  }
  app.takeRecipe(rest);
  app.say(`${name}: every control is as it was.`);
}

/**
 * @param {App} app
 * @param {string} name of the model
 */
async function openModelOf(app, name) {
  const plain = (/** @type {string} */ one) => one.replace(/\.safetensors$/, "");
  const entry = app.state.models.find((one) => plain(one.title) === plain(name));
  if (!entry) {
    throw new Error(`It was made by the model ${name}, which is not open here: give it to the studio.`);
  }
  if (entry.key !== app.state.model?.key) await app.openModel(entry.key);
}

/**
 * @param {App} app
 * @param {Uint8Array} bytes
 * @param {string} name
 * @param {((item: Item[]) => void) | undefined} add
 */
async function invert(app, bytes, name, add) {
  const { model } = app.state;
  if (!model) return;
  if (!model.can.includes("invert")) {
    throw new Error(`${name} carries no recipe: drop a PNG that wspace wrote, or a recipe's JSON.`);
  }
  const { seconds, startClass } = app.state;
  const result = await app.run(`Looking for ${name}`, (told) =>
    app.engine.invert(model.key, bytes, { seconds, space: "w+", class: startClass ?? undefined }, told),
  );
  if (!result || !app.state.work) return;
  if (!result.recipe) {
    app.say("Stopped: the picture is as it was.");
    return;
  }
  const { model: _model, ...recipe } = result.recipe;
  const found = fromRecipe(recipe, model);
  if (add) add(found.tray);
  else {
    const { tray } = app.state.work;
    const others = tray.filter((item) => !found.tray.some((one) => same(one, item)));
    app.change({ ...found, tray: [...found.tray, ...others] });
  }
  if (result.psnr) app.say(`${name} found: ${result.psnr.toFixed(1)} dB.`);
}

/**
 * Put a text on the clipboard.
 *
 * @param {App} app
 * @param {string} text
 * @param {string} what
 */
export async function copyText(app, text, what) {
  try {
    await navigator.clipboard.writeText(text);
    app.say(`${what} copied.`);
  } catch {
    app.say("The browser gave no clipboard: select the text and copy it.", true);
  }
}
