"use strict";

/** The live charts: hover card, pins, families, axes, zoom, and the selection they share with the table below. */
(() => {
  const { make } = window.elue;
  const charts = new Map();
  const tip = make("div", [], { class: "card-tip", role: "status" });
  tip.hidden = true;
  document.body.append(tip);

  const part = (id, selector) => document.querySelector(`${selector}[data-for="${id}"]`);
  const table = (id) => document.querySelector(`table.runs[data-for="${id}"]`);

  function specOf(id) {
    const inline = document.querySelector(`script[data-spec="${id}"]`);
    if (inline) return JSON.parse(inline.textContent);
    for (const specs of Object.values(window.elueData || {})) if (specs[id]) return specs[id];
    return null;
  }

  function logTicks(low, high) {
    const first = Math.floor(Math.log10(low));
    const last = Math.ceil(Math.log10(high));
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

  /** The runs no other beats in both: of equal costs the best, of equal scores the cheapest. */
  function front(rows) {
    const order = [...rows].sort((a, b) => a.x - b.x || b.y - a.y);
    let best = -Infinity;
    const chosen = new Set();
    let last = null;
    for (const row of order) {
      if (row.y > best || (last && row.x === last.x && row.y === last.y)) {
        chosen.add(row);
        best = row.y;
        last = row;
      }
    }
    return chosen;
  }

  class Chart {
    constructor(canvas) {
      this.id = canvas.id;
      this.canvas = canvas;
      this.spec = specOf(this.id);
      this.values = Object.fromEntries(this.spec.params.map((param) => [param.name, param.value]));
      this.home = { ...this.values };
      this.rows = this.spec.datasets.runs;
      this.controls = part(this.id, ".controls");
      this.board = this.id.replace(/-chart$/, "");
      this.picked = new Set();
      this.off = new Set();
      this.zoom = null;
      this.published = false;
      this.axes = { x: "flops", y: "score" };
    }

    /** The rows that the table shows, on the axes chosen, with the front among them. */
    shown() {
      const own = table(this.id);
      const known = own && own.dataset.facets;
      const visible = known && new Set([...own.tBodies[0].rows].filter((row) => !row.hidden).map((row) => row.dataset.run));
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
        const chosen = front(rows);
        for (const row of rows) {
          row.front = chosen.has(row);
          row.sure = 0;
        }
      }
      const lit = (row) => Number(!row.faded || this.picked.has(row.curve));
      rows.sort((a, b) => lit(a) - lit(b));
      return this.published ? [...this.old(), ...rows] : rows;
    }

    old() {
      const spec = specOf(this.controls.dataset.published);
      if (!spec || this.axes.x !== "flops" || this.axes.y !== "score") return [];
      return spec.datasets.runs.map((row) => ({ ...row, front: false, sure: 0, keep: true, faded: false, family: "other" }));
    }

    domain(rows) {
      if (!rows.length) return { x0: this.home.x0, x1: this.home.x1, y0: this.home.y0, y1: this.home.y1 };
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

    window(rows) {
      const plain = this.axes.x === "flops" && this.axes.y === "score" && !this.published;
      const all = plain ? this.home : this.domain(rows);
      return this.zoom || { x0: all.x0, x1: all.x1, y0: all.y0, y1: all.y1 };
    }

    async draw() {
      const spec = structuredClone(this.spec);
      const rows = this.shown();
      const titles = { x: this.title("x"), y: this.title("y") };
      for (const layer of spec.layer) {
        layer.mark.clip = true;
        if (titles.x) layer.encoding.x.title = `${titles.x}, log scale`;
        if (titles.y) layer.encoding.y.title = titles.y;
      }
      spec.datasets.runs = rows;
      this.values = { ...this.values, ...this.window(rows), picked: this.pins() };
      this.values.ticks = logTicks(this.values.x0, this.values.x1);
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
        this.listen();
      } catch (error) {
        this.canvas.classList.remove("live");
        this.canvas.replaceChildren(...still);
        console.error(error);
      }
    }

    title(side) {
      const select = this.controls && this.controls.querySelector(`[data-axis="${side}"]`);
      return select ? select.selectedOptions[0].dataset.title : "";
    }

    pins() {
      return this.picked.size ? [...this.picked] : this.home.picked;
    }

    /** Bring data, window and pins up to date without drawing anew. */
    async refresh() {
      if (!this.view) return;
      const rows = this.shown();
      const now = this.window(rows);
      this.values = { ...this.values, ...now, ticks: logTicks(now.x0, now.x1), picked: this.pins() };
      for (const [name, value] of Object.entries(this.values)) this.view.signal(name, value);
      await this.view.data("runs", rows).runAsync();
    }

    set(name, value) {
      if (this.view && this.view.signal(name) !== value) this.view.signal(name, value).runAsync();
    }

    pin(curve) {
      if (this.picked.has(curve)) this.picked.delete(curve);
      else this.picked.add(curve);
      this.keep();
      this.mark();
      this.refresh();
    }

    mark() {
      for (const legend of document.querySelectorAll(`.legend[data-for="${this.id}"]`)) {
        for (const button of legend.querySelectorAll("[data-curve]")) {
          button.setAttribute("aria-pressed", String(this.picked.has(button.dataset.curve)));
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

    keep() {
      if (!this.controls) return;
      const zoom = this.zoom && [this.zoom.x0, this.zoom.x1, this.zoom.y0, this.zoom.y1].map((v) => v.toPrecision(5));
      window.elue.write({
        [`${this.board}.x`]: this.axes.x === "flops" ? "" : this.axes.x,
        [`${this.board}.y`]: this.axes.y === "score" ? "" : this.axes.y,
        [`${this.board}.pin`]: [...this.picked].join("~"),
        [`${this.board}.off`]: [...this.off].join("~"),
        [`${this.board}.zoom`]: zoom ? zoom.join("~") : "",
        [`${this.board}.old`]: this.published ? "1" : "",
      });
    }

    restore(state) {
      const list = (name) => (state.get(`${this.board}.${name}`) || "").split("~").filter(Boolean);
      const curves = new Set(this.rows.map((row) => row.curve));
      const kinds = new Set(this.rows.map((row) => row.kind));
      this.picked = new Set(list("pin").filter((curve) => curves.has(curve)));
      this.off = new Set(list("off").filter((kind) => kinds.has(kind)));
      const zoom = list("zoom").map(Number);
      const sound = zoom.length === 4 && zoom.every(Number.isFinite) && zoom[0] > 0 && zoom[0] < zoom[1] && zoom[2] < zoom[3];
      this.zoom = sound ? { x0: zoom[0], x1: zoom[1], y0: zoom[2], y1: zoom[3] } : null;
      if (this.controls) {
        for (const side of ["x", "y"]) {
          const select = this.controls.querySelector(`[data-axis="${side}"]`);
          const wanted = state.get(`${this.board}.${side}`);
          const there = [...select.options].some((option) => option.value === wanted);
          select.value = there ? wanted : select.options[0].value;
          this.axes[side] = select.value;
        }
        const old = this.controls.querySelector("input[data-published]");
        this.published = Boolean(old) && state.get(`${this.board}.old`) === "1";
        if (old) old.checked = this.published;
      }
      this.mark();
    }

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
      this.keep();
      this.refresh();
    }

    pan(x, y) {
      const now = this.window(this.shown());
      const ratio = (now.x1 / now.x0) ** -x;
      const height = now.y1 - now.y0;
      this.zoom = { x0: now.x0 * ratio, x1: now.x1 * ratio, y0: now.y0 + y * height, y1: now.y1 + y * height };
      this.keep();
      this.refresh();
    }

    listen() {
      const datumOf = (item) => (item && item.datum && item.datum.run && item.datum.name ? item.datum : null);
      const plot = () => this.view.container().querySelector(".mark-group .background").getBoundingClientRect();
      const place = (event) => {
        const box = plot();
        return { x: (event.clientX - box.left) / box.width, y: 1 - (event.clientY - box.top) / box.height };
      };
      let dragged = null;
      let moved = false;
      this.view.addEventListener("mousemove", (event, item) => {
        const datum = datumOf(item);
        showTip(datum, event.clientX, event.clientY, this);
        this.set("hovered", datum ? datum.run : "");
      });
      this.view.addEventListener("mouseout", () => showTip(null));
      this.view.addEventListener("click", (event, item) => {
        const datum = datumOf(item);
        if (!datum || moved) return;
        this.pin(datum.curve);
        const own = table(this.id);
        if (!own) return;
        for (const row of own.tBodies[0].rows) row.classList.toggle("shown", row.dataset.run === datum.run);
        const row = document.getElementById(datum.run);
        if (row) row.scrollIntoView({ block: "nearest" });
      });
      const area = this.view.container();
      area.addEventListener(
        "wheel",
        (event) => {
          if (!event.ctrlKey && !event.shiftKey && document.activeElement !== this.canvas) return;
          event.preventDefault();
          this.zoomBy((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, place(event));
        },
        { passive: false },
      );
      area.addEventListener("pointerdown", (event) => {
        moved = false;
        dragged = this.zoom && event.button === 0 ? place(event) : null;
      });
      area.addEventListener("pointermove", (event) => {
        if (!dragged || !event.buttons) return;
        const now = place(event);
        if (Math.hypot(now.x - dragged.x, now.y - dragged.y) < 0.01) return;
        this.pan(now.x - dragged.x, -(now.y - dragged.y));
        dragged = now;
        moved = true;
      });
    }

    /** The chart as it is shown, in light colours, as a file. */
    async save(kind) {
      const spec = JSON.parse(plain(JSON.stringify({ ...this.spec, background: "#ffffff" })));
      spec.datasets = { runs: this.shown() };
      for (const param of spec.params) param.value = this.values[param.name];
      for (const layer of spec.layer) {
        layer.mark.clip = true;
        for (const side of ["x", "y"]) {
          const title = this.title(side);
          if (title) layer.encoding[side].title = side === "x" ? `${title}, log scale` : title;
        }
      }
      const { view } = await vegaEmbed(make("div"), spec, { actions: false, ast: true, defaultStyle: false, renderer: "none" });
      const picture = make("a", [], { download: `${this.board}.${kind}` });
      if (kind === "svg") picture.href = URL.createObjectURL(new Blob([await view.toSVG()], { type: "image/svg+xml" }));
      else picture.href = (await view.toCanvas(2)).toDataURL("image/png");
      view.finalize();
      picture.click();
    }

    wire() {
      const own = table(this.id);
      if (own) {
        own.addEventListener("mouseover", (event) => {
          const row = event.target.closest("tbody tr");
          this.set("hovered", row ? row.dataset.run : "");
        });
        own.addEventListener("mouseleave", () => this.set("hovered", ""));
        own.addEventListener("selection", () => this.refresh());
        if (own.dataset.facets) {
          for (const row of own.tBodies[0].rows) {
            const name = row.cells[0].textContent.trim();
            const button = make("button", [], { type: "button", class: "pin", "aria-pressed": "false", "aria-label": `Pin ${name}`, title: "Pin this curve" });
            button.addEventListener("click", () => this.pin(row.dataset.curve));
            row.cells[0].prepend(button);
          }
        }
      }
      for (const legend of document.querySelectorAll(`.legend[data-for="${this.id}"]`)) {
        for (const button of legend.querySelectorAll("[data-curve]")) {
          button.addEventListener("click", () => this.pin(button.dataset.curve));
        }
        for (const button of legend.querySelectorAll("button.family")) {
          button.addEventListener("click", () => {
            const name = button.dataset.family;
            if (this.off.has(name)) this.off.delete(name);
            else this.off.add(name);
            this.keep();
            this.mark();
            this.refresh();
          });
        }
      }
      if (!this.controls) return;
      this.controls.hidden = false;
      for (const select of this.controls.querySelectorAll("[data-axis]")) {
        select.addEventListener("change", () => {
          this.axes[select.dataset.axis] = select.value;
          this.zoom = null;
          this.keep();
          this.draw();
        });
      }
      const old = this.controls.querySelector("input[data-published]");
      if (old) {
        old.addEventListener("change", () => {
          this.published = old.checked;
          this.keep();
          this.refresh();
        });
      }
      for (const button of this.controls.querySelectorAll("[data-zoom]")) {
        button.addEventListener("click", () => {
          if (button.dataset.zoom === "reset") {
            this.zoom = null;
            this.keep();
            this.refresh();
          } else this.zoomBy(button.dataset.zoom === "in" ? 0.7 : 1 / 0.7);
        });
      }
      for (const button of this.controls.querySelectorAll("[data-save]")) {
        button.addEventListener("click", () => this.save(button.dataset.save));
      }
    }
  }

  /** A drawing without variables: the light colours stand in for them. */
  function plain(svg) {
    return svg.replace(/var\(--[a-z_]+, ([^)]+)\)/g, "$1");
  }

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
    for (const side of ["x", "y"]) {
      const axis = chart.axes[side];
      if (axis === "flops" || axis === "score") continue;
      const option = chart.controls.querySelector(`[data-axis="${side}"]`).selectedOptions[0];
      const value = side === "x" ? datum.x : datum.y;
      const small = Math.abs(value) < 1000;
      words.push([option.textContent, `${small ? value.toFixed(2) : window.elue.flops(value)}${option.dataset.unit === "×" ? " ×" : ""}`]);
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

  async function start() {
    if (typeof vegaEmbed !== "function") return;
    for (const canvas of document.querySelectorAll(".canvas[data-chart]")) {
      const chart = new Chart(canvas);
      charts.set(canvas.id, chart);
      chart.wire();
      chart.restore(window.elue.read());
      await chart.draw();
    }
    window.elue.onChange((state) => {
      for (const chart of charts.values()) {
        chart.restore(state);
        chart.draw();
      }
    });
  }

  start();
})();
