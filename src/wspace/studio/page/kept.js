/**
 * What a reload does not lose: a tab's own state in its session storage (a new tab starts from the
 * last one's), and the board, which all tabs share, in IndexedDB.
 */

// Several pages may lie on one host, each under its own path.
const { kept } = document.documentElement.dataset;
const NAME = kept ? `${kept} ${location.pathname}` : "wspace-studio";
const FORMAT = 1; // of the state; another one's is left alone
const STORE = "board";

/**
 * The state that this tab, or else the last one, kept.
 *
 * @returns {Record<string, any>}
 */
export function readState() {
  for (const storage of storages()) {
    try {
      const state = JSON.parse(storage.getItem(NAME) ?? "null");
      if (state?.format === FORMAT) return state;
    } catch {
      // damaged: as if there were none
    }
  }
  return {};
}

/**
 * Keep the first of these states that the browser has room for.
 *
 * @param {...object} states smaller and smaller
 */
export function keepState(...states) {
  for (const storage of storages()) {
    states.some((state) => {
      try {
        storage.setItem(NAME, JSON.stringify({ ...state, format: FORMAT }));
        return true;
      } catch {
        return false;
      }
    });
  }
}

/** @returns {Storage[]} */
function storages() {
  try {
    return [sessionStorage, localStorage];
  } catch {
    return []; // the browser keeps nothing for this page
  }
}

/**
 * A store in IndexedDB whose values have an `id`.
 *
 * @template {{id: string}} T
 */
export class Shelf {
  /** @type {Promise<IDBDatabase> | null} */
  #database = null;
  #channel = new BroadcastChannel(NAME);

  /** @param {() => void} changed called when another tab changed it */
  constructor(changed) {
    this.#channel.onmessage = changed;
  }

  /** @returns {Promise<T[]>} by id */
  async all() {
    return await this.#do("readonly", (store) => store.getAll());
  }

  /** @param {T} value */
  async put(value) {
    await this.#do("readwrite", (store) => store.put(value));
    this.#channel.postMessage("changed");
  }

  /** @param {string} id */
  async remove(id) {
    await this.#do("readwrite", (store) => store.delete(id));
    this.#channel.postMessage("changed");
  }

  /**
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest} ask
   * @returns {Promise<any>}
   */
  async #do(mode, ask) {
    this.#database ??= opened();
    const database = await this.#database;
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = ask(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }
}

/** @returns {Promise<IDBDatabase>} */
function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
