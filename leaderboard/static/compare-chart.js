"use strict";

/** Two curves over cost, with a ruler at the budget: their points, and the lines that mixtures of them reach. */
(() => {
  const { flops } = window.elue;
  const { share } = window.elue.comparing;
  const HEIGHT = 340;
  const EDGE = { left: 46, right: 192, top: 30, bottom: 44 };
  let WIDTH = 900;
  const STEPS = 160;

  /** @param {string} tag
   * @param {Record<string, string | number>} attributes
   * @param {string} [text] */
  function svg(tag, attributes, text) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    if (text !== undefined) element.textContent = text;
    return element;
  }

  /** The line of a hull at a cost: straight between corners, level beyond the last.
   * @param {[number, number][]} corners
   * @param {number} cost */
  function level(corners, cost) {
    const next = corners.findIndex(([at]) => at > cost);
    if (next < 0) return corners[corners.length - 1][1];
    const [[x0, y0], [x1, y1]] = [corners[next - 1], corners[next]];
    return y0 + ((y1 - y0) * (cost - x0)) / (x1 - x0);
  }

  /** Scores written up the side: at most six, round, within the edges.
   * @param {number} low
   * @param {number} high */
  function rounds(low, high) {
    const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((size) => (high - low) / size <= 6) || 100;
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, i) => Number(((first + i) * step).toFixed(1)));
  }

  /** Where everything stands: from costs and scores to places of the drawing.
   * @param {Told} told */
  function frame(told) {
    const points = told.runs.flat();
    const low = Math.min(told.budgets[0], ...points.map((run) => run.cost).filter((cost) => cost > 0)) * 0.94;
    const high = Math.max(told.budgets[told.budgets.length - 1], ...points.map((run) => run.cost)) * 1.03;
    const lines = told.levels.flat();
    const lowest = Math.min(...lines);
    const highest = Math.max(...lines, ...points.map((run) => run.score));
    const room = Math.max(0.5, 0.06 * (highest - lowest));
    const [bottom, top] = [lowest - room, highest + room];
    const wide = WIDTH - EDGE.left - EDGE.right;
    const tall = HEIGHT - EDGE.top - EDGE.bottom;
    return {
      low, high, bottom, top,
      /** @param {number} cost */
      x: (cost) => EDGE.left + (wide * Math.log(cost / low)) / Math.log(high / low),
      /** @param {number} score */
      y: (score) => EDGE.top + (tall * (top - score)) / (top - bottom),
    };
  }

  /** @param {SVGElement} place
   * @param {Told} told
   * @param {ReturnType<typeof frame>} at */
  function axes(place, told, at) {
    for (const score of rounds(at.bottom, at.top)) {
      place.append(svg("path", { class: "grid-line", d: `M${EDGE.left} ${at.y(score)}H${WIDTH - EDGE.right}` }));
      place.append(svg("text", { x: EDGE.left - 8, y: at.y(score) + 4, "text-anchor": "end" }, String(score)));
    }
    const [first, last] = [told.budgets[0], told.budgets[told.budgets.length - 1]];
    place.prepend(svg("rect", { class: "span", x: at.x(first), y: EDGE.top, width: at.x(last) - at.x(first), height: HEIGHT - EDGE.top - EDGE.bottom }));
    let taken = 0;
    for (const part of [0.05, 0.1, 0.17, 0.25, 0.33, 0.5, 0.67, 1, 1.33]) {
      const cost = part * told.full;
      if (cost < at.low || cost > at.high || at.x(cost) < taken) continue;
      taken = at.x(cost) + 42;
      place.append(svg("text", { x: at.x(cost), y: HEIGHT - EDGE.bottom + 18, "text-anchor": "middle" }, share(cost, told.full)));
    }
    place.append(svg("text", { x: (EDGE.left + WIDTH - EDGE.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, WIDTH < 600 ? "compute of the full reference, log scale" : "compute per sample, of the full reference, log scale; shaded: the budgets of the score"));
  }

  /** @param {SVGElement} place
   * @param {Told} told
   * @param {ReturnType<typeof frame>} at */
  function curves(place, told, at) {
    const ends = told.corners.map((corners) => at.y(level(corners, at.high)));
    const apart = Math.abs(ends[0] - ends[1]) < 18 ? 9 * (ends[0] <= ends[1] ? -1 : 1) : 0;
    told.corners.forEach((corners, i) => {
      const side = i ? "b" : "a";
      const start = Math.min(...told.runs[i].map((run) => run.cost).filter((cost) => cost > 0), told.budgets[0]);
      const costs = Array.from({ length: STEPS + 1 }, (_, k) => start * (at.high / start) ** (k / STEPS));
      const line = costs.map((cost) => `${at.x(cost).toFixed(1)} ${Math.min(at.y(level(corners, cost)), HEIGHT - EDGE.bottom).toFixed(1)}`);
      place.append(svg("path", { class: `line-${side}`, d: `M${line.join("L")}` }));
      for (const run of told.runs[i]) {
        if (run.cost <= 0) continue;
        const [x, y] = [at.x(run.cost), at.y(Math.max(run.score, at.bottom))];
        const mark = run.score < at.bottom
          ? svg("path", { class: `mark-${side}`, d: `M${x - 5} ${y - 8}h10l-5 7z` })
          : i ? svg("rect", { class: "mark-b", x: x - 4, y: y - 4, width: 8, height: 8 }) : svg("circle", { class: "mark-a", cx: x, cy: y, r: 4.5 });
        mark.append(svg("title", {}, `${i ? told.b : told.a}, ${run.point}: ${run.says} at ${flops(run.cost)}FLOPs`));
        place.append(mark);
      }
      const name = i ? told.b : told.a;
      const most = EDGE.right > 100 ? 22 : 15;
      const label = `${i ? "B" : "A"} ${name.length > most ? `${name.slice(0, most - 1)}…` : name}`;
      if (EDGE.right > 100) place.append(svg("text", { class: `name-${side}`, x: WIDTH - EDGE.right + 8, y: ends[i] + 4 + (i ? -apart : apart) }, label));
      else place.append(svg("text", { class: `name-${side}`, x: EDGE.left + (i * (WIDTH - EDGE.left)) / 2, y: 18 }, label));
    });
  }

  /** The drawing, so many pixels wide; `choose` is told of the budget nearest to where it is clicked.
   * @param {Told} told
   * @param {number} place
   * @param {number} width
   * @param {(place: number) => void} choose */
  function drawing(told, place, width, choose) {
    WIDTH = Math.max(320, width);
    EDGE.right = WIDTH < 600 ? 24 : 192;
    const at = frame(told);
    const root = svg("svg", { class: "two-curves", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `Curves of ${told.a} and ${told.b}; the table below has their scores at every budget` });
    axes(/** @type {SVGElement} */ (root), told, at);
    curves(/** @type {SVGElement} */ (root), told, at);
    const x = at.x(told.budgets[place]);
    root.append(svg("path", { class: "ruler-line", d: `M${x} ${EDGE.top}V${HEIGHT - EDGE.bottom}` }));
    const late = x > WIDTH - EDGE.right - 110;
    root.append(svg("text", { class: "ruler-name", x: late ? x - 6 : x + 6, y: HEIGHT - EDGE.bottom - 8, "text-anchor": late ? "end" : "start" }, `budget: ${share(told.budgets[place], told.full)}`));
    root.addEventListener("click", (event) => {
      const box = root.getBoundingClientRect();
      const clicked = ((event.clientX - box.left) / box.width) * WIDTH;
      const far = told.budgets.map((budget) => Math.abs(at.x(budget) - clicked));
      choose(far.indexOf(Math.min(...far)));
    });
    return root;
  }

  window.elue.twoCurves = drawing;
})();
