/**
 * NumPy's RandomState: the Mersenne Twister, and normal numbers by Marsaglia's polar method. A seed
 * means these numbers in wspace and in every program that draws with an official StyleGAN.
 *
 * Sources: Matsumoto and Nishimura 1998; Marsaglia and Bray 1964.
 */

const SIZE = 624;
const MIDDLE = 397;

export class RandomState {
  #state = new Uint32Array(SIZE);
  #place = SIZE;
  /** @type {number | null} */
  #kept = null;

  /** @param {number | number[]} seed a whole number from 0 to 2**32 - 1, or several such numbers */
  constructor(seed) {
    if (Array.isArray(seed)) this.#seedByArray(seed);
    else this.#seedByNumber(seed);
  }

  /** @param {number} seed */
  #seedByNumber(seed) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < SIZE; i++) state[i] = Math.imul(1812433253, this.#folded(i - 1)) + i;
  }

  /** @param {number[]} seeds */
  #seedByArray(seeds) {
    const state = this.#state;
    this.#seedByNumber(19650218);
    let i = 1;
    const step = () => {
      if (++i < SIZE) return;
      state[0] = state[SIZE - 1];
      i = 1;
    };
    for (let k = 0; k < Math.max(SIZE, seeds.length); k++) {
      const j = k % seeds.length;
      state[i] = (state[i] ^ Math.imul(this.#folded(i - 1), 1664525)) + seeds[j] + j;
      step();
    }
    for (let k = 0; k < SIZE - 1; k++) {
      state[i] = (state[i] ^ Math.imul(this.#folded(i - 1), 1566083941)) - i;
      step();
    }
    state[0] = 0x80000000;
  }

  /** @param {number} i */
  #folded(i) {
    return this.#state[i] ^ (this.#state[i] >>> 30);
  }

  #turn() {
    const state = this.#state;
    for (let i = 0; i < SIZE; i++) {
      const y = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
      state[i] = state[(i + MIDDLE) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.#place = 0;
  }

  /** @returns {number} a whole number from 0 to 2**32 - 1 */
  bits() {
    if (this.#place === SIZE) this.#turn();
    let y = this.#state[this.#place++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /**
   * As `randint(count)`: what is too large is drawn anew.
   *
   * @param {number} count at least 1
   * @returns {number} below it
   */
  below(count) {
    let mask = count - 1;
    for (let shift = 1; shift < 32; shift *= 2) mask |= mask >>> shift;
    for (;;) {
      const drawn = (this.bits() & mask) >>> 0;
      if (drawn < count) return drawn;
    }
  }

  /** @returns {number} from 0 to 1, of 53 bits */
  #uniform() {
    const high = this.bits() >>> 5;
    return (high * 67108864 + (this.bits() >>> 6)) / 9007199254740992;
  }

  /** @returns {number} from N(0, 1) */
  normal() {
    if (this.#kept !== null) {
      const kept = this.#kept;
      this.#kept = null;
      return kept;
    }
    for (;;) {
      const x = 2 * this.#uniform() - 1;
      const y = 2 * this.#uniform() - 1;
      const square = x * x + y * y;
      if (square >= 1 || square === 0) continue;
      const factor = Math.sqrt((-2 * Math.log(square)) / square);
      this.#kept = factor * x;
      return factor * y;
    }
  }

  /**
   * @param {number} count
   * @returns {Float32Array<ArrayBuffer>}
   */
  normals(count) {
    return Float32Array.from({ length: count }, () => this.normal());
  }
}
