"use strict";

/** Two runs sample by sample: what was saved, and the samples that one of them won. */
(() => {
  const { make, flops } = window.elue;
  const BINS = 20;
  const MOST = 50;

  /** What A did with samples whose saving is from `low` to ten per cent more.
   * @param {number} low */
  const said = (low) => (low >= 0 ? `saves ${low} to ${low + 10} %` : `costs ${-low - 10} to ${-low} % more`);

  /** Samples by the compute that A saved over B; a full bar is all samples.
   * @param {RunSamples} a
   * @param {RunSamples} b */
  function saved(a, b) {
    const counts = new Array(BINS).fill(0);
    a.flops.forEach((cost, i) => {
      const share = b.flops[i] ? 1 - cost / b.flops[i] : 0;
      counts[Math.min(BINS - 1, Math.max(0, Math.floor(((share + 1) / 2) * BINS)))] += 1;
    });
    const all = a.flops.length;
    const rows = counts.map((count, i) => {
      const low = Math.round(200 * (i / BINS)) - 100;
      const label = i === 0 ? "costs 90 % more, or beyond" : said(low);
      return make("tr", [
        make("th", label, { scope: "row" }),
        make("td", [make("meter", [], { min: 0, max: all, value: count, "aria-label": `${count} of ${all} samples` }), ` ${((100 * count) / all).toFixed(1)} %`]),
        make("td", count.toLocaleString("en"), { class: "num" }),
      ]);
    }).filter((_, i) => counts[i]);
    const heads = ["Against B, A", "Share of samples", "Samples"].map((head, i) => make("th", head, { scope: "col", ...(i === 2 ? { class: "num" } : {}) }));
    const parts = [make("caption", make("span", "Samples by the compute that A saved over B; a full bar is all samples")), make("thead", make("tr", heads)), make("tbody", rows)];
    return make("div", make("table", parts), { class: "scroll", tabindex: "0", role: "group", "aria-label": "Compute saved by sample" });
  }

  /** @param {string} title
   * @param {number[]} places
   * @param {SampleBoard} board
   * @param {RunSamples} a
   * @param {RunSamples} b */
  function list(title, places, board, a, b) {
    const rows = places.slice(0, MOST).map((i) =>
      make("tr", [
        make("th", make("code", board.ids[i]), { scope: "row" }),
        make("td", make("data", flops(a.flops[i]), { value: a.flops[i] }), { class: "num" }),
        make("td", make("data", flops(b.flops[i]), { value: b.flops[i] }), { class: "num" }),
        make("td", board.numbers ? board.wrong[i].toFixed(3) : `${Math.round(100 * board.wrong[i])} %`, { class: "num" }),
      ]),
    );
    const last = board.numbers ? "Mean error of all methods" : "Methods that err";
    const heads = ["Sample", "FLOPs of A", "FLOPs of B", last].map((h, i) => make("th", h, { scope: "col", ...(i ? { class: "num" } : {}) }));
    const caption = make("caption", make("span", places.length > MOST ? `${title}: the first ${MOST}` : title));
    const table = make("table", [caption, make("thead", make("tr", heads)), make("tbody", rows)]);
    return make("details", [
      make("summary", [title, make("span", ` ${places.length.toLocaleString("en")}`, { class: "quiet" })]),
      make("div", table, { class: "scroll", tabindex: "0", role: "group", "aria-label": title }),
    ], { class: "source" });
  }

  /** Which samples each won, and what was saved on all of them.
   * @param {SampleBoard} board
   * @param {RunSamples} a
   * @param {RunSamples} b */
  function bySample(board, a, b) {
    const places = board.ids.map((_, i) => i);
    /** @param {RunSamples} x
     * @param {RunSamples} y */
    const better = (x, y) => places.filter((i) => (board.numbers ? Math.abs(x.error[i]) < Math.abs(y.error[i]) : !x.error[i] && y.error[i]));
    return [
      make("h2", "Sample by sample, at the best point of each within the budget"),
      saved(a, b),
      list(board.numbers ? "A is closer" : "A is right, B is wrong", better(a, b), board, a, b),
      list(board.numbers ? "B is closer" : "B is right, A is wrong", better(b, a), board, a, b),
    ];
  }

  window.elue.bySample = bySample;
})();
