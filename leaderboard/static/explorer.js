"use strict";

/** The sample explorer: every sample of a board, what one run did with it, which may be opened. */
(() => {
  const { make, bdi, options, flops } = window.elue;
  const { words, explanation } = window.elue.explaining;
  const bar = document.getElementById("explorer");
  /** @type {HTMLTableElement} */
  const table = /** @type {any} */ (document.getElementById("samples"));
  const panel = document.getElementById("explanation");
  const MOST = 300;
  if (!bar) return;
  /** @type {Record<string, HTMLSelectElement>} */
  const pick = Object.fromEntries([.../** @type {NodeListOf<HTMLSelectElement>} */ (bar.querySelectorAll("[data-pick]"))].map((select) => [select.dataset.pick, select]));
  const said = bar.querySelector("output");
  /** @type {SampleBoard} */
  let board = null;
  /** @type {RunSamples} */
  let run = null;
  /** @type {SampleRun} */
  let info = null;
  let chosen = "";

  /** @param {string} id */
  const texts = (id) => (run && run.explained && run.explained[id] ? words(run.explained[id].tokens) : "");

  function order() {
    const places = board.ids.map((_, i) => i);
    /** @type {Record<string, number[]>} */
    const by = { spread: board.spread, wrong: board.wrong, flops: run && run.flops, error: run && run.error.map(Math.abs) };
    const key = by[pick.sort.value];
    /** @param {number} i */
    const explained = (i) => (run && run.explained && run.explained[board.ids[i]] ? 0 : 1);
    if (key) places.sort((a, b) => key[b] - key[a] || explained(a) - explained(b) || a - b);
    else places.sort((a, b) => a - b);
    const wanted = pick.find.value.toLowerCase().trim();
    if (!wanted) return places;
    return places.filter((i) => board.ids[i].toLowerCase().includes(wanted) || texts(board.ids[i]).toLowerCase().includes(wanted));
  }

  /** @param {number} i */
  function outcome(i) {
    if (board.numbers) return `${run.error[i] >= 0 ? "+" : "−"}${Math.abs(run.error[i]).toFixed(3)}`;
    return run.error[i] ? "wrong" : "right";
  }

  /** @param {number} value
   * @param {string} text */
  function number(value, text) {
    return make("td", make("data", text, { value }), { class: "num" });
  }

  function show() {
    const places = order();
    const texted = "texts" in table.dataset;
    const heads = ["Sample", ...(texted ? ["Text"] : []), board.numbers ? "Mean error" : "Methods that err", "Disagreement", "FLOPs", "Outcome"];
    table.tHead.rows[0].replaceChildren(
      ...heads.map((head, i) => {
        const right = i >= heads.length - 4 && i < heads.length - 1;
        return make("th", head, { scope: "col", ...(right ? { class: "num" } : {}) });
      }),
    );
    table.caption.replaceChildren(bdi(info ? `What ${info.label} (${info.point}, ${info.says}) did with each sample` : "Samples"));
    table.tBodies[0].replaceChildren(
      ...places.slice(0, MOST).map((i) => {
        const id = board.ids[i];
        const known = run.explained && run.explained[id];
        const button = make("button", id, { type: "button", class: "open", "aria-label": `Sample ${id}` });
        button.addEventListener("click", () => open(id, true));
        const text = texts(id);
        const what = text ? bdi(text) : make("span", "not explained by this run", { class: "quiet" });
        const row = make("tr", [
          make("th", known ? button : bdi(id), { scope: "row" }),
          ...(texted ? [make("td", what, { class: "long" })] : []),
          number(board.wrong[i], board.numbers ? board.wrong[i].toFixed(3) : `${Math.round(100 * board.wrong[i])} %`),
          number(board.spread[i], board.numbers ? board.spread[i].toFixed(3) : `${Math.round(100 * board.spread[i])} %`),
          number(run.flops[i], flops(run.flops[i])),
          make("td", make("span", outcome(i), { class: `outcome ${!board.numbers && run.error[i] ? "bad" : ""}` })),
        ]);
        row.classList.toggle("shown", id === chosen);
        row.dataset.id = id;
        return row;
      }),
    );
    const count = run.explained ? Object.keys(run.explained).length : 0;
    const more = places.length > MOST ? `first ${MOST} of ${places.length.toLocaleString("en")}` : `${places.length.toLocaleString("en")}`;
    said.textContent = `${more} samples${count ? `, ${count} explained` : "; this run explains none"}`;
  }

  /** @param {string} id
   * @param {boolean} focus */
  function open(id, focus) {
    const explained = run && run.explained && run.explained[id];
    chosen = explained ? id : "";
    window.elue.write({ sample: chosen });
    for (const row of table.tBodies[0].rows) row.classList.toggle("shown", row.dataset.id === chosen);
    panel.hidden = !explained;
    if (!explained) return;
    const i = board.ids.indexOf(id);
    const parts = [make("h2", ["Sample ", bdi(id)]), make("p", `${flops(run.flops[i])}FLOPs · ${outcome(i)}`, { class: "quiet" }), ...explanation(explained)];
    panel.replaceChildren(...parts);
    if (focus) {
      panel.focus({ preventScroll: true });
      panel.scrollIntoView({ block: "nearest" });
    }
  }

  /** @param {string} name */
  async function chooseRun(name) {
    info = board.runs.find((entry) => entry.run === name);
    run = await window.elue.load(`samples/${info.run}`);
    window.elue.showWays(info, info.run === board.opens);
    show();
    open(chosen, false);
  }

  /** @param {string} name
   * @param {string} wanted */
  async function chooseBoard(name, wanted) {
    board = await window.elue.load(`samples/${name}`);
    /** @type {[string, string][]} */
    const names = board.runs.map((entry) => [entry.run, `${entry.label} · ${entry.point} · ${entry.says}`]);
    const there = board.runs.some((entry) => entry.run === wanted);
    options(pick.run, names, there ? wanted : board.opens);
    await chooseRun(pick.run.value);
  }

  /** @param {URLSearchParams} state */
  async function restore(state) {
    const there = [...pick.board.options].some((option) => option.value === state.get("board"));
    pick.board.value = there ? state.get("board") : table.dataset.board;
    const sort = state.get("sort");
    pick.sort.value = [...pick.sort.options].some((option) => option.value === sort) ? sort : "spread";
    pick.find.value = state.get("q") || "";
    chosen = state.get("sample") || "";
    await chooseBoard(pick.board.value, state.get("run") || "");
  }

  pick.board.addEventListener("change", () => {
    window.elue.write({ board: pick.board.value, run: "", sample: "" });
    chooseBoard(pick.board.value, "");
  });
  pick.run.addEventListener("change", () => {
    window.elue.write({ run: pick.run.value });
    chooseRun(pick.run.value);
  });
  pick.sort.addEventListener("change", () => {
    window.elue.write({ sort: pick.sort.value === "spread" ? "" : pick.sort.value });
    show();
  });
  pick.find.addEventListener("input", () => {
    window.elue.write({ q: pick.find.value });
    show();
  });
  bar.hidden = false;
  restore(window.elue.read()).then(() => document.body.classList.add("ready"));
  window.elue.onChange(restore);
})();
