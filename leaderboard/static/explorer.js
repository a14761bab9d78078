"use strict";

/** The sample explorer: every sample of a board, what one run did with it, and how that came about. */
(() => {
  const { make, bdi, options, flops } = window.elue;
  const bar = document.getElementById("explorer");
  const table = document.getElementById("samples");
  const panel = document.getElementById("explanation");
  const MOST = 300;
  if (!bar) return;
  const pick = Object.fromEntries([...bar.querySelectorAll("[data-pick]")].map((each) => [each.dataset.pick, each]));
  const said = bar.querySelector("output");
  let board = null;
  let run = null;
  let info = null;
  let chosen = "";

  const texts = (id) => (run && run.explained && run.explained[id] ? words(run.explained[id].tokens) : "");

  function words(tokens) {
    let text = "";
    for (const token of tokens) {
      if (token.startsWith("##")) text += token.slice(2);
      else if (!(token.startsWith("[") && token.endsWith("]"))) text += ` ${token}`;
    }
    return text.trim();
  }

  function order() {
    const places = board.ids.map((_, i) => i);
    const by = { spread: board.spread, wrong: board.wrong, flops: run && run.flops, error: run && run.error.map(Math.abs) };
    const key = by[pick.sort.value];
    const explained = (i) => (run && run.explained && run.explained[board.ids[i]] ? 0 : 1);
    if (key) places.sort((a, b) => key[b] - key[a] || explained(a) - explained(b) || a - b);
    else places.sort((a, b) => a - b);
    const wanted = pick.find.value.toLowerCase().trim();
    if (!wanted) return places;
    return places.filter((i) => board.ids[i].toLowerCase().includes(wanted) || texts(board.ids[i]).toLowerCase().includes(wanted));
  }

  function outcome(i) {
    if (board.numbers) return `${run.error[i] >= 0 ? "+" : "−"}${Math.abs(run.error[i]).toFixed(3)}`;
    return run.error[i] ? "wrong" : "right";
  }

  function number(value, text) {
    return make("td", make("data", text, { value }), { class: "num" });
  }

  function show() {
    const places = order();
    const texted = "texts" in table.dataset;
    const heads = ["Sample", ...(texted ? ["Text"] : []), board.numbers ? "Mean error" : "Methods that err", "FLOPs", "Outcome"];
    table.tHead.rows[0].replaceChildren(
      ...heads.map((head, i) => {
        const right = i >= heads.length - 3 && i < heads.length - 1;
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

  /** For each token the number of layers that still computed it. */
  function depths(explained) {
    const depth = explained.tokens.map(() => 0);
    for (const kept of explained.kept) for (const place of kept) if (place in depth) depth[place] += 1;
    return depth;
  }

  function heat(explained) {
    const layers = explained.kept.length;
    const depth = depths(explained);
    const text = make("p", [], { class: "heat" });
    explained.tokens.forEach((token, i) => {
      const level = layers ? Math.round((8 * depth[i]) / layers) : 8;
      const left = depth[i] < layers ? `dropped after layer ${depth[i]}` : "kept to the end";
      text.append(make("span", token, { class: `token heat-${level}`, title: left }), make("span", ` (${left}) `, { class: "unseen" }));
    });
    const rows = explained.kept.map((kept, layer) => {
      const alive = new Set(kept);
      const cells = explained.tokens.map((token, i) => make("td", alive.has(i) ? "●" : "", { class: alive.has(i) ? "on" : "off" }));
      return make("tr", [make("th", `Layer ${layer + 1}`, { scope: "row" }), ...cells, make("td", String(kept.length), { class: "num" })]);
    });
    const heads = explained.tokens.map((token) => make("th", make("span", token), { scope: "col", class: "upright" }));
    const grid = make("table", [
      make("caption", "Tokens computed in each layer"),
      make("thead", make("tr", [make("th", "Layer", { scope: "col" }), ...heads, make("th", "Tokens", { scope: "col", class: "num" })])),
      make("tbody", rows),
    ], { class: "grid" });
    const key = make("p", ["Dropped early ", ...[0, 2, 4, 6, 8].map((n) => make("span", " ", { class: `token heat-${n}` })), " kept to the end"], { class: "quiet key-row", "aria-hidden": "true" });
    const details = make("details", [make("summary", "Layer by layer"), make("div", grid, { class: "scroll", tabindex: "0", role: "group", "aria-label": "Tokens by layer" })]);
    return [make("h3", "Tokens"), text, key, details];
  }

  function exits(explained) {
    const cascade = explained.stage !== null;
    const name = cascade ? "Stage" : "Exit";
    const last = cascade ? explained.stage : explained.exits.length - 1;
    const rows = explained.exits.map((scores, i) => {
      const most = scores.length > 1 ? Math.max(...scores) : null;
      const meter = most === null ? null : make("meter", [], { min: 0, max: 1, value: most, "aria-label": `confidence ${most.toFixed(3)}` });
      const answer = scores.length > 1 ? `class ${scores.indexOf(most)}` : scores.length ? scores[0].toFixed(3) : "–";
      return make("tr", [
        make("th", `${name} ${i + 1}`, { scope: "row" }),
        make("td", answer),
        make("td", most === null ? "–" : most.toFixed(3), { class: "num" }),
        make("td", meter),
        make("td", i === last ? make("span", "answered here", { class: "badge gold" }) : "went on"),
      ]);
    });
    const heads = [name, "Answer", "Confidence", "As a bar", "Then"].map((head, i) => make("th", head, { scope: "col", ...(i === 2 ? { class: "num" } : {}) }));
    return [
      make("h3", cascade ? `Answered by model ${explained.stage + 1}` : `Left at exit ${last + 1}`),
      make("div", make("table", [make("caption", "Confidence at each way out asked"), make("thead", make("tr", heads)), make("tbody", rows)]), { class: "scroll", tabindex: "0", role: "group", "aria-label": "Confidence" }),
    ];
  }

  function experts(explained) {
    const layers = Object.keys(explained.experts).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const heads = explained.tokens.map((token) => make("th", make("span", token), { scope: "col", class: "upright" }));
    const rows = layers.map((layer) =>
      make("tr", [
        make("th", `Layer ${layer.replace(/^(\d+)\.(\d+)$/, "$1, choice $2")}`, { scope: "row" }),
        ...explained.experts[layer].map((expert) => make("td", expert < 0 ? "–" : String(expert), { class: `expert expert-${expert < 0 ? "none" : expert % 8}` })),
      ]),
    );
    const grid = make("table", [
      make("caption", "Expert of each token"),
      make("thead", make("tr", [make("th", "Layer", { scope: "col" }), ...heads])),
      make("tbody", rows),
    ], { class: "grid" });
    return [make("h3", "Experts"), make("div", grid, { class: "scroll", tabindex: "0", role: "group", "aria-label": "Experts by token" })];
  }

  function open(id, focus) {
    const explained = run && run.explained && run.explained[id];
    chosen = explained ? id : "";
    window.elue.write({ sample: chosen });
    for (const row of table.tBodies[0].rows) row.classList.toggle("shown", row.dataset.id === chosen);
    panel.hidden = !explained;
    if (!explained) return;
    const i = board.ids.indexOf(id);
    const parts = [make("h2", ["Sample ", bdi(id)]), make("p", `${flops(run.flops[i])}FLOPs · ${outcome(i)}`, { class: "quiet" })];
    if (explained.kept.length) parts.push(...heat(explained));
    else if (explained.tokens.length) parts.push(make("p", bdi(words(explained.tokens))));
    if (explained.exits.length) parts.push(...exits(explained));
    else if (explained.stage !== null) parts.push(make("p", `Answered by model ${explained.stage + 1} of the cascade.`));
    if (Object.keys(explained.experts).length) parts.push(...experts(explained));
    panel.replaceChildren(...parts);
    if (focus) {
      panel.focus({ preventScroll: true });
      panel.scrollIntoView({ block: "nearest" });
    }
  }

  async function chooseRun(name) {
    info = board.runs.find((each) => each.run === name);
    run = await window.elue.load(`samples/${info.run}`);
    show();
    open(chosen, false);
  }

  async function chooseBoard(name, wanted) {
    board = await window.elue.load(`samples/${name}`);
    const names = board.runs.map((each) => [each.run, `${each.label} · ${each.point} · ${each.says}`]);
    const best = board.runs.reduce((top, each) => (each.score > top.score ? each : top));
    const there = board.runs.some((each) => each.run === wanted);
    options(pick.run, names, there ? wanted : best.run);
    await chooseRun(pick.run.value);
  }

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
