"use strict";
// The conversation browser. Data comes from the page itself; texts are set as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const inputs = ["split", "target", "answer", "against", "true", "predicted", "speaker", "words", "mistakes", "only"];
const chosen = () => Object.fromEntries(inputs.map((name) => {
  const field = byId(`by-${name}`);
  return [name, field.type === "checkbox" ? field.checked : field.value];
}));
const MOST_CLASSES = 60;
const hasClasses = data.targets.length > 0;  // numbers and labels are shown with each utterance, but have no filters
let current = null;  // the id of the conversation that is shown

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// An utterance with its label and prediction under the chosen target and run.
function predictionOf(utterance, by) {
  const [id, speaker, text, labels, everyProbability, predicted, others = []] = utterance;
  const said = others.map(([truth, ofLines]) => [truth, ofLines[by.answer]]);
  if (!hasClasses) return {id, speaker, text, said, label: -1, answer: -1, differs: true, wrong: false};
  const probabilities = everyProbability[by.target][by.answer];
  const label = labels[by.target];
  const answer = predicted[by.target][by.answer];
  const differs = by.against === "" || predicted[by.target][by.against] !== answer;
  return {id, speaker, text, said, label, answer, probabilities, differs, wrong: label >= 0 && label !== answer};
}

function fits(one, by) {
  return (by.true === "" || one.label === Number(by.true))
    && (by.predicted === "" || one.answer === Number(by.predicted))
    && (by.speaker === "" || one.speaker === by.speaker)
    && one.differs
    && (!by.mistakes || one.wrong)
    && (by.words === "" || one.text.toLowerCase().includes(by.words.toLowerCase()));
}

function conversations(by) {
  return data.splits[by.split].conversations.map((conversation) => {
    const utterances = conversation.utterances.map((utterance) => predictionOf(utterance, by));
    return {id: conversation.id, utterances, found: utterances.filter((one) => fits(one, by)).length};
  });
}

function swatch(by, number) {
  const box = make("span", {class: "swatch", "aria-hidden": "true"});
  box.style.background = data.targets[by.target].colours[number];
  return box;
}

function named(by, number) {
  return number < 0 ? "no label" : data.targets[by.target].classes[number];
}

function showMatrix(found, by) {
  if (!hasClasses) return;
  const {classes} = data.targets[by.target];
  if (classes.length > MOST_CLASSES) {
    byId("matrix").replaceChildren(make("p", {}, `The confusion matrix of ${classes.length} classes is too large to show.`));
    return;
  }
  const counts = classes.map(() => classes.map(() => 0));
  for (const {utterances} of found) {
    for (const one of utterances) if (one.label >= 0) counts[one.label][one.answer] += 1;
  }
  const head = make("tr", {}, make("th", {scope: "col"}, "true"),
    ...classes.map((name, number) => make("th", {scope: "col"}, swatch(by, number), name)));
  const rows = counts.map((row, label) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    const cells = row.map((count, answer) => {
      const cell = make("td");
      cell.style.setProperty("--share", total ? count / total : 0);
      cell.append(count ? make("button", {
        type: "button", "aria-label": `Show ${count} utterances of ${classes[label]} predicted as ${classes[answer]}`,
        onclick: () => {
          byId("by-true").value = label;
          byId("by-predicted").value = answer;
          refresh();
          byId("list").scrollIntoView({block: "nearest"});
        },
      }, String(count)) : "0");
      return cell;
    });
    return make("tr", {}, make("th", {scope: "row"}, swatch(by, label), classes[label]), ...cells);
  });
  byId("matrix").replaceChildren(make("table", {class: "shares"},
    make("caption", {}, `Confusion matrix: ${data.answers[by.answer]}, ${data.splits[by.split].name}`,
      make("span", {class: "small"}, `Rows: true class. Columns: predicted class.${data.note ? ` ${data.note}` : ""}`)),
    make("thead", {}, head), make("tbody", {}, ...rows)));
  watch(byId("matrix"));
}

// How many utterances a conversation has, and how many of them the filters show.
function sizeOf({found, utterances}) {
  const total = `${utterances.length} utterance${utterances.length === 1 ? "" : "s"}`;
  return found === utterances.length ? total : `${found} of ${total}`;
}

function refresh() {
  const by = chosen();
  const all = conversations(by);
  const found = all.filter((conversation) => conversation.found);
  const utterances = found.reduce((sum, conversation) => sum + conversation.found, 0);
  byId("count").textContent = `${utterances} utterances in ${found.length} conversations`;
  showMatrix(all, by);
  byId("list").replaceChildren(...found.map((conversation) => make("li", {}, make("button", {
    type: "button", "data-id": conversation.id, onclick: () => open(conversation.id, true),
  }, make("bdi", {}, conversation.id), make("span", {class: "small"}, sizeOf(conversation))))));
  const stays = found.some((conversation) => conversation.id === current);
  open(stays ? current : found.length ? found[0].id : null, false);
}

function open(id, focus) {
  current = id;
  for (const button of byId("list").querySelectorAll("button")) {
    if (button.dataset.id === id) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  }
  const by = chosen();
  const pane = byId("pane");
  const conversation = conversations(by).find((one) => one.id === id);
  if (!conversation) {
    pane.replaceChildren(make("p", {}, "No utterance matches the filters."));
    return;
  }
  const heading = make("h3", {tabindex: "-1"}, "Conversation ", make("bdi", {}, id));
  const items = conversation.utterances
    .map((one, place) => [one, place])
    .filter(([one]) => !by.only || fits(one, by))
    .map(([one, place]) => item(conversation, one, place, by));
  pane.replaceChildren(heading, make("ol", {class: "utterances"}, ...items));
  if (focus) heading.focus();
}

function item(conversation, one, place, by) {
  const detail = make("div", {id: `utterance-${place}`, class: "detail", hidden: true});
  const verdict = one.label < 0 ? "no label" : one.wrong ? "wrong" : "correct";
  const button = make("button", {
    type: "button", "aria-expanded": "false", "aria-controls": detail.id,
    onclick: () => {
      detail.hidden = !detail.hidden;
      button.setAttribute("aria-expanded", String(!detail.hidden));
      if (!detail.hidden && !detail.childElementCount) fill(detail, conversation, place, by);
    },
  },
  make("span", {class: "speech"}, make("bdi", {class: "speaker"}, one.speaker), " ", make("span", {dir: "auto", class: "text"}, one.text || "(no text)")),
  make("span", {class: "tags"},
    ...(hasClasses ? classTags(one, verdict, by) : []),
    ...one.said.map(([truth, answer], number) => make("span", {class: "tag"}, `${data.others[number]}: true ${truth || "unknown"}, predicted ${answer}`))));
  const marked = fits(one, by) ? "found" : "other";
  return make("li", {class: marked, value: place + 1}, button, detail);
}

function classTags(one, verdict, by) {
  return [
    make("span", {class: "tag"}, "true ", ...(one.label < 0 ? [] : [swatch(by, one.label)]), named(by, one.label)),
    make("span", {class: "tag"}, "predicted ", swatch(by, one.answer), `${named(by, one.answer)} ${(one.probabilities[one.answer] / 10).toFixed(0)} %`),
    make("span", {class: `tag ${verdict.replace(" ", "-")}`}, verdict),
  ];
}

function fill(detail, conversation, place, by) {
  if (hasClasses) detail.append(probabilities(conversation.id, place, by));
  const held = data.attention && data.attention.conversations[conversation.id];
  if (!held) return;
  const box = make("div", {class: "attention"});
  detail.append(box);
  inflate(held).then((bytes) => attention(box, bytes, conversation, place))
    .catch(() => box.append("This browser cannot decompress the attention weights."));
}

function probabilities(id, place, by) {
  const target = data.targets[by.target];
  const utterance = data.splits[by.split].conversations.find((one) => one.id === id).utterances[place];
  const [values, predicted] = [utterance[4][by.target], utterance[5][by.target]];
  const head = make("tr", {}, make("th", {scope: "col"}, "probability, %"),
    ...target.classes.map((name, number) => make("th", {scope: "col"}, swatch(by, number), name)));
  const rows = values.map((ofLine, line) => make("tr", {}, make("th", {scope: "row"}, data.answers[line]),
    ...ofLine.map((value, number) => {
      const cell = make("td", {class: number === predicted[line] ? "predicted" : null}, (value / 10).toFixed(1));
      cell.style.setProperty("--share", value / 1000);
      return cell;
    })));
  return scrolling("Probabilities", make("table", {class: "shares"}, make("thead", {}, head), make("tbody", {}, ...rows)));
}

async function inflate(text) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// The weights [U] of one map and head ("mean" = all of them), as shares.
function weights(bytes, length, place, map, head) {
  const {heads} = data.attention;
  const all = heads.reduce((sum, count) => sum + count, 0);
  const before = heads.slice(0, map).reduce((sum, count) => sum + count, 0);
  const read = (number) => Array.from(bytes.subarray(((place * all) + before + number) * length, ((place * all) + before + number + 1) * length));
  if (head !== "mean") return read(Math.min(Number(head), heads[map] - 1)).map((value) => value / 255);
  const rows = Array.from({length: heads[map]}, (_, number) => read(number));
  return rows[0].map((_, k) => rows.reduce((sum, row) => sum + row[k], 0) / heads[map] / 255);
}

function attention(box, bytes, conversation, place) {
  const {maps, heads, note} = data.attention;
  const select = make("select", {onchange: () => draw()}, make("option", {value: "mean"}, "mean over heads"),
    ...Array.from({length: Math.max(...heads)}, (_, number) => make("option", {value: number}, String(number + 1))));
  const held = make("div");
  function draw() {
    const columns = maps.map((_, map) => weights(bytes, conversation.utterances.length, place, map, select.value));
    const most = Math.max(1e-9, ...columns.flat());
    const rows = conversation.utterances.map((one, row) => make("tr", {class: row === place ? "chosen" : null},
      make("th", {scope: "row"}, make("bdi", {}, one.speaker), ": ", make("span", {dir: "auto"}, one.text)),
      ...columns.map((column) => {
        const cell = make("td", {}, (100 * column[row]).toFixed(0));
        cell.style.setProperty("--share", column[row] / most);
        return cell;
      })));
    const head = make("tr", {}, make("th", {scope: "col"}, `attention of utterance ${place + 1}, %`),
      ...maps.map((name) => make("th", {scope: "col"}, name)));
    held.replaceChildren(scrolling("Attention", make("table", {class: "shares"}, make("thead", {}, head), make("tbody", {}, ...rows))));
  }
  draw();
  const label = Math.max(...heads) > 1 ? [make("label", {}, "Head ", select)] : [];
  box.append(make("h4", {}, `Attention${note ? ` (${note})` : ""}`), ...label, held);
}

function scrolling(label, table) {
  const box = make("div", {class: "scroll", tabindex: "0", role: "region", "aria-label": label}, table);
  watch(box);
  return make("div", {}, box, make("p", {class: "hint", "aria-hidden": "true"}, "Scroll sideways for more columns →"));
}

// A table that is wider than its place fades out at its edge, and a hint below it says so.
function mark(box) {
  box.classList.toggle("cut", box.scrollWidth > box.clientWidth + 1);
  box.classList.toggle("end", box.scrollLeft + box.clientWidth >= box.scrollWidth - 1);
}

const widths = new ResizeObserver((changes) => {
  for (const {target} of changes) {
    const box = target.closest(".scroll");  // null for a table that was replaced
    if (box) mark(box);
  }
});

function watch(box) {
  box.onscroll = () => mark(box);
  for (const element of [box, ...box.children]) widths.observe(element);
}

function options(id, entries) {
  byId(id).replaceChildren(...entries.map(([value, text]) => make("option", {value}, text)));
}

function fillFilters() {
  const by = chosen();
  const any = [["", "any"]];
  const classes = hasClasses ? data.targets[by.target || 0].classes.map((name, number) => [number, name]) : [];
  const speakers = new Set(data.splits[by.split || 0].conversations.flatMap((one) => one.utterances.map((each) => each[1])));
  options("by-true", [...any, ...classes]);
  options("by-predicted", [...any, ...classes]);
  options("by-speaker", [...any, ...[...speakers].sort().map((name) => [name, name])]);
}

function start() {
  options("by-split", data.splits.map((split, number) => [number, split.name]));
  options("by-target", data.targets.map((target, number) => [number, target.name]));
  options("by-answer", data.answers.map((name, number) => [number, name]));
  options("by-against", [["", "any"], ...data.answers.map((name, number) => [number, name])]);
  const chosenFrom = {target: data.targets, answer: data.answers, against: data.answers, split: data.splits};
  for (const [name, entries] of Object.entries(chosenFrom)) {
    byId(`by-${name}`).closest("label").hidden = entries.length < 2;
  }
  for (const name of hasClasses ? [] : ["against", "true", "predicted", "mistakes"]) {
    byId(`by-${name}`).closest("label").hidden = true;
  }
  byId("matrix").hidden = !hasClasses;
  fillFilters();
  byId("filters").addEventListener("input", (event) => {
    if (["by-split", "by-target"].includes(event.target.id)) fillFilters();
    refresh();
  });
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("clear").addEventListener("click", () => {
    byId("filters").reset();
    fillFilters();
    refresh();
  });
  refresh();
}

byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
byId("theme").hidden = false;
document.querySelectorAll(".scroll").forEach(watch);
if (data.splits.length) start();
