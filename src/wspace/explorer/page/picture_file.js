/**
 * Pictures as PNG files that carry their recipes, as `wspace.recipe.png` writes them.
 *
 * @import {Recipe} from "../../studio/page/types.js"
 * @import {ExportedModel} from "./types.js"
 */

import { crc32 } from "../../studio/page/zip.js";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const KINDS = { 1: 0, 3: 2, 4: 6 }; // grey; red, green, blue; these and alpha
const PACK_FROM = 1024; // shorter text stays readable in any viewer

/**
 * The recipe with the model's name and those of classes.
 *
 * @param {Recipe} recipe
 * @param {ExportedModel} exported
 * @returns {Recipe}
 */
export function signed(recipe, { model, named }) {
  const sources = recipe.sources.map((source) => {
    const name = source.class === undefined ? undefined : model.classes?.[source.class];
    return name === undefined ? source : { ...source, class_name: name };
  });
  const version = sources.some((source) => source.class_name) ? Math.max(recipe.version, 2) : recipe.version;
  const identity = { name: named, sha256: model.sha256 };
  return { ...recipe, version, model: identity, sources, precision: "fp32" };
}

/**
 * @param {Recipe} recipe
 * @returns {string} what the file is called
 */
export function pictureName({ sources }) {
  const [{ seed, class: of }] = sources;
  if (sources.length > 1 || seed === undefined) return "picture0000.png";
  return `seed${String(seed).padStart(4, "0")}${of === undefined ? "" : `-class${of}`}.png`;
}

/**
 * @param {Uint8Array<ArrayBuffer>} pixels row by row
 * @param {number} width
 * @param {number} height
 * @param {1 | 3 | 4} channels
 * @param {object} document what the picture says of itself
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function pngOf(pixels, width, height, channels, document) {
  const head = new Uint8Array(13);
  const view = new DataView(head.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  head.set([8, KINDS[channels]], 8);
  const stride = width * channels;
  const rows = new Uint8Array((stride + 1) * height); // a filter of none before each
  for (let y = 0; y < height; y++) {
    rows.set(pixels.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  }
  const parts = [
    Uint8Array.from(SIGNATURE),
    chunk("IHDR", head),
    await textChunk(ascii(JSON.stringify(document))),
    chunk("IDAT", await deflated(rows)),
    chunk("IEND", new Uint8Array()),
  ];
  return joined(parts);
}

/** @param {string} text in which other signs are written by their numbers */
function ascii(text) {
  return text.replace(/[^\x20-\x7e]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** @param {string} text */
async function textChunk(text) {
  const content = bytesOf(text);
  if (content.length <= PACK_FROM) return chunk("tEXt", joined([bytesOf("wspace\0"), content]));
  return chunk("zTXt", joined([bytesOf("wspace\0\0"), await deflated(content)]));
}

/** @param {string} text of ASCII */
function bytesOf(text) {
  return Uint8Array.from(text, (one) => one.charCodeAt(0));
}

/** @param {Uint8Array<ArrayBuffer>} content */
async function deflated(content) {
  const stream = new Blob([content]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * @param {string} kind
 * @param {Uint8Array<ArrayBuffer>} content
 */
function chunk(kind, content) {
  const body = joined([bytesOf(kind), content]);
  return joined([number(content.length), body, number(crc32(body))]);
}

/** @param {number} value */
function number(value) {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** @param {Uint8Array<ArrayBuffer>[]} parts */
function joined(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let place = 0;
  for (const part of parts) {
    whole.set(part, place);
    place += part.length;
  }
  return whole;
}
