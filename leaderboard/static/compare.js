"use strict";

/** Two curves of a board: which are chosen and at which budget, kept in the hash. All numbers are made with the site. */
(() => {
  const { make, bdi, options, flops } = window.elue;
  const bar = document.getElementById("compare");
  if (!bar) return;
  /** @param {string} id */
  const part = (id) => document.getElementById(id);
  /** @type {Record<string, HTMLSelectElement>} */
  const pick = Object.fromEntries([.../** @type {NodeListOf<HTMLSelectElement>} */ (bar.querySelectorAll("[data-pick]"))].map((select) => [select.dataset.pick, select]));
  /** @type {HTMLInputElement} */
  const ruler = part("ruler").querySelector("input");
  /** @type {ComparedBoard[]} */
  const compared = window.elueData.compare;
  const boards = new Map(compared.map((comparison) => [comparison.board, comparison]));
  const first = compared[0];
  /** @type {SampleBoard} */
  let board = null;
  /** @type {PairsBoard} */
  let pairs = null;

  /** @param {string} curve */
  const runsOf = (curve) => board.runs.filter((run) => run.curve === curve).sort((a, b) => a.cost - b.cost);

  /** The best run of a curve that costs at most the budget; of equal scores the cheapest.
   * @param {SampleRun[]} runs
   * @param {number} budget
   * @returns {SampleRun | null} */
  function within(runs, budget) {
    return runs.filter((run) => run.cost <= budget).reduce((best, run) => (!best || run.score > best.score ? run : best), null);
  }

  /** What the site knows of the two that are chosen.
   * @returns {Promise<Told>} */
  async function told() {
    const comparison = boards.get(pick.board.value);
    const chosen = [pick.a.value, pick.b.value];
    const [i, j] = chosen.map((curve) => pairs.curves.indexOf(curve));
    const [earlier, later] = i < j ? [i, j] : [j, i];
    /** @type {Record<string, PairRow>} */
    const rows = await window.elue.load(`samples/${pick.board.value}-pairs-${pairs.curves[earlier]}`);
    const runs = chosen.map(runsOf);
    return {
      a: pick.a.selectedOptions[0].textContent,
      b: pick.b.selectedOptions[0].textContent,
      full: comparison.full,
      methods: chosen.map((curve) => comparison.curves.find(([id]) => id === curve)[2]),
      overall: comparison.overall,
      budgets: pairs.budgets,
      levels: [i, j].map((of) => pairs.levels[of].map((level) => level / 100)),
      corners: [pairs.corners[i], pairs.corners[j]],
      runs,
      within: pairs.budgets.map((budget) => runs.map((own) => within(own, budget))),
      apart: window.elue.comparing.turned(rows[pairs.curves[later]], i < j ? 1 : -1),
    };
  }

  /** @param {string} term
   * @param {SampleRun | null} run */
  function side(term, run) {
    const said = run
      ? [make("a", [bdi(run.label)], { href: `${document.body.dataset.root}${run.page}` }), " ", make("span", bdi(`${run.point}: ${run.says} at ${flops(run.cost)}FLOPs`), { class: "quiet" })]
      : [make("span", "has no point within this budget", { class: "quiet" })];
    return make("div", [make("dt", term), make("dd", said)]);
  }

  let turn = 0;
  async function show() {
    const own = (turn += 1);
    const same = pick.a.value === pick.b.value;
    part("in-all").hidden = part("curves").hidden = part("pair").hidden = part("budgets").hidden = part("by-sample").hidden = same;
    if (same) {
      part("finding").replaceChildren("A and B are the same curve: choose two.");
      return;
    }
    const all = await told();
    const place = Number(ruler.value);
    const [a, b] = all.within[place];
    const samples = a && b ? await Promise.all([a, b].map((run) => window.elue.load(`samples/${run.run}`))) : null;
    if (own !== turn) return;
    const { sentence, inAll, table, share, costs } = window.elue.comparing;
    part("finding").replaceChildren(make("span", sentence(all, place)));
    part("in-all").replaceChildren(make("span", inAll(all)));
    part("curves").replaceChildren(window.elue.twoCurves(all, place, part("curves").clientWidth, choose));
    part("ruler").querySelector("output").textContent = `${share(all.budgets[place], all.full)} of full compute, ${flops(all.budgets[place])}FLOPs`;
    const facts = [side("A: best point within the budget", a), side("B: best point within the budget", b)];
    if (a && b) facts.push(make("div", [make("dt", "In all"), make("dd", `A ${costs(a.cost / b.cost - 1)}`)]));
    part("pair").replaceChildren(make("dl", facts, { class: "facts small" }));
    const details = part("budgets");
    details.replaceChildren(details.querySelector("summary"), table(all, place));
    part("by-sample").replaceChildren(...(samples ? window.elue.bySample(board, samples[0], samples[1]) : []));
  }

  function keep() {
    window.elue.write({ board: pick.board.value, a: pick.a.value, b: pick.b.value, budget: ruler.value });
  }

  /** @param {number} place */
  async function choose(place) {
    ruler.value = String(place);
    keep();
    await show();
  }

  /** @param {URLSearchParams} state */
  async function setBoard(state) {
    const { curves, opens } = boards.get(pick.board.value);
    [board, pairs] = await Promise.all([window.elue.load(`samples/${pick.board.value}`), window.elue.load(`samples/${pick.board.value}-pairs`)]);
    const known = curves.filter(([id]) => pairs.curves.includes(id)).map(([id, label]) => /** @type {[string, string]} */ ([id, label]));
    /** @param {string} name */
    const wanted = (name) => (known.some(([id]) => id === state.get(name)) ? state.get(name) : null);
    options(pick.a, known, wanted("a") || opens[0]);
    options(pick.b, known, wanted("b") || opens[1]);
    const place = Number(state.get("budget") || opens[2]);
    ruler.value = String(Number.isInteger(place) && place >= 0 && place < pairs.budgets.length ? place : opens[2]);
    await show();
    document.body.classList.add("ready");
  }

  /** @param {URLSearchParams} state */
  async function restore(state) {
    pick.board.value = boards.has(state.get("board")) ? state.get("board") : first.board;
    await setBoard(state);
  }

  /** @param {() => Promise<void>} change */
  const changed = (change) => async () => {
    await change();
    keep();
  };
  pick.board.addEventListener("change", changed(() => setBoard(new URLSearchParams())));
  for (const select of [pick.a, pick.b, ruler]) select.addEventListener("change", changed(show));
  ruler.addEventListener("input", () => show());
  pick.swap.addEventListener("click", changed(() => {
    [pick.a.value, pick.b.value] = [pick.b.value, pick.a.value];
    return show();
  }));
  for (const button of /** @type {NodeListOf<HTMLButtonElement>} */ (part("save").querySelectorAll("[data-save]"))) {
    button.addEventListener("click", () => {
      const name = `${pick.a.selectedOptions[0].label}-${pick.b.selectedOptions[0].label}`;
      window.elue.pictureFiles.lines(part("curves").querySelector("svg"), name, button.dataset.save);
    });
  }
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth === width || !board) return;
    width = innerWidth;
    show();
  });
  bar.hidden = part("ruler").hidden = part("save").hidden = false;
  restore(window.elue.read());
  window.elue.onChange(restore);
})();
