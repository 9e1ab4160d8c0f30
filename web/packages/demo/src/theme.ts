/** Runs before the first paint, so that a chosen theme does not flash. */
const chosen = ((): string | null => {
  try {
    return localStorage.getItem("tidings-demo:theme");
  } catch {
    return null; // the user forbids storage
  }
})();
if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;

export {};
