"use strict";
document.documentElement.classList.add("js");
try {
  const chosen = localStorage.getItem("elue-theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // Storage may be off for local files; the page then follows the system.
}
