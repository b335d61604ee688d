/** Zip files, without compression: pictures are packed already. */

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});
const UTF8_NAMES = 0x0800;
const FIRST_DAY = 0x21; // 1 January 1980: the same files make the same zip

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ CRC_TABLE[(value ^ byte) & 0xff];
  return ~value >>> 0;
}

/**
 * A zip of files in memory, below 4 GiB.
 *
 * @param {{name: string, bytes: Uint8Array<ArrayBuffer>}[]} files
 * @returns {Blob}
 */
export function zipOf(files) {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const entries = [];
  let offset = 0;
  for (const { name, bytes } of files) {
    const text = new TextEncoder().encode(name);
    // version, flags, method, time, date, crc, packed, unpacked, length of name, of extra
    const facts = numbers(
      [20, 2], [UTF8_NAMES, 2], [0, 2], [0, 2], [FIRST_DAY, 2],
      [crc32(bytes), 4], [bytes.length, 4], [bytes.length, 4], [text.length, 2], [0, 2],
    );
    parts.push(numbers([0x04034b50, 4]), facts, text, bytes);
    const place = numbers([0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]);
    entries.push(numbers([0x02014b50, 4], [20, 2]), facts, place, text);
    offset += 4 + facts.length + text.length + bytes.length;
  }
  const size = entries.reduce((sum, entry) => sum + entry.length, 0);
  const end = numbers(
    [0x06054b50, 4], [0, 2], [0, 2], [files.length, 2], [files.length, 2],
    [size, 4], [offset, 4], [0, 2],
  );
  return new Blob([...parts, ...entries, end], { type: "application/zip" });
}

/**
 * Numbers, little-endian.
 *
 * @param {...[number, number]} values each with its bytes
 */
function numbers(...values) {
  const bytes = new Uint8Array(values.reduce((sum, [, size]) => sum + size, 0));
  let place = 0;
  for (const [value, size] of values) {
    for (let byte = 0; byte < size; byte++) bytes[place++] = (value >>> (8 * byte)) & 0xff;
  }
  return bytes;
}
