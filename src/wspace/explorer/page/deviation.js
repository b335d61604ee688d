/**
 * How much pictures differ, pixel by pixel, as `wspace.figures.deviation` draws it.
 *
 * @param {Uint8Array[]} pictures two or more, of one size; with alpha, straight colours
 * @param {number} channels
 * @returns {Uint8Array} a byte a pixel: black where nothing changes, white where most does
 */
export function deviationMap(pictures, channels) {
  const seen = pictures.map((picture) => (channels === 4 ? premultiplied(picture) : picture));
  const count = pictures[0].length / channels;
  const deviations = new Float64Array(count);
  for (let pixel = 0; pixel < count; pixel++) {
    let variance = 0;
    for (let channel = 0; channel < channels; channel++) {
      const place = pixel * channels + channel;
      let [sum, squares] = [0, 0];
      for (const one of seen) {
        sum += one[place];
        squares += one[place] ** 2;
      }
      variance += Math.max(squares / seen.length - (sum / seen.length) ** 2, 0);
    }
    deviations[pixel] = Math.sqrt(variance / channels);
  }
  const white = deviations.reduce((most, one) => Math.max(most, one), 0);
  return Uint8Array.from(deviations, (one) => Math.round(white > 0 ? (255 * one) / white : 0));
}

/** @param {Uint8Array} picture with alpha */
function premultiplied(picture) {
  const values = Float64Array.from(picture);
  for (let place = 0; place < values.length; place += 4) {
    const alpha = picture[place + 3] / 255;
    for (let channel = 0; channel < 3; channel++) values[place + channel] *= alpha;
  }
  return values;
}
