/**
 * The explorer's files: beside the page, or inside it where it is one file. Large ones are packed by
 * gzip, so that every host sends few bytes.
 *
 * @import {Packed} from "./types.js"
 */

/** Whether the page is one file, which holds all others. */
export const isOneFile = document.documentElement.dataset.files === "inside";

/** @param {string} path what a file inside the page is called */
function inside(path) {
  const element = document.getElementById(path);
  if (!element) throw new Error(`${path} is missing in this page: it is not whole.`);
  return element.textContent ?? "";
}

/**
 * @param {string} path
 * @returns {Promise<string>}
 */
export async function readText(path) {
  return isOneFile ? inside(path) : await (await fetched(path)).text();
}

/** @param {string} path */
async function fetched(path) {
  let response;
  try {
    response = await fetch(new URL(path, document.baseURI));
  } catch {
    throw new Error(`${path} cannot be had without a network: this browser has not kept it yet.`);
  }
  if (!response.ok) {
    throw new Error(`${path} is not to be had (${response.status}): load the page again.`);
  }
  return response;
}

/**
 * A packed file, unpacked.
 *
 * @param {Packed} packed
 * @param {(bytes: number) => void} told of the packed bytes that are there
 * @returns {Promise<ArrayBuffer>}
 */
export async function read(packed, told) {
  const bytes = isOneFile ? ofBase64(inside(packed.path)) : await download(packed, told);
  told(packed.bytes);
  // A host may have said that it is packed: then the browser has unpacked it already.
  const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const content = isPacked ? await unpacked(bytes) : bytes.buffer;
  if (content.byteLength !== packed.unpacked) {
    throw new Error(`${packed.path} is not whole: load the page again.`);
  }
  return content;
}

/**
 * @param {Packed} packed
 * @param {(bytes: number) => void} told
 */
async function download(packed, told) {
  const response = await fetched(packed.path);
  const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).getReader();
  const parts = [];
  let count = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    count += value.length;
    told(Math.min(count, packed.bytes));
  }
  const whole = new Uint8Array(count);
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}

/** @param {Uint8Array<ArrayBuffer>} bytes */
async function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).arrayBuffer();
}

/** @param {string} text */
function ofBase64(text) {
  const characters = atob(text);
  const bytes = new Uint8Array(characters.length);
  for (let k = 0; k < bytes.length; k++) bytes[k] = characters.charCodeAt(k);
  return bytes;
}
