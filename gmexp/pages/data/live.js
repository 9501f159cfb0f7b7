"use strict";
const SVG = "http://www.w3.org/2000/svg", EVERY = 5000, LEFT = 44, RIGHT = 630, TOP = 10, BOTTOM = 228;
const svg = document.getElementById("curves"), rows = document.getElementById("runs"), state = document.getElementById("state");

function add(parent, tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  parent.append(node);
  return node;
}

function draw(runs) {
  const last = Math.max(1, ...runs.map(run => run.curve.at(-1)[0]));
  const x = steps => LEFT + (RIGHT - LEFT) * steps / last, y = share => BOTTOM - (BOTTOM - TOP) * share;
  svg.replaceChildren();
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    add(svg, "line", {x1: LEFT, x2: RIGHT, y1: y(share), y2: y(share), class: "grid"});
    add(svg, "text", {x: LEFT - 6, y: y(share) + 4, "text-anchor": "end"}, `${100 * share}%`);
  }
  add(svg, "text", {x: RIGHT, y: BOTTOM + 20, "text-anchor": "end"}, `${(last / 1e6).toPrecision(3)} million steps`);
  for (const run of runs) {
    const line = add(svg, "polyline", {points: run.curve.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`).join(" "),
                                       class: run.state});
    add(line, "title", {}, run.run_id);
  }
}

function list(runs) {
  rows.replaceChildren(...runs.map(run => {
    const row = document.createElement("tr"), [steps, success] = run.curve.at(-1);
    const cells = {Run: run.run_id, State: run.state, Steps: steps.toLocaleString("en"), Success: success.toFixed(2)};
    for (const [title, value] of Object.entries(cells)) {
      const cell = document.createElement("td");
      cell.dataset.label = title;
      cell.textContent = value;
      row.append(cell);
    }
    return row;
  }));
}

async function look() {
  try {
    const {runs} = await (await fetch("live.json", {cache: "no-store"})).json();
    const training = runs.filter(run => run.state === "training").length;
    const words = runs.length ? `${training} of ${runs.length} runs train.` : "No run has a curve yet.";
    if (state.textContent !== words) state.textContent = words;
    draw(runs);
    list(runs);
  } catch {
    state.textContent = "gmexp view has ended: start it again to go on.";
  }
  setTimeout(look, EVERY);
}

look();
