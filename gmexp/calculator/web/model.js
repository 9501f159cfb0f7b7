// The calculator's arithmetic, as in formula.py, inputs.py, core.py and calibrated.py: same names, order and words.
// `data` comes from page.py: the published tables, and posterior draws as base64 of little-endian float64.
"use strict";

const gmexp = (() => {
  const Z90 = 1.6448536269514722;  // half of a central 90% interval
  const SETTINGS = {spec: "spec_quality", cap: "capability", div: "diversity", align: "alignment"};
  const MODIFIERS = Object.keys(SETTINGS);

  const logit = p => Math.log(p) - Math.log1p(-p);
  const expit = x => 1 / (1 + Math.exp(-x));
  const mean = values => values.reduce((sum, v) => sum + v, 0) / values.length;
  const isSet = value => value !== null && value !== undefined;

  function quantile(sorted, q) {  // linear between order statistics, numpy's default
    const at = q * (sorted.length - 1), below = Math.floor(at);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (at - below) * (sorted[above] - sorted[below]);
  }

  function general(x) {  // Python's "{:g}"
    const [digits, power] = x.toExponential(5).split("e");
    if (power >= -4 && power < 6) return String(Number(x.toPrecision(6)));
    return `${Number(digits)}e${power[0]}${power.slice(1).padStart(2, "0")}`;
  }

  // --- from settings to multipliers -------------------------------------------------------------------------------

  function interpolate(x, knots, multipliers, kind) {
    const last = knots.length - 1;
    if (x <= knots[0]) return multipliers[0];
    if (x >= knots[last]) return multipliers[last];
    const j = knots.findIndex(knot => x < knot) - 1;
    const [low, high] = [multipliers[j], multipliers[j + 1]].map(m => kind === "log" ? Math.log(m) : m);
    const value = (high - low) / (knots[j + 1] - knots[j]) * (x - knots[j]) + low;
    return kind === "log" ? Math.exp(value) : value;
  }

  function multiplier(tables, name, setting, specMap) {  // [multiplier, where it comes from]
    if (name === "spec") {
      const map = tables.spec_maps.find(row => row.name === specMap);
      return [interpolate(setting, map.quality, map.multiplier, map.interpolation), "interpolated"];
    }
    if (name === "div") {
      const [map] = tables.diversity_map;
      const inside = map.diversity[0] < setting && setting < map.diversity[1];
      return [interpolate(setting, map.diversity, map.multiplier, map.interpolation),
              inside ? "interpolated" : "published"];
    }
    const rows = name === "cap" ? tables.capability_levels : tables.alignment_methods;
    const row = rows.find(r => r.name === setting);
    if (!row) throw Error(`unknown alignment method '${setting}'; known: ${rows.map(r => r.name).join(", ")}`);
    return [row.multiplier, row.published ? "published" : "interpolated"];
  }

  const shown = setting => typeof setting === "number" ? general(setting) : setting;

  function factorsOf(tables, scenario, specMap) {
    return MODIFIERS.map(name => {
      const setting = scenario[SETTINGS[name]];
      if (!isSet(setting)) return {name: `M_${name}`, setting: "neutral", multiplier: 1, effect: 0, source: "neutral"};
      const [m, source] = multiplier(tables, name, setting, specMap);
      return {name: `M_${name}`, setting: `${SETTINGS[name]}=${shown(setting)}`, multiplier: m, effect: 0, source};
    });
  }

  // --- published and odds -----------------------------------------------------------------------------------------

  const baseMisgen = type => type.capability * type.goal_failure;

  function harmValue(tables, harm, type) {
    if (harm === "printed") return type.harm_inferred;
    if (harm === "stated" || harm === "pooled") return tables.harm.find(row => row.name === harm).value;
    if (typeof harm === "number" && harm >= 0 && harm <= 1) return harm;
    throw Error(`harm must be printed, stated, pooled or a number from 0 to 1, not '${harm}'`);
  }

  function combine(base, product, mode) {
    const raw = base * product;
    return mode === "published" ? raw : Math.min(raw / (1 + base * (product - 1)), 1);
  }

  function estimatePublished(tables, scenario, options) {
    const {mode, spec_map = "bands", rl_to_llm = false} = options;
    const harm = options.harm ?? "printed";
    harmValue(tables, harm, tables.shift_types[0]);  // refuses what is no harm before anything else
    const type = tables.shift_types.find(row => row.type === scenario.shift);
    const factors = factorsOf(tables, scenario, spec_map);
    if (!type) throw Error(`mode=${mode} knows shift types 1 to 4; type 0 needs mode=calibrated`);
    const base = harm === "printed" ? type.p_misgen : baseMisgen(type) * harmValue(tables, harm, type);
    const productOf = some => some.reduce((product, f) => product * f.multiplier, 1);
    const product = productOf(factors);
    const raw = combine(base, product, mode), value = Math.min(raw, 1);
    const misgen = Math.min(combine(baseMisgen(type), product, mode), 1);
    let reached = base;
    factors.forEach((factor, j) => {
      const after = Math.min(combine(base, productOf(factors.slice(0, j + 1)), mode), 1);
      factor.effect = after - reached;
      reached = after;
    });
    const aboveHuman = scenario.capability === "superhuman";
    let interval = null, kind = "none: the source quotes ranges for the bases only";
    if (mode === "odds") {
      let variance = ((logit(type.range_high) - logit(type.range_low)) / (2 * Z90)) ** 2;
      if (aboveHuman) variance += (Math.log(factors[MODIFIERS.indexOf("cap")].multiplier) / Z90) ** 2;
      if (rl_to_llm) variance += (Math.log(tables.uncertainties[0].factor) / Z90) ** 2;
      const factor = Math.exp(Z90 * Math.sqrt(variance));
      interval = [combine(value, 1 / factor, "odds"), combine(value, factor, "odds")];
      kind = "90%, as wide on the logit scale as the quoted range";
    } else if (harm === "printed" && factors.every(f => f.multiplier === 1)) {
      interval = [type.range_low, type.range_high];
      kind = "quoted range";
    }
    const first = {name: "base", setting: `type ${type.type}, ${type.name}`, multiplier: base, effect: base,
                   source: harm === "printed" ? "published" : "given"};
    return {mode, raw, value, p_misgen: misgen, p_harmful: value, interval, interval_kind: kind, clipped: raw > 1,
            contributions: [first, ...factors],
            warnings: publishedWarnings(tables, scenario, {mode, harm, type, factors, raw, product, aboveHuman}),
            kind: null, environments: null, intervals: null, after: null};
  }

  function publishedWarnings(tables, scenario, {mode, harm, type, factors, raw, product, aboveHuman}) {
    const notes = [], misgen = baseMisgen(type) * product;
    if (raw > 1) {
      notes.push(`the published product is ${raw.toFixed(4)}, above 1: clipped; mode=odds stays below 1`);
    } else if (mode === "published" && misgen > 1) {
      notes.push(`P(capability) x P(goal fails) x modifiers is ${misgen.toFixed(4)}: p_misgen is clipped to 1`);
    }
    if (mode === "odds") {
      notes.push("odds mode is a reinterpretation: the source does not say whether a modifier multiplies risk or odds");
    }
    for (const factor of factors) {
      const {low, high} = tables.parameters.find(row => `M_${row.name}` === factor.name);
      if (factor.multiplier < low || factor.multiplier > high) {
        notes.push(`${factor.name} = ${general(factor.multiplier)} is outside its published range ` +
                   `${general(low)}-${general(high)}`);
      }
    }
    if (isSet(scenario.diversity)) {
      notes.push("diversity is read as the share of training levels with the correlation broken; the source gives " +
                 "thresholds without units");
    }
    if (aboveHuman) {
      notes.push("above human level the source calls the direction of M_cap unknown" +
                 (mode === "odds" ? "; the interval is widened both ways" : ""));
    }
    if (harm === "printed") {
      notes.push(`harm ${general(type.harm_inferred)} is inferred from the printed base; the source states 50-70%`);
    }
    return notes;
  }

  // --- calibrated: the next environment, the mean over its runs ----------------------------------------------------

  const ORDER = ["measured", "interpolated", "extrapolated"];
  const CLOSE = 1e-9;
  const LABELS = {spec: "specification quality", cap: "capability level", div: "training diversity"};
  const COLUMNS = {spec_quality: "spec", capability: "cap", diversity: "div"};
  const QUANTITIES = ["capability", "goal_failure", "latent", "realised"];
  const worse = (one, other) => ORDER[Math.max(ORDER.indexOf(one), ORDER.indexOf(other))];

  const decoded = new WeakMap();  // arrays by draw, decoded once
  function arraysOf(calibration) {
    if (!decoded.has(calibration)) {
      decoded.set(calibration, Object.fromEntries(Object.entries(calibration.derived).map(
        ([name, text]) => [name, new Float64Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer)])));
    }
    return decoded.get(calibration);
  }

  function columnsOf(calibration, scenario) {  // positions of what a scenario sets
    const columns = {}, scale = calibration.diversity_scale;
    if (isSet(scenario.spec_quality)) columns.spec = (1 - scenario.spec_quality) / 0.7;
    if (isSet(scenario.diversity)) columns.div = -Math.log1p(scenario.diversity / scale) / Math.log1p(0.3 / scale);
    if (isSet(scenario.capability)) columns.cap = calibration.capability_position[scenario.capability];
    if (isSet(scenario.alignment) && scenario.alignment !== calibration.reference_method) {
      columns[`align:${scenario.alignment}`] = 1;
    }
    return columns;
  }

  function settingsOf(calibration, scenario) {  // as gmexp.statistics.scenarios.settings_of
    const asked = columnsOf(calibration, scenario), x = {}, notes = [], {varied, held, known, together} = calibration;
    let status = "measured";
    for (const name of varied) {
      x[name] = asked[name] ?? 0;
      if (known[name].some(v => Math.abs(v - x[name]) < CLOSE)) continue;
      if (known[name][0] < x[name] && x[name] < known[name].at(-1)) {
        status = worse(status, "interpolated");
      } else {
        status = "extrapolated";
        notes.push(`${LABELS[name] ?? name} lies outside the measured range: extrapolated`);
      }
    }
    for (const name of [...new Set([...Object.keys(held), ...Object.keys(asked)])].filter(n => !varied.includes(n)).sort()) {
      const at = name in held ? held[name] : ["spec", "div"].includes(name) ? null : 0;
      if (at === null) {
        if (!(name in asked)) continue;
        [x[name], status] = [asked[name], "extrapolated"];
        notes.push(`${LABELS[name] ?? name} of the experiments is unknown: its effect here is the prior's`);
        continue;
      }
      const moved = (asked[name] ?? 0) - at;
      if (Math.abs(moved) > CLOSE && name !== "steps" && name !== "width") {
        [x[name], status] = [moved, "extrapolated"];
        const what = LABELS[name] ?? `alignment method ${name.replace(/^align:/, "")}`;
        notes.push(`${what} was not varied in the experiments: its effect here is the prior's`);
      }
    }
    const met = row => row.every((v, j) => v !== null && Math.abs(v - x[varied[j]]) < CLOSE);
    if (varied.length && !together.some(met)) status = worse(status, "interpolated");
    return {x, status, notes};
  }

  function revealedAt(calibration, chosen, diversity) {  // [share of distinguishing levels, notes]
    let total = 0;
    for (const [level, weight] of chosen) {
      const {table, mean: average} = calibration.revealed[level];
      if (table.length) {
        total += weight * interpolate(diversity ?? 0, table.map(row => row[0]), table.map(row => row[1]), "linear");
      } else if (average !== null) {
        total += weight * average;
      } else {
        return [1, ["nobody counted the levels that tell the goals apart: realised takes all for such"]];
      }
    }
    return [chosen.length ? total : 1, []];
  }

  function predict(calibration, scenario) {  // draws of QUANTITIES, status and notes
    const {base, unmeasured, sd, effect, coupling} = arraysOf(calibration), {draws: n, stages: K, nodes} = calibration;
    const settings = settingsOf(calibration, scenario), {chosen, status, notes} = calibration.levels[scenario.shift];
    const [revealed, more] = revealedAt(calibration, chosen, scenario.diversity);
    const level = chosen.length ? chosen.at(-1)[0] : 0, Q = nodes[0].length;
    const moves = Object.entries(settings.x).filter(([, value]) => value).map(
      ([name, value]) => [calibration.columns.indexOf(name), value]);
    const result = Object.fromEntries(QUANTITIES.map(name => [name, new Float64Array(n)]));
    const eta = new Float64Array(K), part = new Float64Array(K);
    for (let d = 0; d < n; d++) {
      for (let k = 0; k < K; k++) {
        eta[k] = chosen.length ? chosen.reduce((sum, [at, weight]) => sum + weight * base[(at * K + k) * n + d], 0)
                               : unmeasured[k * n + d];
        for (const [column, value] of moves) eta[k] += value * effect[(column * K + k) * n + d];
      }
      for (let i = 0; i < Q; i++) {
        let pair = 0;
        for (let k = 0; k < K; k++) {
          part[k] = sd[(level * K + k) * n + d] * nodes[k][i];
          for (let j = 0; j < k; j++) part[k] += coupling[pair++ * n + d] * part[j];
        }
        const capable = expit(eta[0] + part[0]), fails = expit(-eta[K - 1] - part[K - 1]), latent = capable * fails;
        result.capability[d] += capable / Q;
        result.goal_failure[d] += fails / Q;
        result.latent[d] += latent / Q;
        result.realised[d] += revealed * (K === 3 ? latent * expit(eta[1] + part[1]) : latent) / Q;
      }
    }
    return {draws: result, status: worse(status, settings.status), notes: [...settings.notes, ...notes, ...more]};
  }

  function harmDraws(data, harm, shift) {  // [draws, what they are]
    const {calibration, tables} = data, n = calibration.draws;
    if (!isSet(harm) || harm === "assumed" || harm === "elicited") {
      const {a, b} = calibration.harm;
      return [arraysOf(calibration).harm, `assumed, Beta(${a.toFixed(2)}, ${b.toFixed(2)})`];
    }
    if (harm === "printed" && shift === 0) {
      throw Error("harm=printed exists for shift types 1 to 4; use assumed, stated, pooled or a number");
    }
    const value = harmValue(tables, harm, tables.shift_types[Math.max(shift, 1) - 1]);
    return [new Float64Array(n).fill(value), typeof harm === "string" ? harm : "given"];
  }

  function isVaried(calibration, setting, value) {
    const asked = Object.keys(columnsOf(calibration, {[setting]: value})), {varied} = calibration;
    if (setting === "alignment" && !asked.length) return varied.some(name => name.startsWith("align:"));
    return (asked.length ? asked : [COLUMNS[setting]]).every(name => varied.includes(name));
  }

  function contributionsOf(calibration, scenario, harms, harmName) {
    let current = {...scenario, spec_quality: null, capability: null, diversity: null, alignment: null};
    let before = predict(calibration, current).draws;
    const base = mean(before.realised);
    const parts = [{name: "base", setting: `type ${scenario.shift}, grade ${scenario.shift ? 1 : 0}, at the reference`,
                    multiplier: base, effect: base, source: calibration.measured.includes(scenario.shift) ? "measured" : "prior"}];
    for (const [name, setting] of Object.entries(SETTINGS)) {
      if (!isSet(scenario[setting])) continue;
      current = {...current, [setting]: scenario[setting]};
      const after = predict(calibration, current).draws;
      const ratios = after.latent.map((v, d) => v / Math.max(before.latent[d], 2.2250738585072014e-308)).sort();
      parts.push({name: `M_${name}`, setting: `${setting}=${shown(scenario[setting])}`, multiplier: quantile(ratios, 0.5),
                  effect: mean(after.realised) - mean(before.realised),
                  source: isVaried(calibration, setting, scenario[setting]) ? "measured" : "prior"});
      before = after;
    }
    parts.push({name: "harm", setting: harmName, multiplier: mean(harms),
                effect: mean(before.realised.map((v, d) => v * harms[d])) - mean(before.realised),
                source: harmName.startsWith("assumed") ? "assumed" : "given"});
    return parts;
  }

  function estimateCalibrated(data, scenario, options) {
    const {calibration} = data, {environments: n} = calibration;
    const {draws, status, notes} = predict(calibration, scenario);
    const [harms, harmName] = harmDraws(data, options.harm, scenario.shift);
    const harmful = draws.realised.map((v, d) => v * harms[d]), value = mean(harmful);
    const limits = values => { const sorted = values.slice().sort(); return [quantile(sorted, 0.025), quantile(sorted, 0.975)]; };
    const intervals = Object.fromEntries([...QUANTITIES.map(name => [name, limits(draws[name])]), ["harmful", limits(harmful)]]);
    const about = n >= calibration.few ? [] : [`reinforcement-learning agents in ${n === 1 ? "1 environment" : `${n} environments`}: ` +
                                               `fewer than ${calibration.few} say little about the next one`];
    return {mode: "calibrated", raw: value, value, p_misgen: mean(draws.realised), p_harmful: value,
            interval: intervals.harmful, interval_kind: `95% credible, next_environment, ${status}`, clipped: false,
            contributions: contributionsOf(calibration, scenario, harms, harmName),
            warnings: [...about, ...notes, ...calibration.warnings.map(note => `calibration: ${note}`)],
            kind: "next_environment", environments: n, intervals, after: null};
  }

  // What gmexp.calculator.Calculator(**options).estimate(Scenario(**scenario)) returns, or the Error it raises.
  function estimate(data, scenario, options) {
    return options.mode === "calibrated" ? estimateCalibrated(data, scenario, options)
                                         : estimatePublished(data.tables, scenario, options);
  }

  return {estimate};
})();
