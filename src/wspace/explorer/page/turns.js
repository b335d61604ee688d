/**
 * Who is served next: what somebody waits for first, the others by turns, one step at a time.
 *
 * @typedef {object} Call
 * @property {number} id
 * @property {string | null} slot a newer call of it takes the place of those that have not begun
 * @property {boolean} urgent does not wait for others
 * @property {AsyncGenerator<any, any>} steps gives its progress, and at the end its answer
 * @property {boolean} begun
 * @property {boolean} stopped
 */

export class Turns {
  #answer;
  /** @type {Call[]} */
  #waiting = [];
  #busy = false;

  /** @param {(id: number, kind: string, value: any) => void} answer */
  constructor(answer) {
    this.#answer = answer;
  }

  /**
   * @param {number} id
   * @param {string | null} slot
   * @param {boolean} urgent
   * @param {AsyncGenerator<any, any>} steps
   */
  add(id, slot, urgent, steps) {
    const dropped = this.#waiting.filter((call) => slot !== null && call.slot === slot && !call.begun);
    this.#waiting = this.#waiting.filter((call) => !dropped.includes(call));
    for (const call of dropped) this.#answer(call.id, "dropped", null);
    this.#waiting.push({ id, slot, urgent, steps, begun: false, stopped: false });
    if (!this.#busy) void this.#serve();
  }

  /** @param {number} id of a call, which ends after its present step */
  stop(id) {
    for (const call of this.#waiting) if (call.id === id) call.stopped = true;
  }

  async #serve() {
    this.#busy = true;
    while (this.#waiting.length) {
      const call = this.#waiting.find((one) => one.urgent) ?? this.#waiting[0];
      call.begun = true;
      const ended = await this.#step(call);
      this.#waiting = this.#waiting.filter((one) => one !== call);
      if (!ended) this.#waiting.push(call);
      // What has come in meanwhile is heard before the next step.
      await new Promise((resolve) => setTimeout(resolve));
    }
    this.#busy = false;
  }

  /** @param {Call} call */
  async #step(call) {
    try {
      if (call.stopped) {
        await call.steps.return(null);
        this.#answer(call.id, "stopped", {});
        return true;
      }
      const { done, value } = await call.steps.next();
      if (done) this.#answer(call.id, "result", value);
      else if (value) this.#answer(call.id, "progress", value);
      return Boolean(done);
    } catch (error) {
      this.#answer(call.id, "error", error instanceof Error ? error.message : String(error));
      return true;
    }
  }
}
