"use strict";

/** What is written along a chart's axes, as chosen in its controls; and the chart as a file. */
(() => {
  const { make } = window.elue;
  const { plain } = window.elue.chartData;

  const HOME = { x: "flops", y: "score" };

  /** What is chosen for an axis, where it can be chosen.
   * @param {LiveChart} chart
   * @param {"x" | "y"} side
   * @returns {HTMLOptionElement | null} */
  function chosen(chart, side) {
    /** @type {HTMLSelectElement | null} */
    const select = chart.controls && chart.controls.querySelector(`[data-axis="${side}"]`);
    return select && select.selectedOptions[0];
  }

  /** Give a spec the titles of axes that it was not drawn on, and numbers in the manner of what stands along them.
   * @param {LiveChart} chart
   * @param {ChartSpec} spec */
  function dress(chart, spec) {
    for (const layer of spec.layer) {
      layer.mark.clip = true;
      for (const side of /** @type {const} */ (["x", "y"])) {
        const option = chosen(chart, side);
        if (!option || chart.axes[side] === HOME[side]) continue;
        const { encoding } = layer;
        encoding[side].title = side === "x" ? `${option.dataset.title}, log scale` : option.dataset.title;
        if (encoding[side].axis) encoding[side].axis.format = option.dataset.ticks;
      }
    }
  }

  /** The chart as it is shown, in light colours, as a file.
   * @param {LiveChart} chart
   * @param {string} kind */
  async function save(chart, kind) {
    /** @type {ChartSpec} */
    const spec = JSON.parse(plain(JSON.stringify({ ...chart.spec, background: "#ffffff" })));
    spec.datasets = { ...chart.spec.datasets, runs: chart.shown() };
    for (const param of spec.params) param.value = chart.values[param.name];
    dress(chart, spec);
    const { view } = await vegaEmbed(make("div"), spec, { actions: false, ast: true, defaultStyle: false, renderer: "none" });
    const picture = make("a", [], { download: `${chart.board}.${kind}` });
    if (kind === "svg") picture.href = URL.createObjectURL(new Blob([await view.toSVG()], { type: "image/svg+xml" }));
    else picture.href = (await view.toCanvas(2)).toDataURL("image/png");
    view.finalize();
    picture.click();
  }

  window.elue.chartAxes = { dress, save };
})();
