"use strict";

/** The card beside the mark that the pointer is on. */
(() => {
  const { make } = window.elue;
  const tip = make("div", [], { class: "card-tip", role: "status" });
  tip.hidden = true;
  document.body.append(tip);

  /** Show the card of a run at a place of the window; without a run hide it.
   * @param {ChartRow | null} datum
   * @param {number} [x]
   * @param {number} [y]
   * @param {LiveChart} [chart] */
  function showTip(datum, x, y, chart) {
    tip.hidden = !datum;
    if (!datum) return;
    const list = make("dl");
    const words = [
      ["Family", datum.kind],
      ["Point", datum.point],
      ["Score", datum.score],
      ["Cost", datum.cost],
    ];
    for (const side of /** @type {const} */ (["x", "y"])) {
      const axis = chart.axes[side];
      if (axis === "flops" || axis === "score") continue;
      /** @type {HTMLSelectElement} */
      const select = chart.controls.querySelector(`[data-axis="${side}"]`);
      const option = select.selectedOptions[0];
      const value = side === "x" ? datum.x : datum.y;
      const unit = option.dataset.unit;
      const written = option.dataset.ticks === "~s" ? window.elue.flops(value) + unit : `${value.toFixed(2)} ${unit}`;
      words.push([option.textContent, written]);
    }
    words.push(["Front", datum.front ? "yes" : "no"]);
    if (datum.sure > 0 && datum.sure < 1) words.push(["", `in ${Math.round(100 * datum.sure)} % of resamples`]);
    words.push(["Trust", datum.trust]);
    for (const [term, value] of words) list.append(make("dt", term), make("dd", value, { dir: "auto" }));
    tip.replaceChildren(make("strong", datum.name, { dir: "auto" }), list);
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16)}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 12, innerHeight - box.height - 4))}px`;
  }

  window.elue.showTip = showTip;
})();
