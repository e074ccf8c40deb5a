"use strict";
// What the page can do beyond being read: filter, sort, show seeds. Without a script it is whole.
// The state stands in the address behind #, so that a view can be sent and printed.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const MINUS = "\u2212";
  const tools = byId("tools");
  const boxes = all("input[data-pick]", tools);
  const tables = all("table[id]");

  // ---- state -----------------------------------------------------------------------------------
  // only: labels shown, null for all; sort: table id -> [column, 1 or -1]; seen: table id -> a
  // letter a modality, ? 1 or 0; open: ids of expanded rows.
  const fresh = () => ({ only: null, data: "", score: "", sort: {}, seen: {}, open: new Set() });
  let state = fresh();

  const read = () => {
    state = fresh();
    const text = location.hash.slice(1);
    if (!text.includes("=")) return;
    const asked = new URLSearchParams(text);
    const labels = new Set(boxes.map((box) => box.value));
    if (asked.has("only")) {
      state.only = new Set(asked.getAll("only").filter((label) => labels.has(label)));
    }
    for (const key of ["data", "score"]) {
      const known = all("section[data-data]").map((section) => section.dataset[key]);
      if (known.includes(asked.get(key))) state[key] = asked.get(key);
    }
    for (const item of asked.getAll("sort")) {
      const [id, column, way] = item.split(" ");
      state.sort[id] = [Number(column), way === "up" ? 1 : -1];
    }
    for (const item of asked.getAll("seen")) {
      const [id, letters] = item.split(" ");
      state.seen[id] = letters;
    }
    for (const item of asked.getAll("open")) state.open.add(item);
  };

  const write = () => {
    const told = new URLSearchParams();
    if (state.only) {
      if (state.only.size) state.only.forEach((label) => told.append("only", label));
      else told.append("only", "");
    }
    if (state.data) told.append("data", state.data);
    if (state.score) told.append("score", state.score);
    for (const [id, [column, way]] of Object.entries(state.sort)) {
      told.append("sort", `${id} ${column} ${way > 0 ? "up" : "down"}`);
    }
    for (const [id, letters] of Object.entries(state.seen)) {
      if (/[01]/.test(letters)) told.append("seen", `${id} ${letters}`);
    }
    state.open.forEach((id) => told.append("open", id));
    const text = told.toString();
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  };

  const shown = (label) => !state.only || state.only.has(label);

  // ---- filter ----------------------------------------------------------------------------------
  const filter = () => {
    for (const box of boxes) box.checked = shown(box.value);
    for (const key of ["data", "score"]) {
      const select = byId(`by-${key}`);
      if (select) select.value = state[key];
    }
    for (const section of all("section[data-data]")) {
      section.hidden =
        (state.data !== "" && section.dataset.data !== state.data) ||
        (state.score !== "" && section.dataset.score !== state.score);
    }
    // Rows, legends and marks in figures carry the label of their system.
    for (const element of all("[data-s]:not(table.combinations th)")) {
      const hide = !shown(element.dataset.s);
      if (element instanceof SVGElement) element.style.display = hide ? "none" : "";
      else element.hidden = hide;
    }
    for (const table of all("table.combinations")) {
      const heads = [...table.tHead.rows[0].cells];
      const hide = heads.map((cell) => "s" in cell.dataset && !shown(cell.dataset.s));
      if (table.dataset.hidden === String(hide)) continue;
      table.dataset.hidden = String(hide);
      for (const row of table.rows) {
        if (row.cells.length !== heads.length) continue;
        hide.forEach((off, place) => { row.cells[place].hidden = off; });
      }
    }
    const count = boxes.filter((box) => box.checked).length;
    const told = count === boxes.length ? `all ${count}` : `${count} of ${boxes.length}`;
    byId("picked").textContent = told;
    const away = all("section[data-data]").filter((section) => section.hidden).length;
    byId("told").textContent =
      count === boxes.length && !away ? "" : `Showing ${told} systems${away ? `; ${away} sections hidden` : ""}.`;
  };

  // ---- sort ------------------------------------------------------------------------------------
  const valueOf = (cell) => {
    if ("v" in cell.dataset) return Number(cell.dataset.v);
    const text = cell.textContent.replaceAll(MINUS, "-").replaceAll(",", "").replace("<", "");
    return Number.parseFloat(text);
  };
  const homes = new Map();
  const rowsOf = (table) => {
    if (!homes.has(table)) {
      const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
      homes.set(table, rows.map((row) => [row, row.parentElement]));
    }
    return homes.get(table);
  };
  const sort = (table) => {
    const asked = state.sort[table.id];
    for (const cell of table.tHead.rows[0].cells) cell.removeAttribute("aria-sort");
    const rows = rowsOf(table);
    const head = asked && table.tHead.rows[0].cells[asked[0]];
    if (!head || !head.querySelector("button.sort")) {
      delete state.sort[table.id];
      if (!table.dataset.sorted) return;
      delete table.dataset.sorted;
      for (const [row, home] of rows) home.append(row);
      return;
    }
    const [column, way] = asked;
    head.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
    table.dataset.sorted = "yes";
    const byName = head.classList.contains("name");
    const keyed = rows
      .filter(([row]) => !row.classList.contains("group"))
      .map(([row], place) => {
        const cell = row.cells[column];
        return [row, byName ? cell.textContent.trim() : valueOf(cell), place];
      });
    keyed.sort(([, a, i], [, b, j]) => {
      if (byName) return way * a.localeCompare(b) || i - j;
      // What has no number comes last, whichever way.
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b) || i - j;
      return way * (a - b) || i - j;
    });
    table.tBodies[0].append(...keyed.map(([row]) => row));
  };

  const makeSortable = (table) => {
    const better = table.dataset.better === "low" ? 1 : -1;
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
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
  const SAID = { "?": "seen or missing", 1: "only where it is seen", 0: "only where it is missing" };
  const heads = (table) => all("thead th.modality", table);
  const choose = (table) => {
    const names = heads(table);
    const letters = (state.seen[table.id] || "").padEnd(names.length, "?");
    names.forEach((cell, place) => {
      const letter = letters[place];
      const button = cell.querySelector("button");
      button.querySelector("i").textContent = MARKS[letter];
      button.setAttribute("aria-label", `${cell.dataset.m}: ${SAID[letter]}`);
    });
    let left = 0;
    for (const body of table.tBodies) {
      let some = false;
      for (const row of body.rows) {
        if (!row.dataset.c) continue;
        const seen = row.dataset.c.split("+");
        row.hidden = names.some((cell, place) =>
          letters[place] !== "?" && (letters[place] === "1") !== seen.includes(cell.dataset.m));
        if (!row.hidden) { some = true; left += 1; }
      }
      const group = body.querySelector("tr.group");
      if (group) group.hidden = !some || Boolean(table.dataset.sorted);
    }
    const told = byId(`${table.id}-told`);
    if (told) told.textContent = /[01]/.test(letters) ? `${left} combinations are shown.` : "";
  };

  const seedsOf = (cell) => {
    const text = cell.dataset.hint || cell.title || "";
    const found = new Map();
    for (const match of text.matchAll(/seed (-?\d+): ([-+\u2212\d.]+)/g)) {
      found.set(Number(match[1]), Number(match[2].replace(MINUS, "-")));
    }
    return found;
  };
  const strip = (values, low, high) => {
    const place = (value) => 4 + (112 * (value - low)) / (high - low || 1);
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 120 12");
    svg.setAttribute("class", "strip");
    svg.setAttribute("aria-hidden", "true");
    const draw = (tag, attributes) => {
      const element = document.createElementNS(svg.namespaceURI, tag);
      for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
      svg.append(element);
    };
    draw("line", { x1: 4, x2: 116, y1: 6, y2: 6 });
    for (const value of values) draw("circle", { cx: place(value), cy: 6, r: 3 });
    return svg;
  };
  const signed = (value) =>
    `${value > 0 ? "+" : value < 0 ? MINUS : ""}${Math.abs(value).toFixed(2)}`;
  const detail = (row) => {
    const table = row.closest("table");
    const columns = [...table.tHead.rows[0].cells];
    const lines = columns.flatMap((head, place) =>
      "s" in head.dataset ? [[head.dataset.s, seedsOf(row.cells[place])]] : []);
    const base = (lines.find(([label]) => label === table.dataset.baseline) || [])[1];
    const kept = lines.filter(([label, seeds]) => shown(label) && seeds.size);
    const seeds = [...new Set(kept.flatMap(([, found]) => [...found.keys()]))].sort((a, b) => a - b);
    const every = kept.flatMap(([, found]) => [...found.values()]);
    const low = Math.min(...every);
    const high = Math.max(...every);
    const head = make("tr", null, make("th", { scope: "col", class: "name" }, "System"),
      ...seeds.map((seed) => make("th", { scope: "col" }, `seed ${seed}`)),
      make("th", { scope: "col" }, `${low.toFixed(1)} to ${high.toFixed(1)}`));
    const body = kept.map(([label, found]) => make("tr", null,
      make("th", { scope: "row", class: "name" }, label),
      ...seeds.map((seed) => {
        const cell = make("td", { class: "number" }, found.has(seed) ? found.get(seed).toFixed(2) : "-");
        if (base && base !== found && found.has(seed) && base.has(seed)) {
          cell.append(make("small", null, signed(found.get(seed) - base.get(seed))));
        }
        return cell;
      }),
      make("td", null, strip([...found.values()], low, high))));
    const name = row.dataset.c;
    const inner = make("table", { "aria-label": `Every seed of ${name}` },
      make("thead", null, head), make("tbody", null, ...body));
    const cell = make("td", { colspan: String(columns.length) },
      make("p", null, `${name}, by seed${base ? `; small, the difference to ${table.dataset.baseline}` : ""}`),
      inner);
    return make("tr", { class: "detail" }, cell);
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
      const button = make("button",
        { type: "button", class: "more", "aria-expanded": "false", "aria-label": `${row.dataset.c}: every seed`,
          "data-name": row.dataset.c.replaceAll("+", "+\u200b") });
      row.cells[0].replaceChildren(button);
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
    for (const cell of heads(table)) {
      cell.replaceChildren(make("button", { type: "button" }, cell.dataset.m, make("i", { "aria-hidden": "true" })));
      cell.firstChild.addEventListener("click", () => {
        const names = heads(table);
        const letters = [...(state.seen[table.id] || "").padEnd(names.length, "?")];
        const place = names.indexOf(cell);
        letters[place] = { "?": "1", 1: "0", 0: "?" }[letters[place]];
        close(table);
        state.seen[table.id] = letters.join("");
        choose(table);
        write();
      });
    }
  };

  // ---- hints: the seeds behind a number, in tables and figures -----------------------------------
  const tip = make("div", { id: "tip", role: "tooltip", hidden: "" });
  let hinted = null;
  const hintOf = (target) => {
    const cell = target.closest("td[title], td[data-hint]");
    if (cell) {
      // The browser's own hint would come on top of ours.
      if (cell.title) { cell.dataset.hint = cell.title; cell.removeAttribute("title"); }
      return [cell, cell.dataset.hint];
    }
    const mark = target.closest("use");
    const group = mark && mark.closest("[data-c]");
    if (!group) return [null, ""];
    const place = all("use", group).indexOf(mark);
    const name = group.dataset.c.split(",")[place];
    const table = group.closest("section").querySelector("table.combinations");
    const row = table && all("tr[data-c]", table).find((one) => one.dataset.c === name);
    const heading = row && [...table.tHead.rows[0].cells].findIndex((one) => one.dataset.s === group.dataset.s);
    if (!row || heading < 0) return [null, ""];
    const number = row.cells[heading];
    return [mark, `${group.dataset.s}, ${name}: ${number.textContent}\n${number.dataset.hint || number.title}`];
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
  const show = () => {
    for (const table of all("table.combinations")) close(table);
    read();
    filter();
    for (const table of tables) sort(table);
    for (const table of all("table.combinations")) choose(table);
    for (const id of [...state.open]) {
      const row = byId(id);
      if (row && row.dataset.c) expand(row, true);
    }
  };
  for (const table of tables) makeSortable(table);
  for (const table of all("table.combinations")) makeExpandable(table);
  document.body.append(tip);
  document.addEventListener("pointerover", hint);
  document.addEventListener("scroll", hide, { passive: true, capture: true });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  addEventListener("hashchange", () => { if (location.hash.includes("=")) show(); });
  const refilter = () => {
    for (const table of all("table.combinations")) close(table);
    filter();
    write();
  };
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("change", (event) => {
    if (event.target.id === "by-data") state.data = event.target.value;
    else if (event.target.id === "by-score") state.score = event.target.value;
    else if (event.target.dataset.pick !== undefined) {
      const on = boxes.filter((box) => box.checked);
      state.only = on.length === boxes.length ? null : new Set(on.map((box) => box.value));
    } else return;
    refilter();
  });
  tools.addEventListener("click", (event) => {
    const what = event.target.dataset.act;
    if (!what) return;
    if (what === "all") state.only = null;
    else if (what === "none") state.only = new Set();
    else { history.replaceState(null, "", location.pathname + location.search); show(); return; }
    refilter();
  });
  byId("find").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const box of boxes) {
      box.closest("li").hidden = !box.value.toLowerCase().includes(wanted);
    }
  });
  tools.hidden = false;
  show();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();
