"use strict";

/** What a run did with one sample: tokens it dropped, ways out it asked, experts it chose. */
(() => {
  const { make, bdi } = window.elue;

  /** Pieces of words joined, without bracketed marks.
   * @param {string[]} tokens */
  function words(tokens) {
    let text = "";
    for (const token of tokens) {
      if (token.startsWith("##")) text += token.slice(2);
      else if (!(token.startsWith("[") && token.endsWith("]"))) text += ` ${token}`;
    }
    return text.trim();
  }

  /** For each token the number of layers that still computed it.
   * @param {Explained} explained */
  function depths(explained) {
    const depth = explained.tokens.map(() => 0);
    for (const kept of explained.kept) for (const place of kept) if (place in depth) depth[place] += 1;
    return depth;
  }

  /** @param {Explained} explained */
  function heat(explained) {
    const layers = explained.kept.length;
    const depth = depths(explained);
    const text = make("p", [], { class: "heat" });
    explained.tokens.forEach((token, i) => {
      const level = layers ? Math.round((8 * depth[i]) / layers) : 8;
      const left = depth[i] < layers ? `dropped after layer ${depth[i]}` : "kept to the end";
      text.append(make("span", token, { class: `token heat-${level}`, title: left }), make("span", ` (${left}) `, { class: "unseen" }));
    });
    const rows = explained.kept.map((kept, layer) => {
      const alive = new Set(kept);
      const cells = explained.tokens.map((_, i) => make("td", alive.has(i) ? "●" : "", { class: alive.has(i) ? "on" : "off" }));
      return make("tr", [make("th", `Layer ${layer + 1}`, { scope: "row" }), ...cells, make("td", String(kept.length), { class: "num" })]);
    });
    const heads = explained.tokens.map((token) => make("th", make("span", token), { scope: "col", class: "upright" }));
    const grid = make("table", [
      make("caption", "Tokens computed in each layer"),
      make("thead", make("tr", [make("th", "Layer", { scope: "col" }), ...heads, make("th", "Tokens", { scope: "col", class: "num" })])),
      make("tbody", rows),
    ], { class: "grid" });
    const key = make("p", ["Dropped early ", ...[0, 2, 4, 6, 8].map((n) => make("span", " ", { class: `token heat-${n}` })), " kept to the end"], { class: "quiet key-row", "aria-hidden": "true" });
    const details = make("details", [make("summary", "Layer by layer"), make("div", grid, { class: "scroll", tabindex: "0", role: "group", "aria-label": "Tokens by layer" })]);
    return [make("h3", "Tokens"), text, key, details];
  }

  /** @param {Explained} explained */
  function exits(explained) {
    const cascade = explained.stage !== null;
    const name = cascade ? "Stage" : "Exit";
    const last = cascade ? explained.stage : explained.exits.length - 1;
    const rows = explained.exits.map((scores, i) => {
      const most = scores.length > 1 ? Math.max(...scores) : null;
      const meter = most === null ? null : make("meter", [], { min: 0, max: 1, value: most, "aria-label": `confidence ${most.toFixed(3)}` });
      const answer = scores.length > 1 ? `class ${scores.indexOf(most)}` : scores.length ? scores[0].toFixed(3) : "–";
      return make("tr", [
        make("th", `${name} ${i + 1}`, { scope: "row" }),
        make("td", answer),
        make("td", most === null ? "–" : most.toFixed(3), { class: "num" }),
        make("td", meter),
        make("td", i === last ? make("span", "answered here", { class: "badge gold" }) : "went on"),
      ]);
    });
    const heads = [name, "Answer", "Confidence", "As a bar", "Then"].map((head, i) => make("th", head, { scope: "col", ...(i === 2 ? { class: "num" } : {}) }));
    return [
      make("h3", cascade ? `Answered by model ${explained.stage + 1}` : `Left at exit ${last + 1}`),
      make("div", make("table", [make("caption", "Confidence at each way out asked"), make("thead", make("tr", heads)), make("tbody", rows)]), { class: "scroll", tabindex: "0", role: "group", "aria-label": "Confidence" }),
    ];
  }

  /** @param {Explained} explained */
  function experts(explained) {
    const layers = Object.keys(explained.experts).sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const heads = explained.tokens.map((token) => make("th", make("span", token), { scope: "col", class: "upright" }));
    const rows = layers.map((layer) =>
      make("tr", [
        make("th", `Layer ${layer.replace(/^(\d+)\.(\d+)$/, "$1, choice $2")}`, { scope: "row" }),
        ...explained.experts[layer].map((expert) => make("td", expert < 0 ? "–" : String(expert), { class: `expert expert-${expert < 0 ? "none" : expert % 8}` })),
      ]),
    );
    const grid = make("table", [
      make("caption", "Expert of each token"),
      make("thead", make("tr", [make("th", "Layer", { scope: "col" }), ...heads])),
      make("tbody", rows),
    ], { class: "grid" });
    return [make("h3", "Experts"), make("div", grid, { class: "scroll", tabindex: "0", role: "group", "aria-label": "Experts by token" })];
  }

  /** All there is to say, as elements.
   * @param {Explained} explained */
  function explanation(explained) {
    /** @type {HTMLElement[]} */
    const parts = [];
    if (explained.kept.length) parts.push(...heat(explained));
    else if (explained.tokens.length) parts.push(make("p", bdi(words(explained.tokens))));
    if (explained.exits.length) parts.push(...exits(explained));
    else if (explained.stage !== null) parts.push(make("p", `Answered by model ${explained.stage + 1} of the cascade.`));
    if (Object.keys(explained.experts).length) parts.push(...experts(explained));
    return parts;
  }

  window.elue.explaining = { words, explanation };
})();
