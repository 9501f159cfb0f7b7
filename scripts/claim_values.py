"""Numbers of claims, out of committed artefacts and as documents print them. A value is written `{NAME WORD WORD ...}`:

    {rate STUDY CONDITION SHIFT QUANTITY [probe]}      estimands of both arms, mean and 95% interval over runs
    {cell STUDY CONDITION SHIFT QUANTITY [probe] [grade=G]}      the same by first events
    {rule STUDY CONDITION SHIFT QUANTITY DEFINITION}   by another rule
    {span STUDY SHIFT QUANTITY [probe]}                the least and the greatest mean over conditions, of both arms
    {fall STUDY CONDITION SHIFT QUANTITY [probe]}      how much less than the baseline condition, by pairs of runs
    {effect STUDY CONDITION SHIFT EFFECT}              attribution: presence, pursuit, reliance
    {critic STUDY CONDITION}                           what the goal adds to the critic's value before it
    {base SHIFT DELTA QUANTITY}                        the pooled calibration's, mean and 95% credible interval
    {env ENVIRONMENT SHIFT DELTA QUANTITY}             the pooled calibration's of one environment, as the headline has it
    {next SHIFT QUANTITY}                              the pooled calibration's of the next environment, median and interval
    {fell STUDY METHOD SHIFT WHAT [SETTING]}           how much of WHAT (risk, control_risk, realised, ...) a mitigation
                                                       takes away, in its declared setting or this; `:base`, `:treated`
    {evidence METHOD SHIFT}                            the same of its risk over all environments, as shipped
    {json FILE PATH [FORMAT]}                          anything in a JSON artefact; PATH is a.b[key=value,key=value].c or
                                                       a[0], a dash stands for a space

`QUANTITY:mean` and the like give one part, `:mean:.3f` formats it, `:signed` and `:percent` print it so.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VALUE = re.compile(r"\{([a-z]\w* [^{}]+)\}")


@cache
def read(file: str) -> Any:
    """A JSON artefact below results/; the files of the first edition under today's names."""
    content = json.loads((ROOT / "results" / file).read_text(encoding="utf-8"))
    for old, new in (("effects", "attribution"), ("critics", "critic")):
        if isinstance(content, dict) and old in content:
            content[new] = content[old]
    return content


def rendered(text: str) -> str:
    """A claim's text with its values; KeyError or StopIteration where an artefact does not hold one."""
    return VALUE.sub(lambda match: value(match[1]), text)


def value(words: str) -> str:
    """One value as text."""
    name, *arguments = shlex.split(words)
    return FUNCTIONS[name](*arguments)


def files(text: str) -> list[str]:
    """The artefacts that a claim's values are read from."""
    found = []
    for match in VALUE.finditer(text):
        name, *arguments = shlex.split(match[1])
        found.append(arguments[0] if name == "json" else "calibration/estimate.json" if name == "base" else
                     "calibration/calibration.json" if name in ("env", "next") else
                     "mitigations/mitigations.json" if name == "evidence" else
                     f"{arguments[0]}/mitigations.json" if name == "fell" else
                     f"{arguments[0]}/{'measures' if name in ('effect', 'critic') else 'rates'}.json")
    return [f"results/{file}" for file in dict.fromkeys(found)]


# --- how numbers are printed ------------------------------------------------------------------------------------------

def shown(low_mean_high: tuple[Any, Any, Any], how: str) -> str:
    """`how` is empty, for mean and interval, or parts joined by colons."""
    mean, low, high = low_mean_high
    parts = how.split(":") if how else []
    sign = "+" if "signed" in parts else ""
    form = next((part for part in parts if part[:1] in ".,"), ".2f")
    if "percent" in parts:
        return f"{100 * mean:.0f}%"
    chosen = next((part for part in parts if part in ("mean", "low", "high")), None)
    if chosen:
        return plain({"mean": mean, "low": low, "high": high}[chosen], f"{sign}{form}")
    return f"{plain(mean, sign + form)} [{plain(low, sign + form)}, {plain(high, sign + form)}]"


def plain(number: float, form: str) -> str:
    """A number without a minus before zero."""
    text = format(number, form)
    return text.replace("-", "", 1) if not re.search(r"[1-9]", text) and text.startswith("-") else text


def triple(record: dict[str, Any]) -> tuple[Any, Any, Any]:
    low, high = ("low", "high") if "low" in record else ("q025", "q975")
    return record.get("mean", record.get("q50")), record[low], record[high]


# --- where they are ---------------------------------------------------------------------------------------------------

def pick(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The one row with these entries."""
    found = [row for row in rows if all(row.get(key) == each for key, each in wanted.items())]
    if len(found) != 1:
        raise KeyError(f"{len(found)} rows with {wanted}")
    return found[0]


def _cell(condition: str, shift: str, options: tuple[str, ...]) -> dict[str, Any]:
    grade = next((float(each.removeprefix("grade=")) for each in options if each.startswith("grade=")), float(shift != "0"))
    return {"condition": condition, "shift_type": int(shift), "grade": grade, "probe": "probe" in options}


def rate(study: str, condition: str, shift: str, quantity: str, *options: str) -> str:
    name, _, how = quantity.partition(":")
    found = triple(pick(read(f"{study}/rates.json")["estimands"], **_cell(condition, shift, options))[name])
    if name == "goal_failure":  # a share that its estimate may overshoot by chance, as pages print it
        found = tuple(min(each, 1.0) for each in found)
    return shown(found, how)


def cell(study: str, condition: str, shift: str, quantity: str, *options: str) -> str:
    name, _, how = quantity.partition(":")
    return shown(triple(pick(read(f"{study}/rates.json")["cells"], **_cell(condition, shift, options))[name]), how)


def rule(study: str, condition: str, shift: str, quantity: str, definition: str, *options: str) -> str:
    name, _, how = quantity.partition(":")
    wanted = _cell(condition, shift, options) | {"definition": definition}
    return shown(tuple(pick(read(f"{study}/rates.json")["definitions"], **wanted)[name]), how)


def span(study: str, shift: str, quantity: str, *options: str) -> str:
    """The least and the greatest mean over conditions."""
    wanted = _cell("", shift, options)
    wanted.pop("condition")
    means = [row[quantity]["mean"] for row in read(f"{study}/rates.json")["estimands"]
             if all(row[key] == each for key, each in wanted.items())]
    return f"{min(means):.2f} to {max(means):.2f}"


def fall(study: str, condition: str, shift: str, quantity: str, *options: str) -> str:
    name, _, how = quantity.partition(":")
    row = pick(read(f"{study}/rates.json")["contrasts"], metric=name, **_cell(condition, shift, options))
    return shown((-row["difference"], -row["high"], -row["low"]), how)


def effect(study: str, condition: str, shift: str, which: str, *options: str) -> str:
    name, _, how = which.partition(":")
    wanted = {"effect": name, **_cell(condition, shift, options)}
    wanted.pop("probe")
    return shown(triple(pick(read(f"{study}/measures.json")["attribution"], **wanted)["value"]), how)


def critic(study: str, condition: str, how: str = "signed") -> str:
    return shown(triple(pick(read(f"{study}/measures.json")["critic"], condition=condition)["before"]), how)


def base(shift: str, delta: str, quantity: str) -> str:
    name, _, how = quantity.partition(":")
    row = pick(read("calibration/estimate.json")["shifts"], shift=int(shift))
    if delta == "published":
        return format(row["published"][name], ".2f")
    where = row["next_environment"] if delta == "next" else pick(row["conditions"], train_diversity=float(delta))
    return shown(triple(where[name]), how)


@cache
def pooled() -> Any:
    """The pooled calibration's artefacts."""
    from gmexp.figures.data import StudyData

    return StudyData(ROOT / "results" / "calibration")


def env(name: str, shift: str, delta: str, quantity: str) -> str:
    from gmexp.pages.headline import under

    quantity, _, how = quantity.partition(":")
    found = under(pooled(), name, int(shift), float(delta), quantity)
    return "–" if found is None else shown((found.mean, found.q025, found.q975), how)


def following(shift: str, quantity: str) -> str:
    name, _, how = quantity.partition(":")
    found = pooled().calibration.next_environment(name, int(shift))
    return shown((found.q50, found.q025, found.q975), how)


@cache
def _mitigations(study: str) -> Any:
    from gmexp.rates import mitigated

    return mitigated.read(ROOT / "results" / study / "mitigations.json")


def fell(study: str, method: str, shift: str, what: str, setting: str = "") -> str:
    what, _, how = what.partition(":")
    (row,) = (row for row in _mitigations(study).rows if (row.method, row.shift_type) == (method, int(shift))
              and (row.setting == setting if setting else row.declared))
    change = getattr(row, what)
    if how in ("base", "treated"):
        return format(min(getattr(change, how), 1.0), ".2f")
    return "–" if change is None or change.relative is None else shown(change.relative, how)


def evidence(method: str, shift: str) -> str:
    from gmexp.calculator.evidence import evidence as of, load_mitigations

    return shown(of(load_mitigations(), method, int(shift)).reduction, "")


def from_json(file: str, path: str, how: str = "") -> str:
    """What stands at `path`; a record with an interval prints as such, a number by its format."""
    here = read(file)
    for name, inside in re.findall(r"([^.\[\]]+)|\[([^\]]*)\]", path):
        if name:
            here = here[name] if name in here else here[name.replace("-", " ")]
        elif re.fullmatch(r"-?\d+", inside):
            here = here[int(inside)]
        else:
            here = pick(here, **{key: _literal(each) for key, each in (part.split("=") for part in inside.split(","))})
    if isinstance(here, dict):
        return shown(triple(here), how)
    if isinstance(here, list):
        return f"[{', '.join(format(each, how or '.2f') for each in here)}]"
    return format(100 * here, ".0f") + "%" if how == "percent" else format(here, how)


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


FUNCTIONS: dict[str, Callable[..., str]] = {"rate": rate, "cell": cell, "rule": rule, "span": span,
                                            "fall": fall, "effect": effect,
                                            "critic": critic, "base": base, "env": env, "next": following,
                                            "fell": fell, "evidence": evidence,
                                            "json": from_json}
