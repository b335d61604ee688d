// NumPy's RandomState: the Mersenne Twister, and normal numbers by Marsaglia's polar method.
// Seeds mean these numbers in every program that draws with an official StyleGAN or with wspace.

const SIZE = 624;

export class RandomState {
  // seed: a whole number from 0 to 2**32 - 1, or an array of such numbers.
  constructor(seed) {
    this.state = new Uint32Array(SIZE);
    this.place = SIZE;
    this.kept = null;
    if (Array.isArray(seed)) this.#seedByArray(seed);
    else this.#seedByNumber(seed);
  }

  #seedByNumber(seed) {
    this.state[0] = seed;
    for (let i = 1; i < SIZE; i++) this.state[i] = Math.imul(1812433253, this.#folded(i - 1)) + i;
  }

  #seedByArray(seeds) {
    const { state } = this;
    this.#seedByNumber(19650218);
    let i = 1;
    const step = () => {
      if (++i >= SIZE) { state[0] = state[SIZE - 1]; i = 1; }
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

  #folded(i) {
    return this.state[i] ^ (this.state[i] >>> 30);
  }

  #bits() {
    const { state } = this;
    if (this.place === SIZE) {
      for (let i = 0; i < SIZE; i++) {
        const y = (state[i] & 0x80000000) | (state[(i + 1) % SIZE] & 0x7fffffff);
        state[i] = state[(i + 397) % SIZE] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.place = 0;
    }
    let y = state[this.place++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  #uniform() {
    const high = this.#bits() >>> 5;
    return (high * 67108864 + (this.#bits() >>> 6)) / 9007199254740992;
  }

  // One number from N(0, 1).
  normal() {
    if (this.kept !== null) {
      const kept = this.kept;
      this.kept = null;
      return kept;
    }
    let x, y, square;
    do {
      x = 2 * this.#uniform() - 1;
      y = 2 * this.#uniform() - 1;
      square = x * x + y * y;
    } while (square >= 1 || square === 0);
    const factor = Math.sqrt((-2 * Math.log(square)) / square);
    this.kept = factor * x;
    return factor * y;
  }

  // That many of them, as float32.
  normals(count) {
    return Float32Array.from({ length: count }, () => this.normal());
  }
}
