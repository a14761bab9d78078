"use strict";

/** The first page's budget: the list of the best methods at it, and the ruler in the chart. */
(() => {
  const { make, bdi, signed } = window.elue;
  const told = document.getElementById("budget-data");
  const slider = /** @type {HTMLInputElement} */ (document.getElementById("budget"));
  const drawn = document.getElementById("picture-drawn");

  /** A family's mark, as it stands elsewhere on the page.
   * @param {string} family */
  function mark(family) {
    const known = document.querySelector(`.swatch.${CSS.escape(family)}`) || document.querySelector(".swatch");
    return /** @type {Node} */ (known.cloneNode(true));
  }

  /** @param {BestEntry} entry */
  function item([method, page, family, weights, value, low, high, word]) {
    const row = make("li", [mark(family), make("a", bdi(method), { href: `methods/${page}.html` })]);
    if (weights) row.title = "These weights";
    if (word === "static") row.classList.add("base");
    const interval = low === null ? "" : `${signed(low)} to ${signed(high)}`;
    row.append(make("span", signed(value || 0), { class: "lead-value" }), make("span", interval, { class: "quiet" }), make("span", word, { class: `word ${word}` }));
    return row;
  }

  /** Move each drawing's ruler to a share of full compute.
   * @param {number} share */
  function rule(share) {
    for (const ruler of document.querySelectorAll(".ruler")) {
      const { left, width, low, high } = ruler.dataset;
      const along = Math.log(share / Number(low)) / Math.log(Number(high) / Number(low));
      const top = ruler.getAttribute("transform").split(",")[1];
      ruler.setAttribute("transform", `translate(${(Number(left) + Number(width) * Math.min(1, Math.max(0, along))).toFixed(1)},${top}`);
    }
  }

  function budgets() {
    /** @type {BudgetData} */
    const data = JSON.parse(told.textContent);
    const said = document.getElementById("budget-said");
    const list = document.getElementById("best");
    let last = -1;
    function show() {
      const share = Number(slider.value) / 100;
      const first = data.budgets.findIndex(([, high]) => share < high);
      const place = first < 0 ? data.budgets.length - 1 : first;
      said.textContent = `${slider.value} %`;
      slider.setAttribute("aria-valuetext", `${slider.value} % of full compute`);
      rule(share);
      if (place !== last) list.replaceChildren(...data.best[place].map(item));
      last = place;
    }
    /** @param {URLSearchParams} state */
    function restore(state) {
      const wanted = Number(state.get("budget"));
      if (wanted >= Number(slider.min) && wanted <= Number(slider.max)) slider.value = String(Math.round(wanted));
      show();
    }
    slider.addEventListener("input", show);
    slider.addEventListener("change", () => window.elue.write({ budget: slider.value }));
    slider.hidden = false;
    restore(window.elue.read());
    window.elue.onChange(restore);
    return show;
  }

  /** @param {() => void} show */
  function tasks(show) {
    const select = /** @type {HTMLSelectElement} */ (document.getElementById("picture-task"));
    if (!select) return;
    const first = { wide: drawn.children[0].innerHTML, narrow: drawn.children[1].innerHTML };
    const own = { page: document.getElementById("picture-page").getAttribute("href"), every: "", description: "", file: "" };
    const every = document.getElementById("picture-every");
    own.every = every ? every.innerHTML : "";
    own.description = document.getElementById("picture-description").textContent;
    own.file = document.querySelector(".take").getAttribute("href").replace(/\.svg$/, "");
    select.addEventListener("change", async () => {
      /** @type {PictureData} */
      const data = select.selectedIndex === 0 ? { ...first, ...own } : await window.elue.load(`home/${select.value}`);
      drawn.children[0].innerHTML = data.wide;
      drawn.children[1].innerHTML = data.narrow;
      if (every) {
        every.innerHTML = data.every;
        every.closest("details").hidden = !data.every;
      }
      document.getElementById("picture-page").setAttribute("href", data.page);
      document.getElementById("picture-description").textContent = data.description;
      for (const link of document.querySelectorAll(".take")) link.setAttribute("href", `${data.file}.${link.textContent.toLowerCase()}`);
      show();
    });
    document.querySelector("#picture .one").remove();
    select.hidden = false;
  }

  tasks(slider && told ? budgets() : () => {});
})();
