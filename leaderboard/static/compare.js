"use strict";

/** Two methods on the same samples: the paired difference at a budget, who won which, and what was saved. */
(() => {
  const { make, bdi, options, flops, signed } = window.elue;
  const bar = document.getElementById("compare");
  const out = document.getElementById("comparison");
  if (!bar) return;
  /** @type {Record<string, HTMLSelectElement>} */
  const pick = Object.fromEntries([.../** @type {NodeListOf<HTMLSelectElement>} */ (bar.querySelectorAll("[data-pick]"))].map((select) => [select.dataset.pick, select]));
  /** @type {ComparedBoard[]} */
  const compared = window.elueData.compare;
  const boards = new Map(compared.map((comparison) => [comparison.board, comparison]));
  /** @type {SampleBoard} */
  let board = null;
  /** @type {Pairs | null} */
  let pairs = null;

  /** @param {string} curve */
  const runsOf = (curve) => board.runs.filter((run) => run.curve === curve).sort((a, b) => a.cost - b.cost);

  /** The best run of a curve that costs at most the budget; of equal scores the cheapest.
   * @param {string} curve
   * @param {number} budget
   * @returns {SampleRun | null} */
  function within(curve, budget) {
    return runsOf(curve)
      .filter((run) => run.cost <= budget)
      .reduce((best, run) => (!best || run.score > best.score ? run : best), null);
  }

  function budgets() {
    const [a, b] = [runsOf(pick.a.value), runsOf(pick.b.value)];
    const least = Math.max(a[0].cost, b[0].cost);
    return [...new Set([...a, ...b].map((run) => run.cost))].filter((cost) => cost >= least).sort((x, y) => x - y);
  }

  /** @param {number[]} sorted
   * @param {number} share */
  function quantile(sorted, share) {
    const place = share * (sorted.length - 1);
    const low = Math.floor(place);
    const high = Math.min(low + 1, sorted.length - 1);
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
  }

  /** The 95 % interval of the difference on the shared resamples, as numpy's quantile gives it.
   * @param {RunSamples} a
   * @param {RunSamples} b */
  function interval(a, b) {
    if (!a.resampled.length || a.resampled.length !== b.resampled.length) return null;
    const differences = a.resampled.map((score, i) => score - b.resampled[i]).sort((x, y) => x - y);
    return [quantile(differences, 0.025), quantile(differences, 0.975)];
  }

  /** @param {number} share */
  function percent(share) {
    return `${(100 * share).toFixed(1).replace("-", "−")} %`;
  }

  /** @param {string} term
   * @param {Content[]} content */
  function fact(term, ...content) {
    return make("div", [make("dt", term), make("dd", content)]);
  }

  /** @param {number[]} values */
  function median(values) {
    return quantile([...values].sort((x, y) => x - y), 0.5);
  }

  /** @param {number[]} saved */
  function strip(saved) {
    const BINS = 20;
    const counts = new Array(BINS).fill(0);
    for (const share of saved) counts[Math.min(BINS - 1, Math.max(0, Math.floor(((share + 1) / 2) * BINS)))] += 1;
    const most = Math.max(...counts);
    const rows = counts.map((count, i) => {
      const low = Math.round(200 * (i / BINS)) - 100;
      const label = `${low < 0 ? "−" : ""}${Math.abs(low)} to ${low + 10 < 0 ? "−" : ""}${Math.abs(low + 10)} %`;
      return make("tr", [
        make("th", i === 0 ? "−90 % or less" : label, { scope: "row" }),
        make("td", make("meter", [], { min: 0, max: most || 1, value: count, "aria-label": `${count} samples` })),
        make("td", String(count), { class: "num" }),
      ]);
    }).filter((_, i) => counts[i]);
    return make("div", make("table", [
      make("caption", "Samples by the compute that A saved over B"),
      make("thead", make("tr", [make("th", "Saved", { scope: "col" }), make("th", "Share", { scope: "col" }), make("th", "Samples", { scope: "col", class: "num" })])),
      make("tbody", rows),
    ]), { class: "scroll", tabindex: "0", role: "group", "aria-label": "Compute saved by sample" });
  }

  /** @param {string} title
   * @param {number[]} places
   * @param {RunSamples} a
   * @param {RunSamples} b */
  function list(title, places, a, b) {
    const rows = places.slice(0, 50).map((i) =>
      make("tr", [
        make("th", make("code", board.ids[i]), { scope: "row" }),
        make("td", make("data", flops(a.flops[i]), { value: a.flops[i] }), { class: "num" }),
        make("td", make("data", flops(b.flops[i]), { value: b.flops[i] }), { class: "num" }),
        make("td", `${Math.round(100 * board.wrong[i])} %`, { class: "num" }),
      ]),
    );
    const heads = ["Sample", "FLOPs of A", "FLOPs of B", "Methods that err"].map((h, i) => make("th", h, { scope: "col", ...(i ? { class: "num" } : {}) }));
    return make("details", [
      make("summary", [title, make("span", ` ${places.length.toLocaleString("en")}`, { class: "quiet" })]),
      make("div", make("table", [make("caption", places.length > 50 ? `${title}: the first 50` : title), make("thead", make("tr", heads)), make("tbody", rows)]), { class: "scroll", tabindex: "0", role: "group", "aria-label": title }),
    ], { class: "source" });
  }

  function overall() {
    if (!pairs) return null;
    const [a, b] = [pairs.curves.indexOf(pick.a.value), pairs.curves.indexOf(pick.b.value)];
    for (const [left, right, value, low, high, p] of pairs.pairs) {
      const turn = left === b && right === a;
      if (!(turn || (left === a && right === b))) continue;
      const [v, l, h] = turn ? [-value, -high, -low] : [value, low, high];
      const says = p === null ? "nothing varies: no test" : `this pair alone: p ${p < 0.001 ? "< 0.001" : p.toFixed(3)}`;
      return fact("elue-1, A − B", make("data", signed(v), { value: v }), ` [${signed(l)}, ${signed(h)}] `, make("span", says, { class: "quiet" }));
    }
    return null;
  }

  /** @param {string} name
   * @param {SampleRun} run */
  function side(name, run) {
    return fact(name, make("a", [bdi(run.label)], { href: `${document.body.dataset.root}${run.page}` }), " ", make("span", bdi(`${run.point}: ${run.says} at ${flops(run.cost)}FLOPs`), { class: "quiet" }));
  }

  async function show() {
    const budget = Number(pick.budget.value);
    const [left, right] = [within(pick.a.value, budget), within(pick.b.value, budget)];
    if (!left || !right) {
      out.replaceChildren(make("p", "One of the two has no run within this budget.", { class: "empty" }));
      return;
    }
    /** @type {RunSamples[]} */
    const [a, b] = await Promise.all([left, right].map((run) => window.elue.load(`samples/${run.run}`)));
    const places = board.ids.map((_, i) => i);
    /** @param {RunSamples} x
     * @param {RunSamples} y */
    const better = (x, y) => places.filter((i) => (board.numbers ? Math.abs(x.error[i]) < Math.abs(y.error[i]) : !x.error[i] && y.error[i]));
    const [won, lost] = [better(a, b), better(b, a)];
    const saved = places.map((i) => (b.flops[i] ? 1 - a.flops[i] / b.flops[i] : 0));
    /** @param {number[]} values */
    const total = (values) => values.reduce((sum, value) => sum + value, 0);
    const range = interval(a, b);
    const difference = left.score - right.score;
    out.replaceChildren(
      make("dl", [
        side("A", left),
        side("B", right),
      ], { class: "facts small" }),
      make("dl", [
        fact("Difference, A − B", make("data", signed(difference), { value: difference }), range ? make("span", ` [${signed(range[0])}, ${signed(range[1])}]`, { class: "quiet interval" }) : null),
        fact("Won by A", make("data", won.length.toLocaleString("en"), { value: won.length })),
        fact("Lost to B", make("data", lost.length.toLocaleString("en"), { value: lost.length })),
        fact("Saved in all", make("data", percent(1 - total(a.flops) / total(b.flops)), { value: 1 - total(a.flops) / total(b.flops) })),
        fact("Saved on the median sample", percent(median(saved))),
        overall(),
      ], { class: "facts small" }),
      strip(saved),
      list("Won by A", won, a, b),
      list("Lost to B", lost, a, b),
    );
    document.body.classList.add("ready");
  }

  /** @param {string} [wanted] */
  function setBudgets(wanted) {
    const all = budgets();
    options(pick.budget, all.map((cost) => [String(cost), `${flops(cost)}FLOPs`]), wanted && all.map(String).includes(wanted) ? wanted : String(all[Math.floor((all.length - 1) / 2)]));
  }

  /** @param {URLSearchParams} state */
  async function setBoard(state) {
    board = await window.elue.load(`samples/${pick.board.value}`);
    pairs = await window.elue.load(`samples/${pick.board.value}-pairs`).catch(() => /** @type {Pairs | null} */ (null));
    const curves = boards.get(pick.board.value).curves;
    const ids = curves.map(([id]) => id);
    const a = ids.includes(state.get("a")) ? state.get("a") : ids[ids.length - 1];
    const b = ids.includes(state.get("b")) ? state.get("b") : ids[0];
    options(pick.a, curves, a);
    options(pick.b, curves, b);
    setBudgets(state.get("budget"));
    await show();
  }

  /** @param {URLSearchParams} state */
  async function restore(state) {
    if (boards.has(state.get("board"))) pick.board.value = state.get("board");
    await setBoard(state);
  }

  function keep() {
    window.elue.write({ board: pick.board.value, a: pick.a.value, b: pick.b.value, budget: pick.budget.value });
  }

  pick.board.addEventListener("change", async () => {
    await setBoard(new URLSearchParams());
    keep();
  });
  for (const name of ["a", "b"]) {
    pick[name].addEventListener("change", async () => {
      setBudgets(pick.budget.value);
      keep();
      await show();
    });
  }
  pick.budget.addEventListener("change", async () => {
    keep();
    await show();
  });
  pick.swap.addEventListener("click", async () => {
    [pick.a.value, pick.b.value] = [pick.b.value, pick.a.value];
    keep();
    await show();
  });
  bar.hidden = false;
  restore(window.elue.read());
  window.elue.onChange(restore);
})();
