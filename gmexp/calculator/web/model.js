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
    for (const factor of factors) {
      const without = productOf(factors.map(f => f === factor ? {multiplier: 1} : f));
      factor.effect = value - Math.min(combine(base, without, mode), 1);
    }
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
            warnings: publishedWarnings(tables, scenario, {mode, harm, type, factors, raw, product, aboveHuman})};
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

  // --- calibrated: the mean over runs -----------------------------------------------------------------------------

  // arrays of the posterior [draws, ...], which are stored in single precision, and what derives from them; decoded once
  const decode = (texts, kind) => Object.entries(texts).map(
    ([name, text]) => [name, new kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer)]);
  const decoded = new WeakMap();
  function arraysOf(calibration) {
    if (!decoded.has(calibration)) {
      decoded.set(calibration, Object.fromEntries(
        [...decode(calibration.arrays, Float32Array), ...decode(calibration.derived, Float64Array)]));
    }
    return decoded.get(calibration);
  }

  function covariates(calibration, scenario) {  // centred x [K]; a setting left out stays at the centre
    const {names, centre, diversity_scale: scale} = calibration;
    const raw = Object.fromEntries(names.map((name, j) => [name, centre[j]]));
    if (isSet(scenario.spec_quality)) raw.spec = (0.55 - scenario.spec_quality) / 0.7;
    if (isSet(scenario.capability)) raw.cap = calibration.capability_position[scenario.capability];
    if (isSet(scenario.diversity)) raw.div = -Math.log1p(scenario.diversity / scale) / Math.log1p(0.3 / scale);
    if (isSet(scenario.alignment)) {
      for (const name of names) if (name.startsWith("align:")) raw[name] = 0;
      const name = `align:${scenario.alignment}`;
      if (scenario.alignment !== calibration.reference_method) raw[name in raw ? name : "align:other"] = 1;
    }
    return names.map((name, j) => raw[name] - centre[j]);
  }

  function outsideMeasured(calibration, scenario, x) {
    const words = {spec: "specification quality", cap: "capability level", div: "training diversity"};
    const notes = [];
    calibration.names.forEach((name, j) => {
      const column = calibration.x.map(row => row[j]), low = Math.min(...column), high = Math.max(...column);
      if (x[j] === 0 || (low - 1e-9 <= x[j] && x[j] <= high + 1e-9)) return;
      const what = words[name] ?? `alignment method ${scenario.alignment}`;
      notes.push(low === high ? `${what} was not varied in the experiments: its effect here is the prior's`
                              : `${what} lies outside the measured range: extrapolated`);
    });
    return notes;
  }

  // Marginal logit [D] of one stage (0 capability, 1 goal failure) at a shift level; condition null is a new one.
  function eta(calibration, stage, level, x, condition) {
    const {alpha, beta, w, u, omega, tau, line, new_condition, new_cell} = arraysOf(calibration);
    const n = calibration.draws, S = calibration.shifts, K = x.length;
    const W = calibration.condition_cells.length, U = calibration.cells.length;
    const pair = calibration.condition_cells.findIndex(c => c[0] === stage && c[1] === condition);
    const cell = calibration.cells.findIndex(c => c[0] === stage && c[1] === level && c[2] === condition);
    return Float64Array.from({length: n}, (_, d) => {
      let sum = 0;
      for (let j = 0; j < K; j++) sum += beta[(2 * d + stage) * K + j] * x[j];
      let base = alpha[(2 * d + stage) * S + level] + sum;
      if (pair >= 0) base += w[d * W + pair];
      else if (W) {  // what lines of all conditions differ by from those of the measured ones, and the condition's own
        const at = (stage * n + d) * (K + 1);
        base += line[at] + omega[2 * d + stage] * new_condition[stage * n + d];
        for (let j = 0; j < K; j++) base += line[at + 1 + j] * x[j];
      }
      if (!U) return base;
      return base + (cell >= 0 ? u[d * U + cell] : tau[(2 * d + stage) * S + level] * new_cell[(stage * S + level) * n + d]);
    });
  }

  // E over runs of capable and goal fails [D]: both run effects integrated on a Gauss-Hermite grid.
  function jointRate(calibration, etaCapability, etaGoal) {
    const {sigma, rho} = arraysOf(calibration), {nodes, weights, marginal} = calibration;
    return etaCapability.map((_, d) => {
      const sc = sigma[2 * d], sg = sigma[2 * d + 1], rest = Math.sqrt(1 - rho[d] ** 2);
      const ec = Math.sqrt(1 + marginal * sc ** 2) * etaCapability[d];
      const eg = Math.sqrt(1 + marginal * sg ** 2) * etaGoal[d];
      let joint = 0;
      nodes.forEach((z1, i) => {
        let g = 0;
        for (let j = 0; j < nodes.length; j++) g += weights[j] * expit(eg + sg * (rho[d] * z1 + rest * nodes[j]));
        joint += weights[i] * expit(ec + sc * z1) * g;
      });
      return joint;
    });
  }

  function misgenDraws(calibration, scenario) {
    const x = covariates(calibration, scenario);
    const same = calibration.x.map((row, c) => row.every((v, j) => Math.abs(v - x[j]) <= 1e-9) ? c : null);
    const conditions = same.filter(c => c !== null);
    const parts = (conditions.length ? conditions : [null]).map(condition => {
      const logits = [0, 1].map(stage => {
        const levels = calibration.levels[scenario.shift].chosen.map(
          ([level, weight]) => eta(calibration, stage, level, x, condition).map(v => weight * v));
        return levels[0].map((_, d) => levels.reduce((sum, values) => sum + values[d], 0));
      });
      return jointRate(calibration, ...logits);
    });
    return parts[0].map((_, d) => parts.reduce((sum, part) => sum + part[d], 0) / parts.length);
  }

  function harmDraws(data, harm, shift) {  // [draws, what they are]
    const {calibration, tables} = data, n = calibration.draws;
    if (!isSet(harm) || harm === "elicited") {
      const {a, b} = calibration.harm;
      return [arraysOf(calibration).harm, `elicited, Beta(${a.toFixed(2)}, ${b.toFixed(2)})`];
    }
    if (harm === "printed" && shift === 0) {
      throw Error("harm=printed exists for shift types 1 to 4; use elicited, stated, pooled or a number");
    }
    const value = harmValue(tables, harm, tables.shift_types[Math.max(shift, 1) - 1]);
    return [new Float64Array(n).fill(value), typeof harm === "string" ? harm : "given"];
  }

  function estimateCalibrated(data, scenario, options) {
    const {calibration} = data;
    const misgen = misgenDraws(calibration, scenario);
    const [harms, harmName] = harmDraws(data, options.harm, scenario.shift);
    const times = (draws, other) => draws.map((v, d) => v * other[d]);
    const harmful = times(misgen, harms), value = mean(harmful), sorted = harmful.slice().sort();
    const neutral = {...scenario, spec_quality: null, capability: null, diversity: null, alignment: null};
    const base = mean(times(misgenDraws(calibration, neutral), harms));
    const grade = scenario.shift ? 1 : 0;
    const contributions = [{name: "base", multiplier: base, effect: base, source: "measured",
      setting: `type ${scenario.shift}, grade ${grade}, settings at the mean of the experiments`}];
    for (const [name, setting] of Object.entries(SETTINGS)) {
      if (!isSet(scenario[setting])) continue;
      const without = misgenDraws(calibration, {...scenario, [setting]: null});
      const x = covariates(calibration, {...neutral, [setting]: scenario[setting]});
      const varied = x.some((v, j) => v !== 0 && calibration.x.some(row => row[j] !== calibration.x[0][j]));
      contributions.push({name: `M_${name}`, setting: `${setting}=${shown(scenario[setting])}`,
        multiplier: mean(misgen) / mean(without), effect: value - mean(times(without, harms)),
        source: varied ? "measured" : "prior"});
    }
    contributions.push({name: "harm", setting: harmName, multiplier: mean(harms), effect: value - mean(misgen),
                        source: "prior"});
    const x = covariates(calibration, scenario);
    return {mode: "calibrated", raw: value, value, p_misgen: mean(misgen), p_harmful: value,
            interval: [quantile(sorted, 0.025), quantile(sorted, 0.975)],
            interval_kind: "95% credible, mean_over_runs", clipped: false, contributions,
            warnings: [...outsideMeasured(calibration, scenario, x), ...calibration.levels[scenario.shift].notes,
                       ...calibration.warnings.map(note => `calibration: ${note}`)]};
  }

  // What gmexp.calculator.Calculator(**options).estimate(Scenario(**scenario)) returns, or the Error it raises.
  function estimate(data, scenario, options) {
    return options.mode === "calibrated" ? estimateCalibrated(data, scenario, options)
                                         : estimatePublished(data.tables, scenario, options);
  }

  return {estimate};
})();
