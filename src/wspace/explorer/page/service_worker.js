/**
 * Keeps the explorer's files, and gives them with the headers that static hosts leave out.
 *
 * Before this text stands what it keeps: `self.explorer`.
 */

const scope = /** @type {any} */ (self);

/** @type {{version: string, first: string[], later: string[], policy: string}} */
const { version, first, later, policy } = scope.explorer;
const PREFIX = `wspace-explorer ${scope.registration.scope} `;
const CACHE = PREFIX + version;
const HEADERS = {
  "Content-Security-Policy": policy,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
  "X-Content-Type-Options": "nosniff",
};

/** @param {string} path */
const address = (path) => new URL(path, scope.registration.scope).href;
const known = new Set([...first, ...later].map(address));

async function keepFirst() {
  const cache = await caches.open(CACHE);
  await cache.addAll(first.map((path) => new Request(address(path), { cache: "no-cache" })));
  await scope.skipWaiting();
}

async function forgetOld() {
  for (const name of await caches.keys()) {
    if (name.startsWith(PREFIX) && name !== CACHE) await caches.delete(name);
  }
  await scope.clients.claim();
}

/**
 * @param {string} place
 * @param {Request} request
 */
async function answer(place, request) {
  const cache = await caches.open(CACHE);
  let found = await cache.match(place);
  if (!found) {
    found = await fetch(request);
    if (found.status === 200) {
      // Kept beside reading it; a browser without room goes on without.
      cache.put(place, found.clone()).catch(() => {});
    }
  }
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}

scope.addEventListener("install", (/** @type {any} */ event) => event.waitUntil(keepFirst()));
scope.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(forgetOld()));
scope.addEventListener("fetch", (/** @type {any} */ event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  const place = origin + (pathname.endsWith("/") ? `${pathname}index.html` : pathname);
  if (request.method === "GET" && known.has(place)) event.respondWith(answer(place, request));
});
