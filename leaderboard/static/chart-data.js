"use strict";

/** What a chart shows, without anything on the page: specs, ticks, and the edges of the axes. */
(() => {
  /** The spec of a chart, from the page itself or from a data file.
   * @param {string} id
   * @returns {ChartSpec | null} */
  function specOf(id) {
    const inline = document.querySelector(`script[data-spec="${id}"]`);
    if (inline) return JSON.parse(inline.textContent);
    for (const specs of Object.values(window.elueData || {})) if (specs[id]) return specs[id];
    return null;
  }

  const LETTER = 7.2;
  const LINE = 15;
  const SHARES = [0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.125, 1 / 6, 0.25, 1 / 3, 0.5, 2 / 3, 1, 4 / 3, 2, 3, 5, 10, 20, 50, 100];

  /** At most nine round ticks, or shares of a full cost where there is one.
   * @param {number} low
   * @param {number} high
   * @param {number} [full] */
  function logTicks(low, high, full) {
    const shares = full ? SHARES.map((share) => share * full).filter((tick) => low <= tick && tick <= high) : [];
    if (shares.length >= 3) return shares.filter((_, i) => i % Math.ceil(shares.length / 9) === 0);
    const first = Math.floor(Math.log10(low));
    const last = Math.ceil(Math.log10(high));
    /** @type {number[]} */
    let ticks = [];
    for (const steps of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 6, 8], null]) {
      if (!steps) break;
      ticks = [];
      for (let decade = first; decade <= last; decade += 1) {
        for (const step of steps) ticks.push(Number(`${step}e${decade}`));
      }
      ticks = ticks.filter((tick) => low <= tick && tick <= high);
      if (ticks.length >= 4) break;
    }
    if (ticks.length < 2) ticks = [low * (high / low) ** 0.1, Math.sqrt(low * high), high / (high / low) ** 0.1];
    const every = Math.ceil(ticks.length / 9);
    return ticks.filter((_, i) => i % every === 0);
  }

  /** Edges of the axes around these rows, with some room; `home` where there are none.
   * @param {ChartRow[]} rows
   * @param {Edges} home */
  function domain(rows, home) {
    if (!rows.length) return { x0: home.x0, x1: home.x1, y0: home.y0, y1: home.y1 };
    const xs = rows.map((row) => row.x);
    let low = Math.min(...xs);
    let high = Math.max(...xs);
    const spare = Math.max((high / low) ** 0.04, Math.sqrt(Math.max(1, (2.5 * low) / high)), 1.06);
    low /= spare;
    high *= spare;
    const bottom = Math.min(...rows.map((row) => (row.faded ? row.y : row.low)));
    const top = Math.max(...rows.map((row) => (row.faded ? row.y : row.high)));
    const room = Math.max(0.04 * (top - bottom), top - bottom < 2 ? 0.05 : 0.5);
    return { x0: low, x1: high, y0: bottom - room, y1: top + room };
  }

  /** A window on a chart, and what is told in it: notes and carets stand where it is as it was drawn.
   * @param {LiveChart} chart
   * @param {Edges} now */
  function told(chart, now) {
    const { home } = chart;
    const full = chart.axes.x === "flops" ? home.full : 0;
    const asDrawn = /** @type {const} */ (["x0", "x1", "y0", "y1"]).every((edge) => now[edge] === home[edge]);
    const noted = asDrawn && chart.canvas.clientWidth >= 560;
    return { ...now, full, noted, floor: asDrawn ? home.floor : -1e9, ticks: logTicks(now.x0, now.x1, full) };
  }

  /** The notes that lie over no earlier one and within a plot of this size, where each takes as much room as it was given.
   * @param {ChartNote[]} notes
   * @param {Edges} edges
   * @param {number} width
   * @param {number} height */
  function apart(notes, edges, width, height) {
    /** @type {{ left: number, right: number, top: number }[]} */
    const taken = [];
    return notes.filter(({ text, x, y }) => {
      const left = (width * Math.log(x / edges.x0)) / Math.log(edges.x1 / edges.x0);
      const box = { left, right: left + LETTER * text.length, top: (height * (edges.y1 - y)) / (edges.y1 - edges.y0) };
      const free = box.right <= width + LETTER && taken.every((of) => box.left >= of.right || box.right <= of.left || Math.abs(box.top - of.top) >= LINE);
      if (free) taken.push(box);
      return free;
    });
  }

  /** A drawing without variables: the light colours stand in for them.
   * @param {string} svg */
  function plain(svg) {
    return svg.replace(/var\(--[a-z_]+, ([^)]+)\)/g, "$1");
  }

  window.elue.chartData = { specOf, told, apart, domain, plain };
})();
