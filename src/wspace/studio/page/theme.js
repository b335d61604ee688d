// Dark or light as chosen, before anything is painted: see `useTheme` in shell.js.
try {
  const { dataset } = document.documentElement;
  const name = dataset.kept ? `${dataset.kept} ${location.pathname}` : "wspace-studio"; // as in kept.js
  const kept = JSON.parse(sessionStorage[name] ?? localStorage[name] ?? "{}");
  if (["light", "dark"].includes(kept.theme)) dataset.theme = kept.theme;
} catch {
  // a browser that keeps nothing: as the system has it
}
