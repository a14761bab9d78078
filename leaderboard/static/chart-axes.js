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

  /** A title in as many lines as so many pixels ask for.
   * @param {string} title
   * @param {number} width */
  function broken(title, width) {
    const most = Math.max(12, Math.floor(width / 7.5));
    let last = 0;
    return title.split(" ").reduce((made, word) => {
      last += 1 + word.length;
      if (last <= most) return `${made} ${word}`;
      last = word.length;
      return `${made}\n${word}`;
    });
  }

  /** Give a spec the titles of axes that it was not drawn on, and numbers in the manner of what stands along them.
   * Across, they take several lines where a page is `narrow`, so many pixels wide.
   * @param {LiveChart} chart
   * @param {ChartSpec} spec
   * @param {number} [narrow] */
  function dress(chart, spec, narrow) {
    if (narrow) spec.config.lineBreak = "\n";
    for (const layer of spec.layer) {
      layer.mark.clip = true;
      for (const side of /** @type {const} */ (["x", "y"])) {
        const option = chosen(chart, side);
        if (!option || chart.axes[side] === HOME[side]) continue;
        const { encoding } = layer;
        encoding[side].title = side === "x" ? `${option.dataset.title}, log scale` : option.dataset.title;
        if (encoding[side].axis) encoding[side].axis.format = option.dataset.ticks;
      }
      if (narrow) layer.encoding.x.title = broken(layer.encoding.x.title, narrow);
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
    const { view } = await vegaEmbed(make("div"), spec, { actions: false, ast: true, defaultStyle: false, renderer: "none", tooltip: false });
    const { scale, keep, raster } = window.elue.pictureFiles;
    if (kind === "svg") keep(`${chart.board}.svg`, new Blob([await view.toSVG()], { type: "image/svg+xml" }));
    else await raster(await view.toCanvas(scale), chart.board, kind);
    view.finalize();
  }

  window.elue.chartAxes = { dress, save };
})();
