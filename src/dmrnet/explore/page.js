"use strict";

// The page of `dmrnet explore`. Names of users only ever become text, never markup.

const $ = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const MOST_BARS = 10;

let about, asked, timer, listing = 0, token = "";
const state = { row: null, files: null, on: new Set(), corrupted: {} };
const pages = { start: 0, before: [], next: null };

function make(name, attributes = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...inside);
  return element;
}

function drawn(name, attributes, ...inside) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...inside);
  return element;
}

const number = (x) => {
  const size = Math.abs(x);
  const text = size && (size < 0.001 || size >= 1e6) ? x.toExponential(2) : String(+x.toPrecision(4));
  return text.replace("-", "\u2212");
};
const percent = (x) => `${(100 * x).toFixed(1)} %`.replace("-", "\u2212");
const score = (x) => (about.score.rate ? percent(x) : number(x));

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const answer = await fetch(path, { ...options, headers });
  if (answer.status === 401) {
    $("ask").hidden = false;
    $("token").focus();
  }
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

function complain(error) {
  if (error.name === "AbortError") return;
  $("error").textContent = error instanceof TypeError ? "The service does not answer." : error.message;
  $("error").hidden = false;
}

// The sample.

function truthText(truth) {
  if (truth === null) return "";
  if (Array.isArray(truth)) return truth.join(", ") || "no label";
  if (typeof truth === "object") {
    return Object.entries(truth).map(([name, x]) => `${name} ${number(x)}`).join(", ");
  }
  return truth;
}

async function list(start, last = false) {
  const query = new URLSearchParams({ start });
  if ($("label").selectedIndex > 0) query.set("label", about.classes[$("label").selectedIndex - 1]);
  if ($("wrong").checked) query.set("wrong", "true");
  const mine = ++listing;
  let page = await ask(`explore/samples?${query}`);
  // A search that ran out of time goes on, unless another one has started.
  while (mine === listing && !page.samples.length && page.next !== null) {
    $("samples").replaceChildren(make("option", { value: "", textContent: `searching from row ${page.next}` }));
    query.set("start", page.next);
    page = await ask(`explore/samples?${query}`);
  }
  if (mine !== listing) return;
  $("error").hidden = true;
  pages.start = start;
  pages.next = page.next;
  $("samples").replaceChildren(...page.samples.map((one) => {
    const name = one.name === String(one.row) ? `row ${one.row}` : `row ${one.row}, ${one.name}`;
    const truth = truthText(one.truth);
    return make("option", { value: one.row, textContent: truth ? `${name}: ${truth}` : name });
  }));
  if (!page.samples.length) {
    $("samples").append(make("option", { value: "", textContent: "no such sample" }));
    state.row = null;
    buttons();
    look();
    return;
  }
  $("samples").selectedIndex = last ? page.samples.length - 1 : 0;
  choose();
}

function choose() {
  state.row = Number($("samples").value);
  buttons();
  look();
}

function buttons() {
  const at = $("samples").selectedIndex;
  $("before").disabled = at <= 0 && !pages.before.length;
  $("after").disabled = at >= $("samples").length - 1 && pages.next === null;
}

async function step(by) {
  const at = $("samples").selectedIndex + by;
  if (at >= 0 && at < $("samples").length) {
    $("samples").selectedIndex = at;
    choose();
  } else if (by > 0 && pages.next !== null) {
    pages.before.push(pages.start);
    await list(pages.next);
  } else if (by < 0 && pages.before.length) {
    await list(pages.before.pop(), true);
  }
}

function filter() {
  pages.before = [];
  list(Math.max(0, Math.floor(Number($("from").value)) || 0)).catch(complain);
}

function source() {
  const uploads = $("from-upload").checked;
  $("of-run").hidden = uploads;
  $("of-upload").hidden = !uploads;
  look();
}

function upload() {
  const form = new FormData();
  const names = about.modalities.map((one) => one.name);
  for (const file of $("files").files) {
    const [stem, end] = file.name.toLowerCase().split(/(?=\.[^.]*$)/);
    let name = names.find((one) => one.toLowerCase() === stem);
    if (name === undefined) {
      // A file of another name is meant for the only modality that has such files.
      const reading = about.modalities.filter((one) => one.reads.includes(end));
      if (reading.length === 1) [{ name }] = reading;
    }
    if (name === undefined && end !== ".npz") {
      state.files = null;
      complain(new Error(`${file.name}: expected a file named like a modality: ${names.join(", ")}`));
      return;
    }
    form.append(name ?? "npz", file);
  }
  state.files = $("files").files.length ? form : null;
  look();
}

// One view: asked for a moment after the last change, and only the latest is shown.

function look() {
  clearTimeout(timer);
  timer = setTimeout(() => view().catch(complain), 60);
}

async function view() {
  asked?.abort();
  asked = new AbortController();
  const { signal } = asked;
  const uploads = $("from-upload").checked;
  if (uploads ? state.files === null : state.row === null) return clear();
  const settings = { on: [...state.on], corrupted: state.corrupted };
  let options;
  if (uploads) {
    const form = new FormData();
    for (const [name, file] of state.files) form.append(name, file);
    form.append("+settings", JSON.stringify(settings));
    options = { body: form };
  } else {
    const body = JSON.stringify({ sample: state.row, ...settings });
    options = { body, headers: { "Content-Type": "application/json" } };
  }
  $("panel").setAttribute("aria-busy", "true");
  try {
    const answer = await ask("explore/view", { method: "POST", signal, ...options });
    $("error").hidden = true;
    show(answer);
  } catch (error) {
    if (error.name !== "AbortError") clear(false);
    throw error;
  } finally {
    if (!signal.aborted) $("panel").setAttribute("aria-busy", "false");
  }
}

function clear(drawings = true) {
  for (const id of ["summary", "bars", "set", "score", "advice"]) $(id).replaceChildren();
  $("panel").setAttribute("aria-busy", "false");
  if (drawings) $("summary").textContent = "Nothing is chosen yet.";
  if (drawings) for (const one of about.modalities) one.card.drawing.replaceChildren();
}

// What comes back.

function show(answer) {
  summary(answer);
  bars(answer);
  const classes = answer.set;
  $("set").textContent = classes === null ? "" :
    `Set that holds the true class ${percent(about.level).replace(".0", "")} of the time: ${classes.join(", ")}.`;
  const { score: found, combination } = answer;
  const split = about.score.split === "val" ? "validation" : "test";
  $("score").replaceChildren(found === null
    ? `The run has no score on ${combination}.`
    : `On ${combination} the run scores ${score(found.value)} ${about.score.label} (${found.n} ${split} samples).`);
  if (Object.keys(state.corrupted).some((name) => state.on.has(name))) {
    $("score").append(make("small", {}, " That is of samples without corruption."));
  }
  advice(answer);
  for (const { name, card } of about.modalities) {
    const drawing = answer.drawings[name];
    card.box.disabled = drawing === undefined || about.fixed;
    card.box.checked = drawing !== undefined && state.on.has(name);
    card.controls.hidden = drawing === undefined;
    card.root.classList.toggle("off", drawing !== undefined && !state.on.has(name));
    card.drawing.replaceChildren(
      ...(drawing ? draw(name, drawing) : [make("p", { className: "none" }, "This sample lacks it.")]));
  }
}

function summary({ prediction, truth, right }) {
  const parts = [];
  if (prediction.numbers) parts.push(make("b", {}, truthText(prediction.numbers)));
  else if (prediction.labels) parts.push(make("b", {}, prediction.labels.join(", ") || "no label"));
  else {
    parts.push(make("b", {}, prediction.class), ` ${percent(prediction.probability)}`);
    parts.push(about.calibrated ? " sure" : " sure, not calibrated");
    if (about.target === "ordinal") parts.push(", the median");
  }
  if (truth !== null) {
    if (right === null) parts.push(`, true: ${truthText(truth)}`);
    else if (right) parts.push(", ", make("span", { className: "right" }, "right"));
    else parts.push(", ", make("span", { className: "wrong" }, "wrong"), `, true: ${truthText(truth)}`);
  }
  $("summary").replaceChildren(...parts);
}

function bars({ prediction }) {
  if (!prediction.probabilities) return $("bars").replaceChildren();
  const chosen = new Set(prediction.labels ?? [prediction.class]);
  const ordered = Object.entries(prediction.probabilities);
  // Classes that have an order keep it.
  if (about.target !== "ordinal" || ordered.length > MOST_BARS) ordered.sort((a, b) => b[1] - a[1]);
  const rows = ordered.slice(0, MOST_BARS).map(([name, p]) => {
    const bar = make("i", { "aria-hidden": "true" });
    bar.style.setProperty("--share", `${100 * p}%`);
    const className = chosen.has(name) ? "bar chosen" : "bar";
    return make("div", { className }, make("span", {}, name), bar, make("span", {}, percent(p)));
  });
  const left = ordered.slice(MOST_BARS).reduce((sum, [, p]) => sum + p, 0);
  if (ordered.length > MOST_BARS) {
    const more = `${ordered.length - MOST_BARS} more`;
    const sum = prediction.labels ? "" : percent(left);
    rows.push(make("div", { className: "bar" }, make("span", {}, more), make("span", {}), make("span", {}, sum)));
  }
  const longest = Math.max(...ordered.slice(0, MOST_BARS).map(([name]) => name.length), 6);
  $("bars").style.setProperty("--names", `${Math.min(longest + 1, 15)}ch`);
  $("bars").replaceChildren(...rows);
}

function advice({ advice: found, prediction }) {
  const missing = about.modalities.length - prediction.seen.length;
  if (found === null || found.gain <= 0) {
    const none = found === null ? "Nothing is known of which missing modality would help."
      : "No missing modality would help on average.";
    $("advice").textContent = missing && !about.fixed ? none : "";
    return;
  }
  const byScore = found.by === "table";
  const gain = byScore ? score(found.gain).replace(" %", " points") : `${(100 * found.gain).toFixed(1)} points`;
  const error = found.error === null ? "" : ` \u00b1 ${(100 * found.error).toFixed(1)}`;
  const what = byScore
    ? `${gain} better ${about.score.label} in the run's table.`
    : `the error rate falls by ${gain.replace(" points", `${error} points`)} on validation samples predicted like this one.`;
  $("advice").replaceChildren("Of what is missing, ", make("b", {}, found.modality), " would help most: ", what);
  if (found.at_hand) {
    const button = make("button", { type: "button", onclick: () => turn(found.modality, true, true) }, "Switch it on");
    $("advice").append(" ", button);
  }
}

// Drawings.

function draw(name, found) {
  const notes = [found.note, found.unit && `in ${found.unit}`].filter(Boolean);
  const note = notes.length ? [make("p", {}, notes.join("; "))] : [];
  if (found.as === "picture") {
    const [height, width] = found.size;
    const image = make("img", { src: `data:image/png;base64,${found.png}`, alt: `${name}, ${width} by ${height}` });
    return [image, ...note];
  }
  const range = make("div", { className: "axis", "aria-hidden": "true" });
  range.append(make("span", {}, `${number(found.low)} to ${number(found.high)}`), make("span", {}, `${found.length} ${found.as === "bars" ? "features" : "steps"}`));
  const span = found.high - found.low || 1;
  const y = (v) => 100 - (100 * (v - found.low)) / span;
  const label = `${name}: ${found.as} from ${number(found.low)} to ${number(found.high)}`;
  const svg = drawn("svg", { viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img", "aria-label": label });
  if (found.low < 0 && found.high > 0) svg.append(drawn("line", { x1: 0, x2: 300, y1: y(0), y2: y(0) }));
  if (found.as === "bars") {
    const width = 300 / found.values.length;
    found.values.forEach((v, k) => {
      if (v === null) return;
      const top = Math.min(y(v), y(0));
      const height = Math.max(Math.abs(y(v) - y(0)), 0.5);
      svg.append(drawn("rect", { x: k * width, y: top, width: width * (width > 3 ? 0.8 : 1), height }));
    });
  } else {
    found.values.forEach((channel, k) => {
      const dx = 300 / Math.max(1, channel.length - 1);
      let path = "", up = true;
      channel.forEach((v, t) => {
        if (v !== null) path += `${up ? "M" : "L"}${(t * dx).toFixed(1)} ${y(v).toFixed(1)}`;
        up = v === null;
      });
      const line = drawn("path", { d: path });
      line.style.stroke = `var(--c${k % 8})`;
      svg.append(line);
    });
  }
  return [svg, range, ...note];
}

// Modalities.

function turn(name, on, focus = false) {
  const { card } = about.modalities.find((one) => one.name === name);
  card.box.checked = on;
  // The button of the advice goes away.
  if (focus) card.box.focus({ preventScroll: true });
  if (on) state.on.add(name);
  else state.on.delete(name);
  look();
}

function card(modality, k) {
  const { name } = modality;
  const box = make("input", { type: "checkbox", checked: true, disabled: about.fixed, onchange: () => turn(name, box.checked) });
  const kinds = about.corruptions.map((one, i) => make("option", { value: String(i), textContent: one.name, title: one.text }));
  const how = make("select", {}, make("option", { value: "", textContent: "no corruption" }), ...kinds);
  how.setAttribute("aria-label", `Corruption of ${name}`);
  const slider = make("input", { type: "range", min: 0, max: 100, value: 40, id: `strength-${k}` });
  const said = make("output", {});
  said.htmlFor = slider.id;
  const again = make("button", { type: "button" }, "Draw again");
  again.setAttribute("aria-label", `Draw the corruption of ${name} again`);
  const text = make("p", { className: "under" });
  const label = make("label", { htmlFor: slider.id }, "Strength");
  const strength = make("div", { className: "strength", hidden: true }, label, said, slider);
  let seed = 0;
  const change = () => {
    const one = about.corruptions[how.value];
    strength.hidden = again.hidden = text.hidden = one === undefined;
    if (one === undefined) delete state.corrupted[name];
    else {
      const value = (one.most * slider.value) / slider.max;
      const words = one.unit ? `${number(value)} ${modality.unit}` : percent(value).replace(".0", "");
      said.textContent = words;
      slider.setAttribute("aria-valuetext", words);
      text.textContent = one.text;
      state.corrupted[name] = { kind: one.name, strength: value, seed };
    }
    look();
  };
  how.onchange = change;
  slider.oninput = change;
  again.onclick = () => { seed += 1; change(); };
  again.hidden = text.hidden = true;
  const drawing = make("div", { className: "drawing" });
  const controls = make("div", {}, make("div", { className: "row" }, how, again), strength, text);
  const legend = make("legend", {}, make("label", {}, box, " ", name));
  const root = make("fieldset", { className: "card" }, legend, drawing, controls);
  modality.card = { root, box, drawing, controls, clean: () => { how.value = ""; change(); } };
  state.on.add(name);
  return root;
}

// The start.

async function start() {
  about = await ask("explore");
  $("ask").hidden = true;
  $("error").hidden = true;
  const title = `${about.method} on ${about.dataset}`;
  document.title = `${title}: dmrnet explore`;
  $("title").textContent = title;
  $("what").textContent = "Switch modalities off, corrupt them, and see what the run predicts and how sure it is.";
  $("cards").replaceChildren(...about.modalities.map(card));
  $("named").textContent = about.modalities.map((one) => `${one.name} (${one.reads.join(", ")})`).join(", ");
  $("files").accept = [".npz", ...new Set(about.modalities.flatMap((one) => one.reads))].join(",");
  const { samples } = about;
  $("source").hidden = samples === null;
  $("from-run").checked = samples !== null;
  $("from-upload").checked = samples === null;
  $("all").disabled = about.fixed;
  $("main").hidden = false;
  if (samples === null) {
    $("without").textContent = `Samples of the run are not at hand: ${about.without}.`;
    $("without").hidden = false;
  } else {
    $("split").textContent = `${samples.number} ${samples.split === "val" ? "validation" : "test"} samples`;
    $("from").max = samples.number - 1;
    $("by-class").firstChild.textContent = about.target === "multi-label" ? "Label " : "Class ";
    $("by-class").hidden = $("by-wrong").hidden = !samples.labels;
    const names = samples.labels ? about.classes : [];
    $("label").replaceChildren(...["any", ...names].map((name) => make("option", { textContent: name })));
    await list(0);
  }
  source();
}

$("label").onchange = $("wrong").onchange = $("from").onchange = filter;
$("samples").onchange = () => $("samples").value !== "" && choose();
$("before").onclick = () => step(-1).catch(complain);
$("after").onclick = () => step(1).catch(complain);
$("from-run").onchange = $("from-upload").onchange = source;
$("files").onchange = upload;
$("all").onclick = () => about.modalities.forEach((one) => one.card.box.disabled || turn(one.name, true));
$("clean").onclick = () => about.modalities.forEach((one) => one.card.clean());
$("ask").onsubmit = (event) => {
  event.preventDefault();
  token = $("token").value;
  start().catch(complain);
};
start().catch(complain);
