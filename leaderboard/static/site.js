"use strict";

(() => {
  const views = new Map();

  function theme() {
    const button = document.getElementById("theme");
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)");
    const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
    const show = () => {
      button.textContent = dark() ? "Light" : "Dark";
      button.setAttribute("aria-label", `Use ${dark() ? "light" : "dark"} colours`);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      try {
        localStorage.setItem("elue-theme", root.dataset.theme);
      } catch {
        // Without storage the choice lasts for this page.
      }
      show();
    });
    system.addEventListener("change", show);
    button.hidden = false;
    show();
  }

  function cellValue(row, column, kind) {
    const cell = row.cells[column];
    const data = cell.querySelector("data");
    if (kind !== "number") return cell.textContent.trim();
    const value = Number.parseFloat(data ? data.value : cell.textContent.replaceAll(",", ""));
    return Number.isNaN(value) ? null : value;
  }

  function compare(a, b, kind) {
    if (a === null || b === null) return (a === null) - (b === null);
    return kind === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
  }

  function sort(table, heading, kind, first) {
    const now = heading.getAttribute("aria-sort");
    const down = now ? now === "ascending" : first === "descending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row) => [cellValue(row, heading.cellIndex, kind), row]);
    rows.sort((a, b) => {
      const order = compare(a[0], b[0], kind);
      return down && a[0] !== null && b[0] !== null ? -order : order;
    });
    table.tBodies[0].append(...rows.map((pair) => pair[1]));
  }

  function tables() {
    for (const table of document.querySelectorAll("table.sortable")) {
      for (const label of table.querySelectorAll("thead .sort")) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = label.textContent;
        button.addEventListener("click", () => sort(table, label.closest("th"), label.dataset.kind, label.dataset.first));
        label.replaceChildren(button);
      }
    }
  }

  const tip = document.createElement("div");

  function showTip(datum, x, y) {
    tip.hidden = !datum;
    if (!datum) return;
    const name = document.createElement("strong");
    name.dir = "auto";
    name.textContent = datum.name;
    const list = document.createElement("dl");
    const words = [
      ["Family", datum.kind],
      ["Point", datum.point],
      ["Score", datum.score],
      ["Cost", datum.cost],
      ["Front", datum.front ? "yes" : "no"],
      ["Trust", datum.trust],
    ];
    for (const [term, value] of words) {
      const dt = document.createElement("dt");
      const dd = document.createElement("dd");
      dt.textContent = term;
      dd.textContent = value;
      dd.dir = "auto";
      list.append(dt, dd);
    }
    tip.replaceChildren(name, list);
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, x + 16 + box.width > innerWidth ? x - 16 - box.width : x + 16)}px`;
    tip.style.top = `${Math.max(4, Math.min(y + 12, innerHeight - box.height - 4))}px`;
  }

  function setSignal(id, name, value) {
    const view = views.get(id);
    if (view) view.signal(name, value).runAsync();
  }

  function rowsFor(id) {
    return document.querySelectorAll(`table[data-for="${id}"] tbody tr`);
  }

  function markRow(id, run) {
    for (const row of rowsFor(id)) row.classList.toggle("shown", row.dataset.run === run);
  }

  function legends() {
    for (const legend of document.querySelectorAll(".legend")) {
      const id = legend.dataset.for;
      const buttons = [...legend.querySelectorAll("button")];
      for (const button of buttons) {
        button.addEventListener("click", () => {
          button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
          const picked = buttons
            .filter((each) => each.getAttribute("aria-pressed") === "true")
            .map((each) => each.dataset.curve);
          setSignal(id, "picked", picked);
          for (const row of rowsFor(id)) {
            row.classList.toggle("dim", picked.length > 0 && !picked.includes(row.dataset.curve));
          }
        });
      }
    }
  }

  function hoverRows() {
    for (const table of document.querySelectorAll("table.runs")) {
      const id = table.dataset.for;
      table.addEventListener("mouseover", (event) => {
        const row = event.target.closest("tbody tr");
        setSignal(id, "hovered", row ? row.dataset.run : "");
      });
      table.addEventListener("mouseleave", () => setSignal(id, "hovered", ""));
    }
  }

  function listen(id, view) {
    const run = (item) => (item && item.datum && item.datum.run ? item.datum : null);
    view.addEventListener("mousemove", (event, item) => {
      const datum = run(item);
      showTip(datum, event.clientX, event.clientY);
      const now = datum ? datum.run : "";
      if (view.signal("hovered") !== now) view.signal("hovered", now).runAsync();
    });
    view.addEventListener("mouseout", () => showTip(null));
    view.addEventListener("click", (event, item) => {
      const datum = run(item);
      markRow(id, datum ? datum.run : "");
      const row = datum && document.getElementById(datum.run);
      if (row) row.scrollIntoView({ block: "nearest" });
    });
  }

  async function charts() {
    if (typeof vegaEmbed !== "function") return;
    tip.className = "card-tip";
    tip.hidden = true;
    document.body.append(tip);
    for (const data of document.querySelectorAll("script[data-chart]")) {
      const canvas = document.getElementById(data.dataset.chart);
      const spec = JSON.parse(data.textContent);
      spec.width = "container";
      spec.autosize = { type: "fit-x", contains: "padding", resize: true };
      const drawing = document.createElement("div");
      drawing.setAttribute("aria-hidden", "true");
      const still = [...canvas.childNodes];
      try {
        canvas.replaceChildren(drawing);
        canvas.classList.add("live");
        const result = await vegaEmbed(drawing, spec, {
          actions: false,
          ast: true,
          defaultStyle: false,
          mode: "vega-lite",
          renderer: "svg",
          tooltip: false,
        });
        views.set(canvas.id, result.view);
        listen(canvas.id, result.view);
      } catch (error) {
        canvas.classList.remove("live");
        canvas.replaceChildren(...still);
        console.error(error);
      }
    }
  }

  theme();
  tables();
  legends();
  hoverRows();
  charts();
})();
