"use strict";
// What the page can do beyond being read: filter, sort, show seeds. It is complete without a script.
// The state is in the address after #, so that a view can be shared and printed.
const page = (() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const make = (tag, attributes = {}, ...children) =>
    fill(document.createElement(tag), attributes, children);
  const makeSvg = (tag, attributes, ...children) =>
    fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
  const MINUS = "\u2212";
  const tools = byId("tools");
  const boxes = all("input[data-pick]", tools);
  const sections = all("section[data-data]");
  const tables = all("table[id]");
  const combinations = all("table.combinations");
  const headsOf = (table) => [...table.tHead.rows[0].cells];

  // ---- state -----------------------------------------------------------------------------------
  // only: labels shown, null for all; sort: table id -> [column, 1 or -1]; seen: table id -> one
  // character a modality, 1 seen, 0 missing, ? either; open: ids of expanded rows; wrong: id of what
  // gets confused -> [label, combination].
  const initial = () =>
    ({ only: null, data: "", score: "", sort: {}, seen: {}, open: new Set(), wrong: {} });
  let state = initial();

  const read = () => {
    state = initial();
    const text = location.hash.slice(1);
    if (!text.includes("=")) return;
    const query = new URLSearchParams(text);
    const labels = new Set(boxes.map((box) => box.value));
    if (query.has("only")) {
      state.only = new Set(query.getAll("only").filter((label) => labels.has(label)));
    }
    for (const key of ["data", "score"]) {
      if (sections.some((section) => section.dataset[key] === query.get(key))) {
        state[key] = query.get(key);
      }
    }
    for (const item of query.getAll("sort")) {
      const [id, column, direction] = item.split(" ");
      state.sort[id] = [Number(column), direction === "up" ? 1 : -1];
    }
    for (const item of query.getAll("seen")) {
      const [id, choices] = item.split(" ");
      state.seen[id] = choices;
    }
    for (const item of query.getAll("open")) state.open.add(item);
    for (const item of query.getAll("wrong")) {
      const [id, label, name] = item.split("\t");
      state.wrong[id] = [label || "", name || ""];
    }
  };

  const clear = () => history.replaceState(null, "", location.pathname + location.search);

  const write = () => {
    const query = new URLSearchParams();
    if (state.only) for (const label of state.only.size ? state.only : [""]) query.append("only", label);
    for (const key of ["data", "score"]) if (state[key]) query.append(key, state[key]);
    for (const [id, [column, direction]] of Object.entries(state.sort)) {
      query.append("sort", `${id} ${column} ${direction > 0 ? "up" : "down"}`);
    }
    for (const [id, choices] of Object.entries(state.seen)) {
      if (/[01]/.test(choices)) query.append("seen", `${id} ${choices}`);
    }
    state.open.forEach((id) => query.append("open", id));
    for (const [id, chosen] of Object.entries(state.wrong)) {
      query.append("wrong", [id, ...chosen].join("\t"));
    }
    const text = query.toString();
    if (text) history.replaceState(null, "", `#${text}`);
    else clear();
  };

  const shown = (label) => !state.only || state.only.has(label);

  // ---- filter ----------------------------------------------------------------------------------
  const filter = () => {
    for (const box of boxes) box.checked = shown(box.value);
    for (const key of ["data", "score"]) {
      const select = byId(`by-${key}`);
      if (select) select.value = state[key];
    }
    for (const section of sections) {
      section.hidden = ["data", "score"].some((key) => state[key] && section.dataset[key] !== state[key]);
    }
    // Rows, legends and marks in figures carry the label of their system.
    for (const element of all("[data-s]:not(table.combinations th)")) {
      const hide = !shown(element.dataset.s);
      if (element instanceof SVGElement) element.style.display = hide ? "none" : "";
      else element.hidden = hide;
    }
    for (const table of combinations) {
      const hide = headsOf(table).map((cell) => "s" in cell.dataset && !shown(cell.dataset.s));
      if (table.dataset.hidden === String(hide)) continue;
      table.dataset.hidden = String(hide);
      for (const row of table.rows) {
        if (row.cells.length !== hide.length) continue;
        hide.forEach((off, column) => { row.cells[column].hidden = off; });
      }
    }
    const count = boxes.filter((box) => box.checked).length;
    const picked = count === boxes.length ? `all ${count}` : `${count} of ${boxes.length}`;
    byId("picked").textContent = picked;
    const hidden = sections.filter((section) => section.hidden).length;
    byId("status").textContent = count === boxes.length && !hidden
      ? "" : `Showing ${picked} systems${hidden ? `; ${hidden} sections hidden` : ""}.`;
  };

  // ---- sort ------------------------------------------------------------------------------------
  const valueOf = (cell) => {
    if ("v" in cell.dataset) return Number(cell.dataset.v);
    const text = cell.textContent.replaceAll(MINUS, "-").replaceAll(",", "").replace("<", "");
    return Number.parseFloat(text);
  };
  // Every row of a table with its body, in the original order.
  const original = new Map(tables.map((table) =>
    [table, [...table.tBodies].flatMap((body) => [...body.rows].map((row) => [row, body]))]));
  const sort = (table) => {
    const heads = headsOf(table);
    for (const cell of heads) cell.removeAttribute("aria-sort");
    const [column, direction] = state.sort[table.id] || [];
    const head = heads[column];
    if (!head || !head.querySelector("button.sort")) {
      delete state.sort[table.id];
      if (!table.dataset.sorted) return;
      delete table.dataset.sorted;
      for (const [row, body] of original.get(table)) body.append(row);
      return;
    }
    head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
    table.dataset.sorted = "yes";
    const byName = head.classList.contains("name");
    const keyed = original.get(table)
      .filter(([row]) => !row.classList.contains("group"))
      .map(([row], index) => {
        const cell = row.cells[column];
        return [row, byName ? cell.textContent.trim() : valueOf(cell), index];
      });
    keyed.sort(([, a, i], [, b, j]) => {
      if (byName) return direction * a.localeCompare(b) || i - j;
      // Rows without a number come last, in both directions.
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b) || i - j;
      return direction * (a - b) || i - j;
    });
    table.tBodies[0].append(...keyed.map(([row]) => row));
  };

  const makeSortable = (table) => {
    const better = table.dataset.better === "low" ? 1 : -1;
    headsOf(table).forEach((cell, column) => {
      if (cell.classList.contains("mark")) return;
      const first = cell.classList.contains("name") ? 1 : better;
      const button = make("button", { type: "button", class: "sort" }, ...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const now = state.sort[table.id];
        close(table);
        if (!now || now[0] !== column) state.sort[table.id] = [column, first];
        else if (now[1] === first) state.sort[table.id] = [column, -first];
        else delete state.sort[table.id];
        sort(table);
        if (table.classList.contains("combinations")) choose(table);
        write();
      });
    });
  };

  // ---- combinations: which, and every seed -----------------------------------------------------
  const MARKS = { "?": "\u00b7", 1: "\u25cf", 0: "\u25cb" };
  const WORDS = { "?": "seen or missing", 1: "only where it is seen", 0: "only where it is missing" };
  const NEXT = { "?": "1", 1: "0", 0: "?" };
  const modalitiesOf = (table) => all("thead th.modality", table);
  const choicesOf = (table) =>
    [...(state.seen[table.id] || "").padEnd(modalitiesOf(table).length, "?")];
  const choose = (table) => {
    const names = modalitiesOf(table);
    const choices = choicesOf(table);
    names.forEach((cell, index) => {
      const button = cell.querySelector("button");
      button.querySelector("i").textContent = MARKS[choices[index]];
      button.setAttribute("aria-label", `${cell.dataset.m}: ${WORDS[choices[index]]}`);
    });
    let count = 0;
    for (const body of table.tBodies) {
      let some = false;
      for (const row of body.rows) {
        if (!row.dataset.c) continue;
        const seen = row.dataset.c.split("+");
        row.hidden = names.some((cell, index) =>
          choices[index] !== "?" && (choices[index] === "1") !== seen.includes(cell.dataset.m));
        if (!row.hidden) { some = true; count += 1; }
      }
      const group = body.querySelector("tr.group");
      if (group) group.hidden = !some || Boolean(table.dataset.sorted);
    }
    byId(`${table.id}-status`).textContent =
      /[01]/.test(choices.join("")) ? `${count} combinations are shown.` : "";
  };

  const seedsOf = (cell) => {
    const matches = (cell.dataset.hint || cell.title || "").matchAll(/seed (-?\d+): ([-+\u2212\d.]+)/g);
    return new Map([...matches].map(([, seed, value]) => [Number(seed), Number(value.replace(MINUS, "-"))]));
  };
  const strip = (values, low, high) => {
    const x = (value) => 4 + (112 * (value - low)) / (high - low || 1);
    return makeSvg("svg", { viewBox: "0 0 120 12", class: "strip", "aria-hidden": "true" },
      makeSvg("line", { x1: 4, x2: 116, y1: 6, y2: 6 }),
      ...values.map((value) => makeSvg("circle", { cx: x(value), cy: 6, r: 3 })));
  };
  const signed = (value) =>
    `${value > 0 ? "+" : value < 0 ? MINUS : ""}${Math.abs(value).toFixed(2)}`;
  // A button to what the system gets wrong with the combination, where the page has that.
  const errorsOf = (row, label) => {
    const section = row.closest("section");
    if (!section.querySelector(".mistakes") && !section.dataset.mistakes) return [];
    const name = row.dataset.c;
    return [" ", make("button", {
      type: "button", class: "wrong scripted", "data-wrong": `${label}\t${name}`,
      "aria-label": `What ${label} gets wrong with ${name}`,
    }, "errors")];
  };
  const detail = (row) => {
    const table = row.closest("table");
    const heads = headsOf(table);
    const systems = heads.flatMap((head, column) =>
      "s" in head.dataset ? [[head.dataset.s, seedsOf(row.cells[column])]] : []);
    const base = (systems.find(([label]) => label === table.dataset.baseline) || [])[1];
    const lines = systems.filter(([label, values]) => shown(label) && values.size);
    const seeds = [...new Set(lines.flatMap(([, values]) => [...values.keys()]))].sort((a, b) => a - b);
    const every = lines.flatMap(([, values]) => [...values.values()]);
    const low = Math.min(...every);
    const high = Math.max(...every);
    const head = make("tr", {}, make("th", { scope: "col", class: "name" }, "System"),
      ...seeds.map((seed) => make("th", { scope: "col" }, `seed ${seed}`)),
      make("th", { scope: "col" }, `${low.toFixed(1)} to ${high.toFixed(1)}`));
    const body = lines.map(([label, values]) => make("tr", {},
      make("th", { scope: "row", class: "name" }, label, ...errorsOf(row, label)),
      ...seeds.map((seed) => {
        const cell = make("td", { class: "number" }, values.has(seed) ? values.get(seed).toFixed(2) : "-");
        if (base && base !== values && values.has(seed) && base.has(seed)) {
          cell.append(make("small", {}, signed(values.get(seed) - base.get(seed))));
        }
        return cell;
      }),
      make("td", {}, strip([...values.values()], low, high))));
    const name = row.dataset.c;
    const difference = base && lines.length > 1 ? `; small, the difference to ${table.dataset.baseline}` : "";
    return make("tr", { class: "detail" }, make("td", { colspan: heads.length },
      make("p", {}, `${name}, by seed${difference}`),
      make("table", { "aria-label": `Every seed of ${name}` },
        make("thead", {}, head), make("tbody", {}, ...body))));
  };
  const expand = (row, on) => {
    const button = row.querySelector("button.more");
    if (!button || (button.getAttribute("aria-expanded") === "true") === on) return;
    button.setAttribute("aria-expanded", String(on));
    if (on) row.after(detail(row));
    else row.nextElementSibling.remove();
  };
  const close = (table) => {
    for (const row of all("tr[data-c]", table)) {
      expand(row, false);
      state.open.delete(row.id);
    }
  };
  const makeExpandable = (table) => {
    for (const row of all("tr[data-c]", table)) {
      row.cells[0].replaceChildren(make("button", {
        type: "button", class: "more", "aria-expanded": "false",
        "aria-label": `${row.dataset.c}: every seed`,
        "data-name": row.dataset.c.replaceAll("+", "+\u200b"),
      }));
    }
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button.more");
      if (!button) return;
      const row = button.closest("tr");
      const on = button.getAttribute("aria-expanded") !== "true";
      expand(row, on);
      if (on) state.open.add(row.id);
      else state.open.delete(row.id);
      write();
    });
    modalitiesOf(table).forEach((cell, index) => {
      const button = make("button", { type: "button" }, cell.dataset.m, make("i", { "aria-hidden": "true" }));
      cell.replaceChildren(button);
      button.addEventListener("click", () => {
        const choices = choicesOf(table);
        choices[index] = NEXT[choices[index]];
        close(table);
        state.seen[table.id] = choices.join("");
        choose(table);
        write();
      });
    });
  };

  // ---- tooltips: the seeds behind a number, in tables and figures --------------------------------
  const tip = make("div", { id: "tip", role: "tooltip", hidden: "" });
  let hinted = null;
  // The mark in a figure under the pointer, with its system and combination.
  const markOf = (target) => {
    const group = target.closest("svg [data-c]");
    const mark = target.closest("use, path");
    if (!group || !mark) return [];
    const at = mark.tagName === "use" ? all("use", group).indexOf(mark) : 0;
    return [mark, group.dataset.s, group.dataset.c.split(",")[at]];
  };
  const hintOf = (target) => {
    const cell = target.closest("td[title], td[data-hint]");
    if (cell) {
      // The browser's own tooltip would cover ours.
      if (cell.title) { cell.dataset.hint = cell.title; cell.removeAttribute("title"); }
      return [cell, cell.dataset.hint];
    }
    const [mark, label, name] = markOf(target);
    if (!mark) return [null, ""];
    const table = target.closest("section").querySelector("table.combinations");
    const row = table && all("tr[data-c]", table).find((one) => one.dataset.c === name);
    const column = row ? headsOf(table).findIndex((one) => one.dataset.s === label) : -1;
    if (column < 0) return [null, ""];
    const number = row.cells[column];
    return [mark, `${label}, ${name}: ${number.textContent}\n${number.dataset.hint || number.title}`];
  };
  const hide = () => { tip.hidden = true; hinted = null; };
  const hint = (event) => {
    const [element, text] = hintOf(event.target);
    if (!element || !text) { hide(); return; }
    if (element === hinted) return;
    hinted = element;
    tip.textContent = text.replaceAll(", seed", "\nseed");
    tip.hidden = false;
    const box = element.getBoundingClientRect();
    const size = tip.getBoundingClientRect();
    const left = Math.min(Math.max(4, box.left), innerWidth - size.width - 4);
    const above = box.top - size.height - 4;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 4 ? above : box.bottom + 4}px`;
  };

  // ---- start -----------------------------------------------------------------------------------
  const onShow = [];
  const show = () => {
    combinations.forEach(close);
    read();
    filter();
    tables.forEach(sort);
    combinations.forEach(choose);
    for (const id of [...state.open]) {
      const row = byId(id);
      if (row && row.dataset.c) expand(row, true);
    }
    onShow.forEach((then) => then());
  };
  const refilter = () => {
    combinations.forEach(close);
    filter();
    write();
  };
  tables.forEach(makeSortable);
  combinations.forEach(makeExpandable);
  document.body.append(tip);
  document.addEventListener("pointerover", hint);
  document.addEventListener("scroll", hide, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("hashchange", () => { if (location.hash.includes("=")) show(); });
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("change", (event) => {
    const { id, value, dataset } = event.target;
    if (id === "by-data") state.data = value;
    else if (id === "by-score") state.score = value;
    else if (dataset.pick !== undefined) {
      const on = boxes.filter((box) => box.checked);
      state.only = on.length === boxes.length ? null : new Set(on.map((box) => box.value));
    } else return;
    refilter();
  });
  tools.addEventListener("click", (event) => {
    const act = event.target.dataset.act;
    if (act === "all") state.only = null;
    else if (act === "none") state.only = new Set();
    if (act === "reset") { clear(); show(); } else if (act) refilter();
  });
  byId("find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const box of boxes) {
      box.closest("li").hidden = !box.value.toLowerCase().includes(wanted);
    }
  });
  tools.hidden = "nothing" in tools.dataset;
  show();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
  return { all, byId, make, markOf, onShow, state: () => state, write };
})();
