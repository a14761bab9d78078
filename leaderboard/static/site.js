"use strict";

window.elue = (() => {
  /** @type {Set<(state: URLSearchParams) => void>} */
  const listeners = new Set();
  let own = "";

  /** The state in the hash: a hash with "=" in it is a view, any other is a place on the page. */
  function read() {
    const hash = decodeSafely(location.hash.slice(1));
    return new URLSearchParams(hash.includes("=") ? location.hash.slice(1) : "");
  }

  /** @param {string} text */
  function decodeSafely(text) {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  }

  /** Set some names of the state; an empty value takes the name away.
   * @param {Record<string, string | null | undefined>} changes */
  function write(changes) {
    const state = read();
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null || value === undefined) state.delete(name);
      else state.set(name, value);
    }
    own = state.toString() ? `#${state.toString()}` : "";
    history.replaceState(null, "", own || location.href.split("#")[0]);
  }

  /** @param {(state: URLSearchParams) => void} listener */
  function onChange(listener) {
    listeners.add(listener);
  }

  addEventListener("hashchange", () => {
    if (location.hash === own || (location.hash && !location.hash.includes("="))) return;
    for (const listener of listeners) listener(read());
  });

  /** @type {Map<string, Promise<any>>} */
  const waiting = new Map();

  /** A data file beside the pages, loaded once.
   * @param {string} name
   * @returns {Promise<any>} */
  function load(name) {
    const known = window.elueData && window.elueData[name];
    if (known) return Promise.resolve(known);
    if (!waiting.has(name)) {
      waiting.set(
        name,
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          script.src = `${document.body.dataset.root}data/${name}.js`;
          script.addEventListener("load", () => resolve(window.elueData[name]));
          script.addEventListener("error", () => reject(new Error(`data/${name}.js is not there`)));
          document.head.append(script);
        }),
      );
    }
    return waiting.get(name);
  }

  /** An element with text and children; text is always text.
   * @type {Elue["make"]} */
  const make = (tag, content = [], attributes = {}) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    const parts = /** @type {(string | Node | null)[]} */ ([content].flat());
    element.append(...parts.filter((part) => part !== null && part !== undefined));
    return element;
  };

  /** @param {string} text */
  function bdi(text) {
    return make("bdi", text);
  }

  /** @type {Elue["options"]} */
  function options(select, pairs, chosen) {
    select.replaceChildren(...pairs.map(([value, label]) => make("option", label, { value })));
    if (pairs.some(([value]) => value === chosen)) select.value = chosen;
  }

  /** @type {[number, string][]} */
  const units = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "K"]];

  /** @param {number} value */
  function flops(value) {
    const [size, prefix] = units.find(([size]) => size <= Math.abs(value)) || [1, ""];
    const digits = prefix ? (value / size).toPrecision(4) : String(Math.round(value));
    return prefix ? `${digits.includes("e") ? Math.round(value / size) : digits} ${prefix}` : digits;
  }

  /** @param {number} value */
  function signed(value) {
    const written = Math.abs(value).toFixed(2);
    return written === "0.00" ? written : `${value < 0 ? "−" : "+"}${written}`;
  }

  function theme() {
    const button = document.getElementById("theme");
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const show = () => {
      button.textContent = dark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `Use ${dark() ? "light" : "dark"} colours`);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try {
        localStorage.setItem("elue-theme", root.dataset.theme);
      } catch {
        // Without storage the choice lasts for this page.
      }
      show();
    });
    system.addEventListener("change", show);
    button.hidden = false;
    show();
  }

  theme();
  return { read, write, onChange, load, make, bdi, options, units, flops, signed };
})();
