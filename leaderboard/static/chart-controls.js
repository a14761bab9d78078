"use strict";

/** What a reader does to a chart: pointer, table, legends, axes, zoom. */
(() => {
  const { make } = window.elue;
  const { keep } = window.elue.chartState;
  /** The table of a chart's runs.
   * @param {string} id
   * @returns {HTMLTableElement | null} */
  const table = (id) => document.querySelector(`table.runs[data-for="${id}"]`);

  /** Hover, click, wheel and drag on the drawing.
   * @param {LiveChart} chart */
  function listen(chart) {
    /** @param {{ datum?: ChartRow } | null} item */
    const datumOf = (item) => (item && item.datum && item.datum.run && item.datum.name ? item.datum : null);
    const plot = () => chart.view.container().querySelector(".mark-group .background").getBoundingClientRect();
    /** @param {MouseEvent} event */
    const place = (event) => {
      const box = plot();
      return { x: (event.clientX - box.left) / box.width, y: 1 - (event.clientY - box.top) / box.height };
    };
    /** @type {{ x: number, y: number } | null} */
    let dragged = null;
    let moved = false;
    chart.view.addEventListener("mousemove", (event, item) => {
      const datum = datumOf(item);
      window.elue.showTip(datum, event.clientX, event.clientY, chart);
      chart.set("hovered", datum ? datum.run : "");
    });
    chart.view.addEventListener("mouseout", () => window.elue.showTip(null));
    chart.view.addEventListener("click", (_, item) => {
      const datum = datumOf(item);
      if (!datum || moved) return;
      chart.pin([datum.curve]);
      say(chart, datum);
      const own = table(chart.id);
      if (!own) return;
      for (const row of own.tBodies[0].rows) row.classList.toggle("shown", row.dataset.run === datum.run);
    });
    const area = chart.view.container();
    area.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey && !event.shiftKey && document.activeElement !== chart.canvas) return;
        event.preventDefault();
        chart.zoomBy((event.deltaY || event.deltaX) > 0 ? 1.25 : 0.8, place(event));
      },
      { passive: false },
    );
    area.addEventListener("pointerdown", (event) => {
      moved = false;
      dragged = chart.zoom && event.button === 0 ? place(event) : null;
    });
    area.addEventListener("pointermove", (event) => {
      if (!dragged || !event.buttons) return;
      const now = place(event);
      if (Math.hypot(now.x - dragged.x, now.y - dragged.y) < 0.01) return;
      chart.pan(now.x - dragged.x, -(now.y - dragged.y));
      dragged = now;
      moved = true;
    });
  }

  /** Say below the chart which run was clicked, with ways to its row and its page.
   * @param {LiveChart} chart
   * @param {ChartRow} datum */
  function say(chart, datum) {
    const place = document.querySelector(`.picked[data-for="${chart.id}"]`);
    if (!place) return;
    const page = `${document.body.dataset.root}runs/${datum.run.replace(/^run-/, "")}.html`;
    place.hidden = false;
    place.replaceChildren(
      make("strong", make("bdi", datum.name)), " ", make("bdi", datum.point), `: ${datum.score} %, ${datum.cost}. `,
      make("a", "Its row", { href: `#${datum.run}` }), " · ", make("a", "all of it", { href: page }),
    );
  }

  /** What finds methods in a long list.
   * @param {LiveChart} chart */
  function picker(chart) {
    const list = document.querySelector(`.picker[data-for="${chart.id}"]`);
    if (!list) return;
    /** @type {HTMLInputElement} */
    const search = list.querySelector("input");
    search.addEventListener("input", () => {
      const wanted = search.value.toLowerCase().trim();
      for (const item of list.querySelectorAll("li")) item.hidden = !item.textContent.toLowerCase().includes(wanted);
    });
  }

  /** The table, the legends and the controls that belong to a chart.
   * @param {LiveChart} chart */
  function wire(chart) {
    const own = table(chart.id);
    if (own) {
      own.addEventListener("mouseover", (event) => {
        /** @type {HTMLTableRowElement | null} */
        const row = /** @type {Element} */ (event.target).closest("tbody tr");
        chart.set("hovered", row ? row.dataset.run : "");
      });
      own.addEventListener("mouseleave", () => chart.set("hovered", ""));
      own.addEventListener("selection", () => chart.refresh());
      if (own.dataset.facets) {
        for (const row of own.tBodies[0].rows) {
          const name = row.cells[0].textContent.trim();
          const button = make("button", [], { type: "button", class: "pin", "aria-pressed": "false", "aria-label": `Pin ${name}`, title: "Pin this curve" });
          button.addEventListener("click", () => chart.pin([row.dataset.curve]));
          row.cells[0].prepend(button);
        }
      }
    }
    for (const legend of document.querySelectorAll(`.legend[data-for="${chart.id}"]`)) {
      for (const button of legend.querySelectorAll("[data-curve], [data-curves]")) {
        button.addEventListener("click", () => chart.pin((button.dataset.curve || button.dataset.curves).split(" ")));
      }
      for (const button of legend.querySelectorAll("button.family")) {
        button.addEventListener("click", () => {
          const name = button.dataset.family;
          if (chart.off.has(name)) chart.off.delete(name);
          else chart.off.add(name);
          keep(chart);
          chart.mark();
          chart.refresh();
        });
      }
    }
    for (const saving of document.querySelectorAll(`.save[data-for="${chart.id}"]`)) {
      saving.hidden = false;
      for (const button of saving.querySelectorAll("[data-save]")) {
        button.addEventListener("click", () => window.elue.chartAxes.save(chart, button.dataset.save));
      }
    }
    picker(chart);
    if (!chart.controls) return;
    chart.controls.hidden = false;
    for (const select of /** @type {NodeListOf<HTMLSelectElement>} */ (chart.controls.querySelectorAll("[data-axis]"))) {
      select.addEventListener("change", () => {
        chart.axes[/** @type {"x" | "y"} */ (select.dataset.axis)] = select.value;
        chart.zoom = null;
        keep(chart);
        chart.draw();
      });
    }
    /** @type {HTMLInputElement | null} */
    const old = chart.controls.querySelector("input[data-published]");
    if (old) {
      old.addEventListener("change", () => {
        chart.published = old.checked;
        keep(chart);
        chart.refresh();
      });
    }
    for (const button of chart.controls.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => {
        if (button.dataset.zoom === "reset") {
          chart.zoom = null;
          keep(chart);
          chart.refresh();
        } else chart.zoomBy(button.dataset.zoom === "in" ? 0.7 : 1 / 0.7);
      });
    }
  }

  window.elue.chartControls = { table, listen, wire };
})();
