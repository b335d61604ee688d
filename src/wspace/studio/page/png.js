/** PNG files that carry their recipe in a text chunk named `wspace`. */

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const KEYWORD = "wspace";
const MAX_TEXT = 16 * 2 ** 20; // bytes

/** @param {Uint8Array} bytes */
export function isPng(bytes) {
  return SIGNATURE.every((byte, place) => bytes[place] === byte);
}

/**
 * What a PNG says of itself; null where it says nothing.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Promise<string | null>}
 */
export async function textOfPng(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let place = SIGNATURE.length;
  while (place + 12 <= bytes.length) {
    const length = view.getUint32(place);
    const kind = latin1(bytes.subarray(place + 4, place + 8));
    const content = bytes.subarray(place + 8, place + 8 + length);
    place += 12 + length;
    if (kind === "IEND") return null;
    if (!["tEXt", "zTXt", "iTXt"].includes(kind)) continue;
    if (latin1(content.subarray(0, KEYWORD.length + 1)) !== `${KEYWORD}\0`) continue;
    if (content.length < length || length > MAX_TEXT) break;
    return await unpacked(kind, content.subarray(KEYWORD.length + 1));
  }
  return null;
}

/**
 * @param {string} kind
 * @param {Uint8Array<ArrayBuffer>} rest what follows the keyword
 */
async function unpacked(kind, rest) {
  if (kind === "tEXt") return new TextDecoder().decode(rest);
  if (kind === "zTXt") return await inflated(rest.subarray(1));
  let start = 2; // flag and method, then two texts that end with a zero
  for (let ends = 0; ends < 2 && start < rest.length; start++) if (rest[start] === 0) ends++;
  const content = rest.subarray(start);
  return rest[0] === 1 ? await inflated(content) : new TextDecoder().decode(content);
}

/** @param {Uint8Array<ArrayBuffer>} packed */
async function inflated(packed) {
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return text + decoder.decode();
      text += decoder.decode(value, { stream: true });
      if (text.length > MAX_TEXT) throw new Error("too long");
    }
  } catch {
    throw new Error("What the picture says of itself does not unpack: it is damaged.");
  }
}

/** @param {Uint8Array} bytes */
function latin1(bytes) {
  return String.fromCharCode(...bytes);
}
