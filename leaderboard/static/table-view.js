"use strict";

/** What of a large table is in sight: the columns that are chosen, kept in the hash, and a hundred rows at a time. */
(() => {
  const { make } = window.elue;
  const PAGE = 100;

  /** A list of columns to tick, before the table.
   * @param {HTMLTableElement} table
   * @param {HTMLElement} frame */
  function columns(table, frame) {
    const headings = [...table.tHead.rows[0].cells].filter((cell) => cell.dataset.col);
    const name = `${table.dataset.state || table.id}.cols`;
    const usual = headings.filter((cell) => !("less" in cell.dataset)).map((cell) => cell.dataset.col);
    const boxes = new Map(headings.map((cell) => [cell.dataset.col, make("input", [], { type: "checkbox" })]));

    /** @param {Set<string>} shown */
    function apply(shown) {
      for (const heading of headings) {
        const off = !shown.has(heading.dataset.col);
        boxes.get(heading.dataset.col).checked = !off;
        if (heading.classList.contains("gone") === off) continue;
        for (const row of table.rows) row.cells[heading.cellIndex].classList.toggle("gone", off);
      }
    }

    /** @param {URLSearchParams} state */
    function restore(state) {
      const wanted = state.get(name);
      apply(new Set(wanted === null ? usual : wanted.split("~")));
    }

    const list = headings.map((cell) => {
      const box = boxes.get(cell.dataset.col);
      box.addEventListener("change", () => {
        const shown = [...boxes].filter(([, of]) => of.checked).map(([of]) => of);
        window.elue.write({ [name]: shown.join("~") === usual.join("~") ? "" : shown.join("~") || "none" });
        apply(new Set(shown));
      });
      return make("label", [box, " ", cell.textContent.trim()]);
    });
    frame.before(make("details", [make("summary", "Columns"), make("div", list)], { class: "columns" }));
    restore(window.elue.read());
    window.elue.onChange(restore);
  }

  /** Rows a page at a time, with buttons after the table.
   * @param {HTMLTableElement} table
   * @param {HTMLElement} frame */
  function pages(table, frame) {
    let page = 0;
    const said = make("output", [], { "aria-live": "polite" });
    const before = make("button", "Previous", { type: "button" });
    const after = make("button", "Next", { type: "button" });
    const bar = make("div", [before, said, after], { class: "controls pages", role: "group", "aria-label": "Rows shown" });

    function show() {
      const visible = [...table.tBodies[0].rows].filter((row) => !row.hidden);
      page = Math.min(page, Math.max(0, Math.ceil(visible.length / PAGE) - 1));
      const [first, last] = [page * PAGE, Math.min((page + 1) * PAGE, visible.length)];
      visible.forEach((row, i) => row.classList.toggle("beyond", i < first || i >= last));
      said.textContent = visible.length ? `rows ${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${visible.length.toLocaleString("en")}` : "no rows";
      before.disabled = page === 0;
      after.disabled = last >= visible.length;
      table.classList.remove("paged");
    }

    /** @param {number} step */
    const turn = (step) => () => {
      page += step;
      show();
      frame.scrollTop = 0;
    };
    before.addEventListener("click", turn(-1));
    after.addEventListener("click", turn(1));
    for (const event of ["selection", "ordered"]) {
      table.addEventListener(event, () => {
        page = 0;
        show();
      });
    }

    /** Bring the row that the address names into sight. */
    function follow() {
      const row = document.getElementById(location.hash.slice(1));
      if (!(row instanceof HTMLTableRowElement) || !table.contains(row)) return;
      const visible = [...table.tBodies[0].rows].filter((of) => !of.hidden);
      page = Math.max(0, Math.floor(visible.indexOf(row) / PAGE));
      show();
      row.scrollIntoView({ block: "center" });
    }
    addEventListener("hashchange", follow);
    frame.after(bar);
    show();
    follow();
  }

  for (const table of /** @type {NodeListOf<HTMLTableElement>} */ (document.querySelectorAll("table.runs"))) {
    const frame = /** @type {HTMLElement} */ (table.closest(".scroll"));
    columns(table, frame);
    if (table.tBodies[0].rows.length > PAGE) pages(table, frame);
  }
})();
