"use strict";

/** What of a chart stands in the hash, so that a view can be sent to someone: axes, pins, families, zoom. */
(() => {
  /** Put the chart's view into the hash; what is as usual is left out.
   * @param {LiveChart} chart */
  function keep(chart) {
    if (!chart.controls) return;
    const zoom = chart.zoom && [chart.zoom.x0, chart.zoom.x1, chart.zoom.y0, chart.zoom.y1].map((v) => v.toPrecision(5));
    window.elue.write({
      [`${chart.board}.x`]: chart.axes.x === "flops" ? "" : chart.axes.x,
      [`${chart.board}.y`]: chart.axes.y === "score" ? "" : chart.axes.y,
      [`${chart.board}.pin`]: [...chart.picked].join("~"),
      [`${chart.board}.off`]: [...chart.off].join("~"),
      [`${chart.board}.zoom`]: zoom ? zoom.join("~") : "",
      [`${chart.board}.old`]: chart.published ? "1" : "",
    });
  }

  /** Give the chart the view that the hash says, as far as it is sound.
   * @param {LiveChart} chart
   * @param {URLSearchParams} state */
  function restore(chart, state) {
    /** @param {string} name */
    const list = (name) => (state.get(`${chart.board}.${name}`) || "").split("~").filter(Boolean);
    const curves = new Set(chart.rows.map((row) => row.curve));
    const kinds = new Set(chart.rows.map((row) => row.kind));
    chart.picked = new Set(list("pin").filter((curve) => curves.has(curve)));
    chart.off = new Set(list("off").filter((kind) => kinds.has(kind)));
    const zoom = list("zoom").map(Number);
    const sound = zoom.length === 4 && zoom.every(Number.isFinite) && zoom[0] > 0 && zoom[0] < zoom[1] && zoom[2] < zoom[3];
    chart.zoom = sound ? { x0: zoom[0], x1: zoom[1], y0: zoom[2], y1: zoom[3] } : null;
    if (chart.controls) {
      for (const side of /** @type {const} */ (["x", "y"])) {
        /** @type {HTMLSelectElement} */
        const select = chart.controls.querySelector(`[data-axis="${side}"]`);
        const wanted = state.get(`${chart.board}.${side}`);
        const there = [...select.options].some((option) => option.value === wanted);
        select.value = there ? wanted : select.options[0].value;
        chart.axes[side] = select.value;
      }
      /** @type {HTMLInputElement | null} */
      const old = chart.controls.querySelector("input[data-published]");
      chart.published = Boolean(old) && state.get(`${chart.board}.old`) === "1";
      if (old) old.checked = chart.published;
    }
    chart.mark();
  }

  window.elue.chartState = { keep, restore };
})();
