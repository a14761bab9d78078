"use strict";

/** A comparison in words and as a table, as compared.html writes it for those without scripts. */
(() => {
  const { make, bdi, units, flops, signed } = window.elue;
  const WORDS = ["level", "likely", "sure"];

  /** What a pair is apart, the way round that is asked for.
   * @param {PairRow} row
   * @param {number} sign */
  function turned(row, sign) {
    /** @param {(number | null)[]} of
     * @returns {[number, number | null, number | null]} */
    const numbers = ([value, low, high]) => {
      if (low === null) return [(sign * value) / 100, null, null];
      return sign > 0 ? [value / 100, low / 100, high / 100] : [-value / 100, -high / 100, -low / 100];
    };
    return {
      at: row.at.map((of, place) => ({ numbers: numbers(of), word: WORDS[Number(row.words[place])] })),
      mean: row.mean && { numbers: numbers(row.mean), p: row.mean[3] },
    };
  }

  /** @param {number} value */
  const points = (value) => `${Math.abs(value).toFixed(2)} ${Math.abs(value).toFixed(2) === "1.00" ? "point" : "points"}`;
  /** @param {number} value */
  const more = (value) => (value >= 0 ? "more" : "less");
  /** @param {[number, number | null, number | null]} numbers */
  const interval = ([, low, high]) => (low === null ? "nothing varies" : `95 % interval ${signed(low)} to ${signed(high)}`);
  /** @param {number} budget
   * @param {number} full */
  const share = (budget, full) => `${Math.round((100 * budget) / full)} %`;

  /** @param {number} extra how much more A costs than B, as a share */
  const costs = (extra) => (Math.abs(extra) < 0.0005 ? "costs as much" : `costs ${Math.abs(100 * extra).toFixed(1)} % ${more(extra)}`);

  /** The finding, in one or two plain sentences.
   * @param {Told} told
   * @param {number} place
   * @returns {Content[]} */
  function sentence(told, place) {
    const { numbers, word } = told.apart.at[place];
    const budget = told.budgets[place];
    const [a, b] = [bdi(told.a), bdi(told.b)];
    /** @type {Content[]} */
    const parts = [`At ${share(budget, told.full)} of full compute (${flops(budget)}FLOPs a sample) `];
    if (word === "level") {
      parts.push(make("strong", [a, " and ", b, " are level"]), `: ${signed(numbers[0])} points, ${interval(numbers)}.`);
    } else {
      parts.push(make("strong", [a, ` scores ${points(numbers[0])} ${more(numbers[0])} than `, b]), ", which is ", make("strong", word), ` (${interval(numbers)}).`);
    }
    const mean = told.apart.mean;
    if (mean) {
      const whole = mean.numbers;
      parts.push(` Over all budgets from ${share(told.budgets[0], told.full)} to 100 % it scores ${signed(whole[0]) === "0.00" ? "the same" : `${points(whole[0])} ${more(whole[0])}`} on average (${interval(whole)}).`);
    }
    const [first, second] = told.within[place];
    if (first && second && second.cost) parts.push(` Its best point within the budget ${costs(first.cost / second.cost - 1)} ${Math.abs(first.cost / second.cost - 1) < 0.0005 ? "as" : "than"} that of `, bdi(told.b), ".");
    return parts;
  }

  /** The leads that the first page tells of the two methods.
   * @param {Told} told
   * @returns {Content[]} */
  function inAll({ methods, overall }) {
    const leads = [...new Set(methods)].filter((method) => method in overall.leads);
    if (!leads.length) return [];
    /** @param {string} href
     * @param {Content[]} content */
    const link = (href, content) => make("a", content, { href });
    const root = document.body.dataset.root;
    /** @type {Content[]} */
    const parts = overall.path
      ? ["On this task, over all trainings and the budgets of ", link(`${root}${overall.path}`, ["edition ", bdi(overall.edition)]), ", "]
      : ["By the rules of an edition, though none ranks this board, "];
    leads.forEach((method, place) => {
      const lead = overall.leads[method];
      parts.push(place ? ", " : "", bdi(method), " has ", make("strong", `${signed(lead[0])} points`), " over ", bdi(overall.static), ` (${interval(lead)})`);
    });
    return [...parts, ": that is the lead on the ", link(`${root}index.html`, ["first page"]), ", and ", link("#two-leads", ["why it differs"]), " from the line above."];
  }

  /** Numbers of FLOPs in the unit that a column of them takes, and its prefix.
   * @param {number[]} numbers
   * @returns {[string[], string]} */
  function column(numbers) {
    const most = Math.max(...numbers);
    const [size, prefix] = units.find(([unit]) => unit <= most / 5) || [1, ""];
    const digits = prefix ? (most / size >= 1000 ? 1 : 2) : 0;
    return [numbers.map((number) => (number / size).toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits })), prefix];
  }

  /** Both lines and their difference at every budget.
   * @param {Told} told
   * @param {number} chosen */
  function table(told, chosen) {
    const [counted, prefix] = column(told.budgets);
    const rows = told.budgets.map((budget, place) => {
      const { numbers, word } = told.apart.at[place];
      const [value, low, high] = numbers;
      return make("tr", [
        make("th", share(budget, told.full), { scope: "row" }),
        make("td", counted[place], { class: "num" }),
        ...told.levels.map((of) => make("td", of[place].toFixed(2), { class: "num" })),
        make("td", signed(value), { class: "num strong" }),
        make("td", low === null ? "–" : `${signed(low)} to ${signed(high)}`, { class: "num quiet" }),
        make("td", word),
      ], place === chosen ? { class: "shown" } : {});
    });
    const heads = ["Budget", `${prefix}FLOPs`, ["A: ", bdi(told.a)], ["B: ", bdi(told.b)], "A − B", "95 % interval", "That is"];
    const head = make("tr", heads.map((of, i) => make("th", of, { scope: "col", ...(i && i < 6 ? { class: "num" } : {}) })));
    const parts = [make("caption", make("span", "Score of both lines in %, and A − B in points")), make("thead", head), make("tbody", rows)];
    return make("div", make("table", parts), { class: "scroll", tabindex: "0", role: "group", "aria-label": "At every budget" });
  }

  window.elue.comparing = { turned, sentence, inAll, table, share, costs };
})();
