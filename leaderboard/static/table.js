"use strict";

/** Sorting, filtering and searching of tables; what a table with facets shows is kept in the hash. */
(() => {
  const { make, options } = window.elue;

  /** What a row is sorted by: text, or a number where there is one.
   * @param {HTMLTableRowElement} row
   * @param {number} column
   * @param {string} kind
   * @returns {string | number | null} */
  function cellValue(row, column, kind) {
    const cell = row.cells[column];
    const data = cell.querySelector("data");
    if (kind !== "number") return cell.textContent.trim();
    const value = Number.parseFloat(data ? data.value : cell.textContent.replaceAll(",", ""));
    return Number.isNaN(value) ? null : value;
  }

  const collator = new Intl.Collator("en", { numeric: true });

  /** @param {string | number | null} a
   * @param {string | number | null} b */
  function compare(a, b) {
    if (a === null || b === null) return Number(a === null) - Number(b === null);
    return typeof a === "number" ? a - Number(b) : collator.compare(a, String(b));
  }

  /** @param {HTMLTableElement} table
   * @param {HTMLTableCellElement} heading
   * @param {boolean} down */
  function sort(table, heading, down) {
    const kind = heading.querySelector(".sort").dataset.kind;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    /** @type {[string | number | null, HTMLTableRowElement][]} */
    const rows = [...table.tBodies[0].rows].map((row) => [cellValue(row, heading.cellIndex, kind), row]);
    rows.sort((a, b) => {
      const order = compare(a[0], b[0]);
      return down && a[0] !== null && b[0] !== null ? -order : order;
    });
    table.tBodies[0].append(...rows.map((pair) => pair[1]));
    table.dispatchEvent(new CustomEvent("ordered"));
  }

  /** @param {HTMLTableElement} table
   * @param {(order: string) => void} changed */
  function sortable(table, changed) {
    for (const label of table.querySelectorAll("thead .sort")) {
      const heading = label.closest("th");
      const button = make("button", label.textContent, { type: "button" });
      button.addEventListener("click", () => {
        const now = heading.getAttribute("aria-sort");
        const down = now ? now === "ascending" : label.dataset.first === "descending";
        sort(table, heading, down);
        changed(`${label.dataset.key}.${down ? "d" : "a"}`);
      });
      label.replaceChildren(button);
    }
  }

  /** @param {HTMLTableElement} table
   * @param {HTMLElement} bar */
  function filtered(table, bar) {
    const prefix = table.dataset.state ? `${table.dataset.state}.` : "";
    const rows = [...table.tBodies[0].rows];
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    /** @type {HTMLInputElement} */
    const search = bar.querySelector("input[type=search]");
    const said = bar.querySelector("output");
    /** @type {Map<string, HTMLSelectElement>} */
    const selects = new Map();
    const original = [...rows];
    const sorted = [...table.tHead.rows[0].cells].map((cell) => cell.getAttribute("aria-sort"));

    for (const pair of table.dataset.facets.split(",")) {
      const [name, title] = pair.split(":");
      const values = new Set(rows.map((row) => row.dataset[name]));
      if (values.size < 2) continue;
      const select = make("select");
      bar.querySelector(".facets").append(make("label", [`${title} `, select]));
      selects.set(name, select);
      select.addEventListener("change", () => {
        window.elue.write({ [prefix + name]: select.value });
        apply();
      });
    }

    /** @type {Map<string, string>} */
    const chosen = new Map();

    /** @param {HTMLTableRowElement} row
     * @param {string} [except] */
    function matches(row, except) {
      if (!search.value.toLowerCase().trim().split(/\s+/).every((word) => texts.get(row).includes(word))) return false;
      for (const [name, value] of chosen) {
        if (name !== except && value && row.dataset[name] !== value) return false;
      }
      return true;
    }

    function apply() {
      for (const [name, select] of selects) if (select.options.length) chosen.set(name, select.value);
      for (const [name, select] of selects) {
        /** @type {Map<string, number>} */
        const counts = new Map();
        for (const row of rows) {
          const value = row.dataset[name];
          counts.set(value, (counts.get(value) || 0) + (matches(row, name) ? 1 : 0));
        }
        const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
        const pairs = [...counts].sort((a, b) => collator.compare(a[0], b[0]));
        /** @type {[string, string][]} */
        const labels = pairs.map(([value, count]) => [value, `${value} (${count})`]);
        options(select, [["", `All (${total})`], ...labels], chosen.get(name));
      }
      let shown = 0;
      for (const row of rows) {
        row.hidden = !matches(row);
        shown += Number(!row.hidden);
      }
      said.textContent = `${shown.toLocaleString("en")} of ${rows.length.toLocaleString("en")} shown`;
      table.dispatchEvent(new CustomEvent("selection", { bubbles: true }));
    }

    /** @param {URLSearchParams} state */
    function restore(state) {
      search.value = state.get(`${prefix}q`) || "";
      for (const [name] of selects) chosen.set(name, state.get(prefix + name) || "");
      for (const [name, select] of selects) options(select, [[chosen.get(name), ""]], chosen.get(name));
      const order = /^(.+)\.([ad])$/.exec(state.get(`${prefix}sort`) || "");
      const label = order && [...table.tHead.querySelectorAll(".sort")].find((of) => of.dataset.key === order[1]);
      if (label) sort(table, label.closest("th"), order[2] === "d");
      else {
        table.tBodies[0].append(...original);
        [...table.tHead.rows[0].cells].forEach((cell, i) => {
          if (sorted[i]) cell.setAttribute("aria-sort", sorted[i]);
          else cell.removeAttribute("aria-sort");
        });
      }
      apply();
    }

    search.addEventListener("input", () => {
      window.elue.write({ [`${prefix}q`]: search.value });
      apply();
    });
    bar.querySelector(".clear").addEventListener("click", () => {
      search.value = "";
      for (const select of selects.values()) select.value = "";
      window.elue.write({ [`${prefix}q`]: "", ...Object.fromEntries([...selects.keys()].map((n) => [prefix + n, ""])) });
      apply();
    });
    bar.hidden = false;
    restore(window.elue.read());
    window.elue.onChange(restore);
  }

  for (const table of /** @type {NodeListOf<HTMLTableElement>} */ (document.querySelectorAll("table.sortable"))) {
    const prefix = table.dataset.state ? `${table.dataset.state}.` : "";
    sortable(table, (order) => {
      if (table.dataset.facets) window.elue.write({ [`${prefix}sort`]: order });
    });
    const bar = document.querySelector(`.filters[data-table="${table.id}"]`);
    if (bar) filtered(table, bar);
  }
})();
