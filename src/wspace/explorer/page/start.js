/**
 * Before the explorer itself: a service worker keeps its files for when there is no network, and
 * says to the browser what static hosts do not, so that drawing may use several threads.
 */

const WAIT_MS = 3000;
const TRIED = `wspace-explorer loaded again ${location.pathname}`;

/** @returns {Promise<boolean>} whether the service worker has this page */
async function isKept() {
  const { serviceWorker } = navigator;
  if (!serviceWorker) return false; // without https
  try {
    const registration = await serviceWorker.register("service_worker.js");
    if (serviceWorker.controller) return true;
    if (registration.active) return false; // loaded anew, past it, as was asked for
    await new Promise((resolve) => {
      serviceWorker.addEventListener("controllerchange", resolve);
      setTimeout(resolve, WAIT_MS);
    });
    return serviceWorker.controller !== null;
  } catch {
    return false; // a browser that keeps nothing
  }
}

/** @returns {boolean} whether the page is loaded again, once, as the service worker gives it */
function loadsAgain() {
  try {
    if (crossOriginIsolated || sessionStorage.getItem(TRIED)) return false;
    sessionStorage.setItem(TRIED, "yes");
  } catch {
    return false;
  }
  location.reload();
  return true;
}

if (!((await isKept()) && loadsAgain())) await import(new URL("explorer.js", document.baseURI).href);

export {};
