"use strict";

/** The live charts: pins, families, axes and zoom, kept in the hash, and the selection they share with the table below. */
(() => {
  const { make } = window.elue;
  const { specOf, told, apart, domain } = window.elue.chartData;
  const { dress } = window.elue.chartAxes;
  const { keep, restore } = window.elue.chartState;
  const { table, listen, wire } = window.elue.chartControls;
  /** @type {Map<string, Chart>} */
  const charts = new Map();

  /** About what stands left of a plot, in pixels. */
  const MARGIN = 60;

  /** @param {string} id
   * @param {string} selector */
  const part = (id, selector) => document.querySelector(`${selector}[data-for="${id}"]`);

  /** @implements {LiveChart} */
  class Chart {
    /** @param {HTMLElement} canvas */
    constructor(canvas) {
      this.id = canvas.id;
      this.canvas = canvas;
      this.spec = specOf(this.id);
      /** @type {ChartValues} */
      this.values = /** @type {any} */ (Object.fromEntries(this.spec.params.map((param) => [param.name, param.value])));
      this.home = { ...this.values };
      this.rows = this.spec.datasets.runs;
      this.controls = part(this.id, ".controls");
      this.board = this.id.replace(/-chart$/, "");
      /** @type {VegaView} */
      this.view = null;
      /** @type {Set<string>} */
      this.picked = new Set();
      /** @type {Set<string>} */
      this.off = new Set();
      /** @type {Edges | null} */
      this.zoom = null;
      this.published = false;
      this.axes = { x: "flops", y: "score" };
    }

    /** The rows that the table shows, on the axes chosen, with the front among them. */
    shown() {
      const own = table(this.id);
      const known = own && own.dataset.facets;
      const visible = known && new Set([...own.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.dataset.run));
      /** @type {ChartRow[]} */
      const rows = [];
      for (const row of this.rows) {
        if (visible && !visible.has(row.run)) continue;
        if (this.off.has(row.kind)) continue;
        const x = row.at[this.axes.x];
        const y = row.at[this.axes.y];
        if (!x || !y || x[0] <= 0) continue;
        rows.push({ ...row, x: x[0], left: Math.max(x[1], x[0] / 1e3), right: x[2], y: y[0], low: y[1], high: y[2] });
      }
      if (this.axes.x !== "flops" || this.axes.y !== "score") {
        for (const row of rows) {
          row.front = row.fronts.includes(`${this.axes.x} ${this.axes.y}`);
          row.sure = 0;
        }
      }
      /** @param {ChartRow} row */
      const lit = (row) => Number(!row.faded || this.picked.has(row.curve));
      rows.sort((a, b) => lit(a) - lit(b));
      return this.published ? [...this.old(), ...rows] : rows;
    }

    old() {
      const spec = specOf(this.controls.dataset.published);
      if (!spec || this.axes.x !== "flops" || this.axes.y !== "score") return [];
      return spec.datasets.runs.map((row) => ({ ...row, front: false, sure: 0, keep: true, faded: false, family: "other" }));
    }

    /** What the axes show of these rows.
     * @param {ChartRow[]} rows */
    window(rows) {
      const plain = this.axes.x === "flops" && this.axes.y === "score" && !this.published;
      const all = plain ? this.home : domain(rows, this.home);
      return this.zoom || { x0: all.x0, x1: all.x1, y0: all.y0, y1: all.y1 };
    }

    /** Methods of several trainings as far as all their curves are shown.
     * @param {ChartRow[]} rows */
    bands(rows) {
      const shown = new Set(rows.map((row) => row.curve));
      return this.spec.datasets.bands.filter((spot) => spot.curves.every((curve) => shown.has(curve)));
    }

    async draw() {
      const spec = structuredClone(this.spec);
      const rows = this.shown();
      const wide = this.canvas.clientWidth - MARGIN;
      dress(this, spec, wide);
      spec.datasets.runs = rows;
      if (spec.datasets.bands) spec.datasets.bands = this.bands(rows);
      if (spec.datasets.notes && wide < this.spec.width) spec.datasets.notes = apart(spec.datasets.notes, this.home, wide, this.spec.height);
      this.values = { ...this.values, ...told(this, this.window(rows)), picked: this.pins() };
      for (const param of spec.params) param.value = this.values[param.name];
      spec.width = "container";
      spec.autosize = { type: "fit-x", contains: "padding", resize: true };
      const drawing = make("div", [], { "aria-hidden": "true" });
      const still = [...this.canvas.childNodes];
      try {
        if (this.view) this.view.finalize();
        this.canvas.replaceChildren(drawing);
        this.canvas.classList.add("live");
        const result = await vegaEmbed(drawing, spec, {
          actions: false,
          ast: true,
          defaultStyle: false,
          mode: "vega-lite",
          renderer: "svg",
          tooltip: false,
        });
        this.view = result.view;
        listen(this);
      } catch (error) {
        this.canvas.classList.remove("live");
        this.canvas.replaceChildren(...still);
        console.error(error);
      }
    }

    pins() {
      return this.picked.size ? [...this.picked] : this.home.picked;
    }

    /** Bring data, window and pins up to date without drawing anew. */
    async refresh() {
      if (!this.view) return;
      const rows = this.shown();
      this.values = { ...this.values, ...told(this, this.window(rows)), picked: this.pins() };
      for (const [name, value] of Object.entries(this.values)) this.view.signal(name, value);
      if (this.spec.datasets.bands) this.view.data("bands", this.bands(rows));
      await this.view.data("runs", rows).runAsync();
    }

    /** @param {keyof ChartValues} name
     * @param {any} value */
    set(name, value) {
      if (this.view && this.view.signal(name) !== value) this.view.signal(name, value).runAsync();
    }

    /** Pin curves, or let go of them where all are pinned.
     * @param {string[]} curves */
    pin(curves) {
      const all = curves.every((curve) => this.picked.has(curve));
      for (const curve of curves) {
        if (all) this.picked.delete(curve);
        else this.picked.add(curve);
      }
      keep(this);
      this.mark();
      this.refresh();
    }

    mark() {
      for (const legend of document.querySelectorAll(`.legend[data-for="${this.id}"]`)) {
        for (const button of legend.querySelectorAll("[data-curve]")) {
          button.setAttribute("aria-pressed", String(this.picked.has(button.dataset.curve)));
        }
        for (const button of legend.querySelectorAll("[data-curves]")) {
          button.setAttribute("aria-pressed", String(button.dataset.curves.split(" ").every((curve) => this.picked.has(curve))));
        }
        for (const button of legend.querySelectorAll("button.family")) {
          button.setAttribute("aria-pressed", String(!this.off.has(button.dataset.family)));
        }
      }
      const own = table(this.id);
      for (const row of own ? own.tBodies[0].rows : []) {
        row.classList.toggle("dim", this.picked.size > 0 && !this.picked.has(row.dataset.curve));
        const button = row.querySelector("button.pin");
        if (button) button.setAttribute("aria-pressed", String(this.picked.has(row.dataset.curve)));
      }
    }

    /** @param {number} factor
     * @param {{ x: number, y: number }} at where, as shares of the plot */
    zoomBy(factor, at = { x: 0.5, y: 0.5 }) {
      const now = this.window(this.shown());
      const width = Math.log(now.x1 / now.x0);
      const height = now.y1 - now.y0;
      const x = Math.log(now.x0) + at.x * width;
      const y = now.y0 + at.y * height;
      this.zoom = {
        x0: Math.exp(x - at.x * width * factor),
        x1: Math.exp(x + (1 - at.x) * width * factor),
        y0: y - at.y * height * factor,
        y1: y + (1 - at.y) * height * factor,
      };
      keep(this);
      this.refresh();
    }

    /** @param {number} x
     * @param {number} y both as shares of the plot */
    pan(x, y) {
      const now = this.window(this.shown());
      const ratio = (now.x1 / now.x0) ** -x;
      const height = now.y1 - now.y0;
      this.zoom = { x0: now.x0 * ratio, x1: now.x1 * ratio, y0: now.y0 + y * height, y1: now.y1 + y * height };
      keep(this);
      this.refresh();
    }
  }

  async function start() {
    if (typeof vegaEmbed !== "function") return;
    for (const canvas of document.querySelectorAll(".canvas[data-chart]")) {
      const chart = new Chart(canvas);
      charts.set(canvas.id, chart);
      wire(chart);
      restore(chart, window.elue.read());
      const fold = canvas.closest("details");
      if (fold && !fold.open) {
        canvas.classList.add("live");
        fold.addEventListener("toggle", () => chart.draw(), { once: true });
      } else await chart.draw();
    }
    window.elue.onChange((state) => {
      for (const chart of charts.values()) {
        restore(chart, state);
        if (chart.canvas.offsetParent) chart.draw();
      }
    });
  }

  start();
})();
