// Dark or light as chosen, before anything is painted: see `useTheme` in shell.js.
try {
  const kept = JSON.parse(sessionStorage["wspace-studio"] ?? localStorage["wspace-studio"] ?? "{}");
  if (["light", "dark"].includes(kept.theme)) document.documentElement.dataset.theme = kept.theme;
} catch {
  // a browser that keeps nothing: as the system has it
}
