// What gets confused: one system with one combination, chosen here or by a click on a number.
(() => {
  const { all, byId, make, state, write } = page;
  const panels = new Map();

  // ---- counts ----------------------------------------------------------------------------------
  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = new Uint8Array(await new Response(stream).arrayBuffer());
    const numbers = [];
    for (let i = 0, value = 0, scale = 1; i < raw.length; i += 1) {
      value += (raw[i] & 127) * scale;
      scale *= 128;
      if (raw[i] < 128) { numbers.push(value); value = 0; scale = 1; }
    }
    return numbers;
  };
  const sizes = (many) => ({ matrix: many * many, labels: 4 * many, pairs: 2 * many + 60 });
  const parse = async (content) => {
    const numbers = await unpack(content.counts);
    const size = sizes(content.classes.length)[content.form];
    const counts = new Map();
    let at = 0;
    for (const [label] of content.systems) {
      for (const name of content.combinations) {
        if (numbers[at]) counts.set(`${label}\t${name}`, numbers.slice(at + 1, at + 1 + size));
        at += numbers[at] ? 1 + size : 1;
      }
    }
    return counts;
  };

  // ---- tables ----------------------------------------------------------------------------------
  const grouped = (number) => number.toLocaleString("en-US");
  const percent = (part, whole) => (whole ? (100 * part / whole).toFixed(1) : "-");
  const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
  const table = (heads, rows, names = 1) => make("table", { class: "confusion" },
    make("thead", {}, make("tr", {}, ...heads.map((text, index) =>
      make("th", index < names ? { scope: "col", class: "name" } : { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map((cells) => make("tr", {}, ...cells.map((cell, index) => {
      const [text, share] = Array.isArray(cell) ? cell : [cell, 0];
      const head = index ? {} : { scope: "row" };
      const made = make(index ? "td" : "th", index < names ? { ...head, class: "name" } : head, text);
      if (share) made.style.setProperty("--s", share.toFixed(2));
      return made;
    })))));
  const matrix = ({ classes, kind }, numbers) => {
    const many = classes.length;
    const rows = classes.map((_, k) => numbers.slice(k * many, (k + 1) * many));
    const totals = rows.map(sum);
    const guessed = classes.map((_, k) => sum(rows.map((row) => row[k])));
    const cell = (n, k) => {
      const text = kind === "pixels" ? percent(n, totals[k]) : grouped(n);
      return n ? [text, n / totals[k]] : "";
    };
    const made = table(["True class", ...classes, "Recall", "n"], [
      ...rows.map((row, k) => [classes[k], ...row.map((n) => cell(n, k)),
        percent(row[k], totals[k]), grouped(totals[k])]),
      ["Precision", ...guessed.map((n, k) => percent(rows[k][k], n)), "", ""],
    ]);
    made.classList.add("shaded");
    return [made, sum(rows.map((row, k) => row[k])), sum(totals)];
  };
  const pairs = ({ classes }, numbers) => {
    const many = classes.length;
    const right = classes.map((_, k) => numbers[2 * k]);
    const totals = classes.map((_, k) => numbers[2 * k + 1]);
    const rows = [];
    for (let at = 2 * many; at < numbers.length && numbers[at + 2]; at += 3) {
      const [truth, guess, n] = numbers.slice(at, at + 3);
      rows.push([classes[truth], classes[guess], grouped(n), percent(n, totals[truth]),
        percent(right[truth], totals[truth])]);
    }
    const heads = ["True class", "Predicted", "Times", "Of the class", "Its recall"];
    return [table(heads, rows, 2), sum(right), sum(totals)];
  };
  const labels = ({ classes }, numbers) => {
    const rows = classes.map((name, k) => {
      const [both, has, said] = numbers.slice(4 * k, 4 * k + 3);
      return [name, ...[has, said, both].map(grouped), percent(both, has), percent(both, said),
        percent(2 * both, has + said)];
    });
    const heads = ["Label", "Have it", "Predicted", "Both", "Recall", "Precision", "F1"];
    return [table(heads, rows), null, numbers[3]];
  };
  const forms = { matrix, pairs, labels };

  // ---- panels ----------------------------------------------------------------------------------
  const draw = (panel) => {
    const { content, counts, root } = panel;
    const [label, name] = state().wrong[root.id] || panel.first;
    panel.system.value = label;
    for (const box of panel.boxes) box.checked = name.split("+").includes(box.value);
    const [, seeds, worst] = content.systems.find(([one]) => one === label) || [];
    panel.worst.disabled = !worst;
    const numbers = counts.get(`${label}\t${name}`);
    if (!numbers) {
      panel.text.textContent = seeds
        ? name ? `${label} was not scored with ${name}.` : "Choose a modality."
        : `No predictions of ${label} are here.`;
      panel.place.replaceChildren();
      return;
    }
    const [made, right, every] = forms[content.form](content, numbers);
    const which = name === content.full ? "all modalities" : name + (name === worst ? " (its worst)" : "");
    const share = right === null ? "" : `${percent(right, every)}% of `;
    const text = `${label} with ${which}: ${share}${grouped(every)} ${content.noun}`
      + `${right === null ? "" : " right"}${seeds > 1 ? `, ${seeds} seeds together` : ""}`;
    panel.text.textContent = text;
    made.setAttribute("aria-label", text);
    panel.place.replaceChildren(made);
  };
  const choose = (panel, label, name) => {
    state().wrong[panel.root.id] = [label, name];
    write();
    draw(panel);
  };
  const build = async (root) => {
    const content = JSON.parse(root.querySelector("script").textContent);
    const counts = await parse(content);
    const order = content.full.split("+");
    const [label, , worst] = content.systems[0];
    const panel = { root, content, counts, first: [label, worst || content.full] };
    panel.system = make("select", { autocomplete: "off" },
      ...content.systems.map(([one]) => make("option", {}, one)));
    panel.boxes = order.map((name) => make("input", { type: "checkbox", value: name, autocomplete: "off" }));
    panel.text = make("output", { class: "shown" });
    panel.place = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "What gets confused" });
    panel.worst = make("button", { type: "button" }, "Its worst");
    const full = make("button", { type: "button" }, "All");
    const chosen = () => {
      const seen = panel.boxes.filter((box) => box.checked).map((box) => box.value);
      choose(panel, panel.system.value, seen.join("+"));
    };
    full.addEventListener("click", () => choose(panel, panel.system.value, content.full));
    panel.worst.addEventListener("click", () => {
      const found = content.systems.find(([one]) => one === panel.system.value);
      choose(panel, panel.system.value, found[2]);
    });
    const picks = make("form", { class: "picks", "aria-label": "System and combination" },
      make("label", {}, "System ", panel.system),
      make("fieldset", {}, make("legend", {}, "Modalities seen"),
        ...panel.boxes.map((box) => make("label", {}, box, ` ${box.value}`)), full, panel.worst));
    picks.addEventListener("submit", (event) => event.preventDefault());
    picks.addEventListener("change", chosen);
    root.querySelector(".still").replaceWith(picks, panel.text, panel.place);
    panels.set(root.dataset.of, panel);
    draw(panel);
  };

  // ---- clicks on numbers and marks ---------------------------------------------------------------
  const go = (section, label, name) => {
    const panel = section && panels.get(section.dataset.mistakes || section.id);
    if (!panel) return;
    choose(panel, label, name);
    byId(`${panel.root.id}-title`).scrollIntoView();
    panel.system.focus({ preventScroll: true });
  };
  document.addEventListener("click", (event) => {
    const target = event.target;
    const button = target.closest("button[data-wrong]");
    const cell = target.closest("table.combinations tr[data-c] > td.number");
    const [mark, label, name] = button || cell ? [] : page.markOf(target);
    const section = target.closest("section");
    if (button) go(section, ...button.dataset.wrong.split("\t"));
    else if (mark) go(section, label, name);
    else if (cell) {
      const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
      if ("s" in head.dataset) go(section, head.dataset.s, cell.parentElement.dataset.c);
    }
  });
  page.onShow.push(() => panels.forEach(draw));
  if ("DecompressionStream" in window) {
    Promise.all(all(".mistakes").map(build)).then(() => {
      document.documentElement.dataset.mistakes = panels.size;
    });
  }
})();
