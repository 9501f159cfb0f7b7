// Inputs to scenario, estimates to text. Everything shown is computed by model.js from the data embedded in the page.
"use strict";

(() => {
  const root = document.querySelector(".calculator");
  const data = JSON.parse(document.querySelector(".calculator-data").textContent);
  const {tables, calibration} = data;

  const START = {shift: 3, spec_quality: null, capability: null, diversity: null, alignment: null, harm: null,
                 spec_map: "bands", rl_to_llm: false, mode: "calibrated"};
  const SCENARIO = ["shift", "spec_quality", "capability", "diversity", "alignment"];
  const OPTIONS = {published: ["harm", "spec_map"], odds: ["harm", "spec_map", "rl_to_llm"], calibrated: ["harm"]};
  const NAMES = {base: "Base rate", M_spec: "Specification quality", M_cap: "Capability", M_div: "Training diversity",
                 M_align: "Alignment method", harm: "Harm"};
  const words = name => name.replaceAll("_", " ");
  const own = (table, first) => [[null, first], ...table.map(row => [row.name, words(row.name)])];
  const measured = calibration.columns.filter(n => n.startsWith("align:")).map(n => n.slice("align:".length))
    .concat(calibration.reference_method)
    .filter(name => name !== "other" && !tables.alignment_methods.some(row => row.name === name))
    .map(name => [name, `${words(name)} (measured)`]);
  const percentOf = row => `${words(row.name)}, ${Math.round(100 * row.value)}%`;
  const CHOICES = {
    shift: [[0, "0 none"], ...tables.shift_types.map(row => [row.type, `${row.type} ${row.name}`])],
    capability: own(tables.capability_levels, "not set"),
    alignment: [...own(tables.alignment_methods, "not set"), ...measured],
    harm: [[null, "as the reading has it"], ["printed", "printed"],
           ...tables.harm.filter(row => row.value !== null).map(row => [row.name, percentOf(row)]),
           ["own", "your own"]],
    spec_map: tables.spec_maps.map(row => [row.name, row.name]),
  };
  const READINGS = {
    published: ["Published", "factors on the risk"],
    odds: ["As odds", "factors on the odds"],
    calibrated: ["Calibrated", `${calibration.origin.n_runs} training runs, ${calibration.environments} game${calibration.environments === 1 ? "" : "s"}`],
  };

  const PRESETS = tables.domains.flatMap(row => [...new Set(row.types)].map(shift => (
    {title: `${row.title}, shift ${shift}`, shift, spec_quality: row.spec_quality})));
  const preset = root.querySelector(".preset select");

  const percent = p => p > 0 && p < 0.0005 ? "<0.1%" : `${(100 * p).toFixed(1)}%`;
  const points = p => `${p < 0 ? "−" : "+"}${(100 * Math.abs(p)).toFixed(1)}`;
  const at = (key, rest = "") => root.querySelector(`[data-key="${key}"] ${rest}`.trim());

  function make(tag, attributes = {}, ...children) {
    const node = Object.assign(document.createElement(tag), attributes);
    node.append(...children);
    return node;
  }

  function radio(name, value, ...body) {
    return make("label", {}, make("input", {type: "radio", name: `calculator-${name}`, value: String(value)}),
                make("span", {className: "body"}, ...body));
  }

  // --- the state: what the inputs say, what a link says -----------------------------------------------------------

  function read() {
    const state = {...START};
    for (const key of [...Object.keys(CHOICES), "mode"]) {
      const value = root.querySelector(`input[name="calculator-${key}"]:checked`).value;
      state[key] = value === "null" ? null : value;
    }
    state.shift = Number(state.shift);
    for (const key of ["spec_quality", "diversity"]) {
      state[key] = at(key, "[type=checkbox]").checked ? Number(at(key, "[type=range]").value) : null;
    }
    if (state.harm === "own") state.harm = Number(at("harm_value", "[type=range]").value);
    state.rl_to_llm = at("rl_to_llm").checked;
    return state;
  }

  function write(state) {
    for (const key of [...Object.keys(CHOICES), "mode"]) {
      const value = key === "harm" && typeof state.harm === "number" ? "own" : String(state[key]);
      const input = [...root.querySelectorAll(`input[name="calculator-${key}"]`)].find(i => i.value === value);
      if (input) input.checked = true;
    }
    for (const key of ["spec_quality", "diversity"]) {
      at(key, "[type=checkbox]").checked = state[key] !== null;
      if (state[key] !== null) at(key, "[type=range]").value = state[key];
    }
    if (typeof state.harm === "number") at("harm_value", "[type=range]").value = state.harm;
    at("rl_to_llm").checked = state.rl_to_llm;
  }

  const changed = (state, keys) => keys.filter(key => state[key] !== START[key] || key === "shift" || key === "mode")
    .map(key => `${key}=${state[key]}`);

  function fromLink() {  // #shift=4&diversity=0.1&mode=odds, the keys of `gmexp estimate`
    const state = {...START};
    for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
      const isNumber = value !== "" && Number.isFinite(Number(value));
      if (key in START) state[key] = value === "true" ? true : isNumber ? Number(value) : value;
    }
    return state;
  }

  // --- the page ---------------------------------------------------------------------------------------------------

  function build() {
    for (const [key, choices] of Object.entries(CHOICES)) {
      at(key).append(...choices.map(([value, label]) => radio(key, value, label)));
    }
    const readings = Object.entries(READINGS).map(([mode, [title, about]]) => radio("mode", mode,
      make("b", {textContent: title}), make("small", {className: "about", textContent: about}), make("strong"),
      make("span", {className: "scale"}, make("i", {className: "range"}), make("i", {className: "point"})),
      make("small", {className: "interval"})));
    root.querySelector(".readings").append(...readings);
    preset.append(...PRESETS.map(({title}, value) => make("option", {value, textContent: title})));
  }

  function choosePreset() {
    const {title, ...settings} = PRESETS[preset.value] ?? {};
    write({...START, mode: read().mode, ...settings});
  }

  function estimateOf(state, mode) {
    const pick = keys => Object.fromEntries(keys.map(key => [key, state[key]]));
    try {
      return gmexp.estimate(data, pick(SCENARIO), {mode, ...pick(OPTIONS[mode])});
    } catch (error) {
      return {error: error.message};
    }
  }

  function interval(result) {  // [its ends, what they are]
    if (result.error) return ["not defined here", ""];
    if (result.clipped) return [`product ${result.raw.toFixed(2)}`, "clipped to 100%"];
    if (!result.interval) return ["no interval", "none is quoted here"];
    const [low, high] = result.interval.map(percent), kind = result.interval_kind.split(",")[0];
    return [`${low} to ${high}`, kind === "90%" ? "90% interval" : kind];
  }

  function showReading(mode, result) {
    const card = root.querySelector(`input[name="calculator-mode"][value="${mode}"] + .body`);
    const [range, point] = [card.querySelector(".range").style, card.querySelector(".point").style];
    card.classList.toggle("unknown", "error" in result);
    card.querySelector("strong").textContent = result.error ? "–" : percent(result.value);
    card.querySelector(".interval").replaceChildren(...interval(result).flatMap(line => [line, make("br")]));
    const [low, high] = result.interval ?? [0, 0];
    range.left = `${100 * low}%`;
    range.width = `${100 * (high - low)}%`;
    point.left = `${100 * (result.value ?? 0)}%`;
  }

  function showAnswer(state, result) {
    const title = READINGS[state.mode][0];
    const shift = state.shift ? `shift ${state.shift}, ${tables.shift_types[state.shift - 1].name}` : "in distribution";
    root.querySelector(".sentence").replaceChildren(...result.error ? [`${title}: not defined. ${result.error}.`] : [
      `${title}, ${shift}: harmful misgeneralization has probability `,
      make("strong", {textContent: percent(result.value)}), ` (${interval(result).join(", ")}). Harm aside, `,
      `capability transfers and the goal fails with probability ${percent(result.p_misgen)}.`]);
    const factors = result.contributions ?? [];
    const widest = Math.max(0.01, ...factors.filter(modifies).map(f => Math.abs(f.effect)));
    root.querySelector(".contributions tbody").replaceChildren(...factors.map(f => contribution(f, widest)));
    root.querySelector(".contributions").hidden = "error" in result;
    root.querySelector(".warnings").replaceChildren(...(result.warnings ?? []).map(
      note => make("li", {className: "warning", textContent: note[0].toUpperCase() + note.slice(1) + "."})));
    const source = data.source && state.mode === "calibrated" ? [`calibration=${data.source}`] : [];
    root.querySelector(".command").textContent =
      ["gmexp estimate", ...changed(state, [...SCENARIO, ...OPTIONS[state.mode], "mode"]), ...source].join(" ");
  }

  const modifies = factor => factor.name.startsWith("M_");  // the base rate is where one starts, and harm is in it

  function contribution(factor, widest) {
    const base = factor.name === "base", idle = factor.source === "neutral";
    const bar = make("span", {className: factor.effect < 0 ? "bar down" : "bar up"});
    bar.style.setProperty("--share", modifies(factor) ? Math.abs(factor.effect) / widest : 0);
    const inBase = factor.name === "harm" ? ", already in the base rate" : "";
    const about = idle ? "not set" : `${words(factor.setting)} (${factor.source})${inBase}`;
    return make("tr", {className: idle ? "idle" : ""},
      make("th", {scope: "row"}, NAMES[factor.name], make("small", {className: "about", textContent: about})),
      make("td", {className: "n",
        textContent: base ? percent(factor.multiplier) : `× ${factor.multiplier.toFixed(2)}`}),
      make("td", {className: "effect"}, make("span", {className: "number",
        textContent: base ? "start" : factor.effect ? points(factor.effect) : "0"}), bar));
  }

  function show() {
    const state = read(), results = {};
    for (const mode of Object.keys(READINGS)) showReading(mode, results[mode] = estimateOf(state, mode));
    for (const key of ["spec_quality", "diversity"]) {
      const range = at(key, "[type=range]");
      const text = state[key] === null ? "not set" : state[key].toFixed(2);
      at(key).classList.toggle("unset", state[key] === null);
      at(key, "output").textContent = text;
      range.setAttribute("aria-valuetext", text);
    }
    at("harm_value").hidden = typeof state.harm !== "number";
    at("harm_value", "output").textContent = Number(at("harm_value", "[type=range]").value).toFixed(2);
    showAnswer(state, results[state.mode]);
    return state;
  }

  function link(state) {  // the address says the scenario, unless it points to a section of a larger page
    if (location.hash && !location.hash.includes("=")) return;
    history.replaceState(null, "", `#${changed(state, Object.keys(START)).join("&")}`);
  }

  build();
  write(START);
  if (location.hash.includes("=")) write(fromLink());
  const {draws, draws_of_all: all} = calibration;
  root.querySelector(".draws").textContent =
    "Calibrated numbers are for the next environment, means over its training runs at full strength of the shift, from " +
    `${draws.toLocaleString("en")} of ${all.toLocaleString("en")} posterior draws; the command uses all.`;
  root.addEventListener("input", event => {
    if (event.target === preset) choosePreset();
    else if (event.target.name !== "calculator-mode") preset.value = "";  // the mode is how a scenario is read
    const level = event.target.type === "range" && event.target.closest(".level").querySelector("[type=checkbox]");
    if (level) level.checked = true;  // moving a slider sets it
    link(show());
  });
  root.querySelector(".reset").addEventListener("click", () => {
    write({...START, mode: read().mode});
    preset.value = "";
    link(show());
  });
  show();
})();
