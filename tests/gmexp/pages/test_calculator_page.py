"""The page is whole by itself, and the browser's numbers and words are those of the Python calculator."""

import html
import json
import re
from dataclasses import asdict

import numpy as np
import pytest

import gmexp
from gmexp.calculator import Calculator, Scenario, table
from gmexp.calculator.calibrated import load_calibration
from gmexp.calculator.domains import CAVEAT
from gmexp.cli.main import main
from gmexp.pages.calculator_page import DRAWS, embedded, page, page_data
from gmexp.statistics.calibrate import SOURCE
from gmexp.support.errors import UserError

from .chromium import run_in_page

SCENARIOS = 200
SETUP = 'const data = JSON.parse(document.querySelector(".calculator-data").textContent);'


@pytest.fixture(scope="module")
def calibration():
    return load_calibration(None)


@pytest.fixture(scope="module")
def document(calibration):
    return page(calibration)


def draw_scenarios(rng: np.random.Generator, n: int) -> list[tuple[dict, dict]]:
    """Random scenarios with random options, ends of ranges and settings left out among them."""
    def maybe(draw):
        return draw() if rng.random() < 0.6 else None

    def number():
        return float(rng.choice([0.0, 1.0, 0.3, 0.1, 0.8])) if rng.random() < 0.3 else float(rng.random())

    def one_of(values):
        return values[int(rng.integers(len(values)))]

    found = []
    for _ in range(n):
        scenario = {"shift": int(rng.integers(0 if rng.random() < 0.3 else 1, 5)), "spec_quality": maybe(number),
                    "capability": maybe(lambda: one_of(table("capability_levels").column("name"))),
                    "diversity": maybe(number),
                    "alignment": maybe(lambda: one_of(table("alignment_methods").column("name")))}
        options = {"harm": one_of([None, "printed", "stated", "pooled", "assumed", number()]),
                   "spec_map": one_of(["bands", "anchors"]), "rl_to_llm": bool(rng.random() < 0.5)}
        found.append((scenario, options))
    return found


def in_python(calibration, scenario: dict, mode: str, options: dict) -> dict:
    """The estimate as plain data, or the error."""
    used = {"calibrated": {"calibration": calibration, "harm": options["harm"]}}.get(mode, options)
    try:
        return json.loads(json.dumps(asdict(Calculator(mode, **used).estimate(Scenario(**scenario)))))
    except UserError as error:
        return {"error": str(error)}


def assert_equal(found, expected, where: str) -> None:
    """Equal words and shapes, numbers to a relative 1e-9 (differences of probabilities to an absolute 1e-12)."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key, value in expected.items():
            assert_equal(found[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {found} {expected}"
        for i, value in enumerate(expected):
            assert_equal(found[i], value, f"{where}[{i}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12 if where.endswith("effect") else 0), where
    else:
        assert found == expected, where


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["published", "odds", "calibrated"])
def test_the_browser_computes_what_python_computes(calibration, document, tmp_path, mode):
    cases = draw_scenarios(np.random.default_rng(7), SCENARIOS)
    found = run_in_page(document, f"""{SETUP}
        return {json.dumps(cases)}.map(([scenario, options]) => {{
          try {{ return gmexp.estimate(data, scenario, {{mode: {json.dumps(mode)}, ...options}}); }}
          catch (error) {{ return {{error: error.message}}; }}
        }});""", tmp_path)
    thinned = calibration.thinned(DRAWS)
    refused = 0
    for (scenario, options), ours in zip(cases, found, strict=True):
        expected = in_python(thinned, scenario, mode, options)
        refused += "error" in expected
        assert_equal(ours, expected, f"{mode} {scenario} {options}")
    assert refused < SCENARIOS / 2  # most of what is compared is numbers


@pytest.mark.slow
def test_several_conditions_with_the_same_settings_are_averaged(calibrations_apart, tmp_path):
    """A calibration whose conditions share their settings, and shifts at several grades, is read alike."""
    cases = [{"shift": s, "diversity": d} for s in range(5) for d in (None, 0.0, 0.3, 0.6)]
    found = run_in_page(page(calibrations_apart), f"""{SETUP}
        return {json.dumps(cases)}.map(s => gmexp.estimate(data, s, {{mode: "calibrated"}}));""", tmp_path)
    thinned = calibrations_apart.thinned(DRAWS)
    for case, ours in zip(cases, found, strict=True):
        assert_equal(ours, in_python(thinned, case, "calibrated", {"harm": None}), str(case))


@pytest.fixture(scope="module")
def calibrations_apart():
    """Two environments, otherwise trained alike; shift 3 at half strength too, shift 4 only there."""
    from dataclasses import replace

    from gmexp.statistics.calibrate import calibrate
    from gmexp.statistics.config import CalibrationConfig
    from gmexp.statistics.simulate import synthetic_counts

    rows = synthetic_counts(runs=3, shifts=(0, 1, 3), episodes=60, seed=2)
    rows = [*rows, *(replace(c, env="elsewhere", run_id=f"{c.run_id}e") for c in rows)]
    rows += [replace(c, grade=0.5, shift_type=k, shift_name=name) for c in rows if c.shift_type == 3
             for k, name in ((3, "significant"), (4, "extreme"))]
    return calibrate(rows, CalibrationConfig(chains=4, warmup=150, draws=60, target_accept=0.95, rhat_max=9, ess_min=1,
                                             divergences_max=1, attempts=3))


DRIVE = """
  const root = document.querySelector(".calculator"), text = s => root.querySelector(s).textContent;
  const change = (node, event = "input") => node.dispatchEvent(new Event(event, {bubbles: true}));
  const choose = (key, value) => {
    const input = root.querySelector(`input[name="calculator-${key}"][value="${value}"]`);
    input.checked = true; change(input);
  };
  const slide = (key, value) => {
    const input = root.querySelector(`[data-key="${key}"] [type=range]`); input.value = value; change(input);
  };
  const seen = () => ({
    readings: [...root.querySelectorAll(".readings strong")].map(n => n.textContent), sentence: text(".sentence"),
    rows: [...root.querySelectorAll("tbody th")].map(n => n.firstChild.textContent), command: text(".command"),
    warnings: [...root.querySelectorAll(".warnings li")].map(n => n.textContent), hash: location.hash});
"""


@pytest.mark.slow
def test_the_inputs_reach_the_estimate(calibration, document, tmp_path):
    start, changed, none, again = run_in_page(document, DRIVE + """
        const states = [seen()];
        choose("shift", 4); slide("spec_quality", 0.2); choose("capability", "superhuman"); slide("diversity", 0.05);
        choose("alignment", "behavioral_cloning"); choose("mode", "odds"); states.push(seen());
        choose("shift", 0); states.push(seen());
        root.querySelector(".reset").click(); states.push(seen());
        return states;""", tmp_path)
    high = Scenario(4, 0.2, "superhuman", 0.05, "behavioral_cloning")
    odds = Calculator("odds").estimate(high)
    calibrated = Calculator("calibrated", calibration=calibration.thinned(DRAWS)).estimate(high)
    assert changed["readings"] == ["100.0%", f"{odds.value:.1%}", f"{calibrated.value:.1%}"]
    assert f"{odds.value:.1%} ({odds.interval[0]:.1%} to {odds.interval[1]:.1%}, 90% interval)" in changed["sentence"]
    assert changed["rows"] == ["Base rate", "Specification quality", "Capability", "Training diversity",
                               "Alignment method"]
    assert [w.rstrip(".").lower() for w in changed["warnings"]] == [w.lower() for w in odds.warnings]
    assert changed["command"] == ("gmexp estimate shift=4 spec_quality=0.2 capability=superhuman diversity=0.05 "
                                  "alignment=behavioral_cloning mode=odds")
    assert changed["hash"] == "#" + changed["command"].removeprefix("gmexp estimate ").replace(" ", "&")
    assert none["readings"][:2] == ["–", "–"] and "type 0 needs mode=calibrated" in none["sentence"]
    assert again["readings"] == start["readings"] and again["command"] == "gmexp estimate shift=3 mode=odds"


def test_a_published_scenario_is_a_choice(calibration, document, tmp_path):
    """Each domain at the shift types that it is printed for; whatever is changed then is one's own."""
    chosen, own, names = run_in_page(document, DRIVE + """
        const select = root.querySelector(".preset select"), names = [...select.options].map(o => o.textContent);
        choose("capability", "superhuman");
        select.value = names.indexOf("AI Assistants, shift 3") - 1; change(select);
        const chosen = seen();
        choose("mode", "odds"); const kept = select.selectedIndex; choose("shift", 4);
        return [chosen, [kept, select.selectedIndex], names];""", tmp_path)
    assert chosen["command"] == "gmexp estimate shift=3 spec_quality=0.3 mode=calibrated"
    assert own[0] > 0 and own[1] == 0
    assert len(names) == 1 + sum(len(set(row["types"])) for row in table("domains"))


def test_the_page_says_what_it_is_made_of(calibration, document):
    known = calibration.provenance
    text = html.unescape(re.sub(r"<[^>]+>", "", document))
    for said in (CAVEAT, f"{known['n_runs']} training runs", f"{known['n_episodes']:,} episodes", known["git_sha"][:10],
                 known["created_utc"][:10], known["data_sha256"][:10], f"gmexp {gmexp.__version__}", SOURCE["url"]):
        assert said in text, said


def test_a_link_restores_the_scenario(document, tmp_path):
    seen = run_in_page(document, DRIVE + "return seen();", tmp_path,
                       "#shift=2&diversity=0.2&harm=0.4&spec_map=anchors&mode=published&nonsense=1")
    assert seen["command"] == "gmexp estimate shift=2 diversity=0.2 harm=0.4 spec_map=anchors mode=published"
    value = Calculator(harm=0.4, spec_map="anchors").estimate(Scenario(2, diversity=0.2)).value
    assert seen["readings"][0] == f"{value:.1%}"


def test_everything_can_be_reached_by_keyboard(document, tmp_path):
    """Native inputs, each with a name of its own and in the tab order; the estimate is announced."""
    found = run_in_page(document, """
        const root = document.querySelector(".calculator");
        const inputs = [...root.querySelectorAll("input, button, select, summary")];
        return {unnamed: inputs.filter(i => !(i.labels?.length || i.ariaLabel || i.textContent.trim())).length,
                skipped: inputs.filter(i => i.tabIndex < 0).length, inputs: inputs.length,
                kinds: [...new Set(inputs.map(i => i.type ?? i.tagName))].sort(),
                live: root.querySelector(".sentence").getAttribute("aria-live"),
                groups: [...root.querySelectorAll("fieldset")].every(f => f.querySelector("legend"))};""", tmp_path)
    assert found["unnamed"] == found["skipped"] == 0 and found["inputs"] > 20 and found["groups"]
    assert found["kinds"] == ["SUMMARY", "button", "checkbox", "radio", "range", "select-one"] and found["live"] == "polite"


@pytest.mark.parametrize("width", [390, 1200])
def test_nothing_is_wider_than_the_screen(document, tmp_path, width):
    """Laid out in a frame of a phone's width, or of a desk's."""
    quoted = json.dumps(document).replace("<", "\\u003c")
    frame = f'<body><iframe style="border:0;width:{width}px;height:844px" srcdoc=""></iframe></body>'
    found = run_in_page(frame, f"""
        const inner = document.querySelector("iframe").contentDocument;
        inner.open(); inner.write({quoted}); inner.close();
        return [inner.documentElement.scrollWidth, inner.querySelectorAll(".calculator .body").length];""", tmp_path)
    assert found[0] <= width and found[1] > 15


def test_the_page_needs_nothing_else(document):
    loads = r"\b(src|href|srcset)=|@import|url\(|fetch\(|XMLHttpRequest"  # an address may stand there as text
    assert not re.search(loads, document)
    assert document.count("<main>") == 1 and document.count("</script>") == 3


def test_embedded_data_cannot_close_its_element(calibration):
    from dataclasses import replace

    hostile = replace(calibration, warnings=["</script><script>alert(1)</script>"])
    assert "alert(1)</script>" not in embedded(hostile)
    assert "</script>" in page_data(hostile)["calibration"]["warnings"][0]


def test_the_command_writes_the_page(capsys, tmp_path):
    out = tmp_path / "deep" / "page.html"
    assert main(["calculator", f"out={out}"]) == 0
    assert capsys.readouterr().out.strip() == str(out) and out.read_text().startswith("<!doctype html>")
    assert out.stat().st_size < 2_000_000
    for arguments, expected in (([f"out={out}", "calibration=/nowhere.json"], "no calibration at"),
                                ([f"oot={out}"], "did you mean out")):
        assert main(["calculator", *arguments]) == 2
        assert expected in capsys.readouterr().err
