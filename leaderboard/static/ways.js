"use strict";

/** Where a run's samples ended: at which exit, model or layer, and how many; a full bar is all samples. */
(() => {
  const { make, bdi } = window.elue;

  /** @param {SampleRun} info
   * @param {boolean} most whether no run here follows the single sample more */
  function showWays(info, most) {
    const place = document.getElementById("ways");
    place.hidden = !info.ways.length;
    const all = info.ways.reduce((sum, [, count]) => sum + count, 0);
    const rows = info.ways.map(([name, count]) => make("tr", [
      make("th", bdi(name), { scope: "row" }),
      make("td", [make("meter", [], { min: 0, max: all, value: count, "aria-label": `${count} of ${all} samples` }), ` ${((100 * count) / all).toFixed(1)} %`]),
      make("td", count.toLocaleString("en"), { class: "num" }),
    ]));
    const heads = ["Ended at", "Share", "Samples"].map((head, i) => make("th", head, { scope: "col", ...(i === 2 ? { class: "num" } : {}) }));
    place.replaceChildren(
      make("h2", "Where the samples ended"),
      make("p", [bdi(info.label), ", ", bdi(info.point), most ? ": of all runs here the one whose compute follows the single sample most." : "."], { class: "quiet" }),
      make("table", [make("caption", "Samples by where they ended", { class: "unseen" }), make("thead", make("tr", heads)), make("tbody", rows)], { class: "ways" }),
    );
  }

  window.elue.showWays = showWays;
})();
