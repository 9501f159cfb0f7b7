"""`gmexp bench engine`, `train`, `calibrate` and `start`: the commands; what is measured and how is in `checks.bench`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmexp.cli.options import choice, Command, dispatch, listing, number, Option, place, whole, wholes
from gmexp.support.errors import UserError
from gmexp.support.extras import require
from gmexp_envs import task_names

__all__ = ["main"]

FORMAT = Option("format", choice("text", "json"), "text", "output for people or for machines")

ENGINE = Command(
    "bench engine", "steps per second of a native engine beside procgen, SB3 over procgen, and EnvPool",
    (Option("env", choice(*task_names()), "coinrun", "which environment's; others are measured where they have the game"),
     Option("device", choice("cpu", "cuda"), "cpu",
            "cuda measures the engine on a GPU alone and compares it with the CPU's"),
     Option("num_envs", wholes(1), None, "instances stepped together; not set takes 64 to 4096, on a GPU 1024 to 262144"),
     Option("compared", whole(1), 1_048_576, "steps in which CPU and GPU are compared, with device=cuda"),
     Option("rounds", whole(1), 5, "how often each is measured, in turns"),
     Option("seconds", number(0.001), 1.0, "how long a measurement takes, at least a step"),
     Option("mode", choice("easy", "hard"), "easy", "procgen's distribution mode"),
     Option("threads", whole(1), 1, "threads of each"),
     Option("seed", whole(0, 2**31 - 1), 0, "seed of levels and actions"),
     Option("out", place("a folder"), "outputs/bench",
            "where engine-<mode>.json, .svg, .png go (engine-maze-<mode>, engine-cuda-<mode>, ...)"),
     FORMAT),
    "gmexp bench engine mode=hard format=json",
    "Needs an installed procgen for its games; EnvPool and Stable-Baselines3 are measured where they are installed.")

WORLDS = {"cpu": [64, 256, 1024, 4096], "cuda": [2**k for k in range(10, 19, 2)]}

TRAIN = Command(
    "bench train", "training speed of our PPO beside a plain torch loop and stable-baselines3's",
    (Option("device", choice("cpu", "cuda"), "cpu", "cuda measures our agents on a GPU alone, as they are configured"),
     Option("num_envs", whole(1), 256, "environments"),
     Option("rollout", whole(1), 64, "steps per environment and iteration"),
     Option("epochs", whole(1), 2, "passes over a rollout"),
     Option("minibatches", whole(1), 8, "updates of a pass"),
     Option("width", whole(1), 128, "units of the first layer"),
     Option("hidden", whole(1), 64, "units of the second"),
     Option("rounds", whole(1), 5, "iterations of each that are measured, in turns"),
     Option("until", number(0, 1), None, "also train the default agent with each until so many of its episodes succeed"),
     Option("steps", whole(1), 3_000_000, "budget of that, in game steps"),
     Option("seed", whole(0, 2**31 - 1), 0, "seed of levels and agents"),
     Option("out", place("a folder"), "outputs/bench", "where train.json, .svg and .png go (train-cuda.json)"),
     FORMAT),
    "gmexp bench train rounds=3 format=json",
    "stable-baselines3 and procgen are measured where they are installed.")


CALIBRATE = Command(
    "bench calibrate", "seconds of a calibration by the number of runs, on simulated counts of nine environments",
    (Option("runs", wholes(1), [100, 300, 1000], "training runs in all"),
     Option("envs", whole(1), 9, "environments"),
     Option("warmup", whole(100), 500, "iterations that tune the sampler"),
     Option("draws", whole(20), 1000, "per chain"),
     Option("attempts", whole(1), 3, "each doubles the draws, until the diagnostics pass"),
     Option("cores", whole(1), 1, "processes that share the chains"),
     Option("seed", whole(0, 2**31 - 1), 0, "seed of counts and sampler"),
     Option("out", place("a folder"), "outputs/bench", "where calibrate.json goes"),
     FORMAT),
    "gmexp bench calibrate runs=[100,300] cores=2 format=json",
    "Sampling, and besides it leaving every run out, predictions and warnings, as gmexp calibrate does both.")


START = Command(
    "bench start", "seconds that commands and environments take to start, with nothing compiled yet and afterwards",
    (Option("envs", listing(choice(*task_names())), None, "environments whose first step is taken; not set takes all"),
     Option("rounds", whole(1), 5, "processes of each, after one that warms up"),
     Option("out", place("a folder"), "outputs/bench", "where start.json goes"),
     FORMAT),
    "gmexp bench start envs=[coinrun,maze] format=json",
    "What is compiled goes into folders of its own, so that the first of every environment's processes compiles everything.")


def main(args: Sequence[str]) -> int:
    """`gmexp bench engine|train|calibrate|start key=value ...`"""
    commands = {"engine": (ENGINE, _engine), "train": (TRAIN, _train), "calibrate": (CALIBRATE, _calibrate),
                "start": (START, _start)}
    return dispatch(args, commands, "what to measure is missing: " + ", ".join(f"gmexp bench {name}" for name in commands))


def _engine(values: dict[str, Any]) -> int:
    values["num_envs"] = values["num_envs"] or WORLDS[values["device"]]
    compared = values.pop("compared")
    if values.pop("device") == "cuda":
        return _device(values, compared)
    from gmexp import artefacts
    from gmexp.checks.bench.baselines import GAMES
    from gmexp.checks.bench.engine import bench_engine
    from gmexp_envs.procgen_family.binary import ProcgenUnavailable, package_folder

    out, output = Path(values.pop("out")), values.pop("format")
    if values["env"] in GAMES:
        try:
            package_folder()
        except ProcgenUnavailable as error:
            raise UserError(str(error)) from error
    artefacts.check_writable(out)
    report = bench_engine(**values)
    origin = artefacts.provenance(None, values, "speed of the native engine beside those who run procgen's")
    report["provenance"] = artefacts.plain(origin)
    path = _write(out / f"engine-{_game(report)}.json", report, origin)
    print(json.dumps(report, indent=2) if output == "json" else f"{_text(report)}\n{path}")
    return 0


def _game(report: dict[str, Any]) -> str:
    """Environment and mode, where there is one, as they stand in a file's name."""
    return "-".join(part for part in (report["env"], report["mode"]) if part and part != "coinrun")


def _device(values: dict[str, Any], compared: int) -> int:
    from gmexp import artefacts
    from gmexp.checks.bench.device import bench_device, compare_engines
    from gmexp.figures import bench
    from gmexp_envs import DeviceUnavailable

    out, output = Path(values.pop("out")), values.pop("format")
    values.pop("threads")  # a GPU has its own
    artefacts.check_writable(out)
    try:
        equality = compare_engines(values["env"], values["seed"], compared, compared // 8)
    except DeviceUnavailable as error:
        raise UserError(str(error)) from error
    report = bench_device(**values) | {"equality": equality}
    origin = artefacts.provenance(None, values | {"compared": compared}, "speed and exactness of the engine on a GPU")
    path = artefacts.write_json(out / f"engine-cuda-{_game(report)}.json", report, origin)
    bench.write_on_gpu(out)
    print(json.dumps(report, indent=2) if output == "json" else f"{_device_text(report)}\n{path}")
    return 0 if equality["differences"] == 0 else 1


def _device_text(report: dict[str, Any]) -> str:
    """Steps per second as a table, and how often CPU and GPU differed."""
    equality = report["equality"]
    compared = ", ".join(f"{count:,} {what}" for what, count in equality["compared"].items())
    what = ", ".join(part for part in (report["env"], report["mode"]) if part)
    lines = [f"{what}, on {equality['hardware']}, {report['rounds']} rounds of {report['seconds']:g} s",
             f"{'instances':>10}{'observation':>14}{'million steps/s':>18}"]
    for m in report["measurements"]:
        lines.append(f"{m['num_envs']:>10,}{m['observation']:>14}" + (f"  {m['missing']}" if "missing" in m else
                                                                   f"{m['median'] / 1e6:>18,.2f}"))
    lines += [f"CPU and GPU: {equality['differences']} differences in {compared}"]
    return "\n".join(lines + [f"  for example {example}" for example in equality["examples"]])


def _train(values: dict[str, Any]) -> int:
    from gmexp import artefacts
    from gmexp.checks.bench.race import race
    from gmexp.checks.bench.training import bench_train

    out, output = Path(values.pop("out")), values.pop("format")
    samples = values["num_envs"] * values["rollout"]
    if samples % values["minibatches"] or samples < 2 * values["minibatches"]:
        raise UserError(f"minibatches = {values['minibatches']} must divide num_envs x rollout = {samples} into parts of "
                        "at least 2")
    require("torch", "training")
    artefacts.check_writable(out)
    if values.pop("device") == "cuda":
        return _train_on_device({name: values[name] for name in ("rounds", "seed")}, out, output)
    until, steps = values.pop("until"), values.pop("steps")
    report = bench_train(**values)
    if until:
        report["race"] = race(until, steps, values["seed"])
        values |= {"until": until, "steps": steps}
    origin = artefacts.provenance(None, values, "training speed of our PPO beside others'")
    report["provenance"] = artefacts.plain(origin)
    path = _write(out / "train.json", report, origin)
    print(json.dumps(report, indent=2) if output == "json" else f"{_training_text(report)}\n{path}")
    return 0


def _train_on_device(values: dict[str, Any], out: Path, output: str) -> int:
    from gmexp import artefacts
    from gmexp.checks.bench.device import bench_training
    from gmexp_envs import DeviceUnavailable

    try:
        report = bench_training(**values)
    except DeviceUnavailable as error:
        raise UserError(str(error)) from error
    origin = artefacts.provenance(None, values, "training speed of our PPO on a GPU")
    path = artefacts.write_json(out / "train-cuda.json", report, origin)
    print(json.dumps(report, indent=2) if output == "json" else f"{_trained_text(report)}\n{path}")
    return 0


def _trained_text(report: dict[str, Any]) -> str:
    """Game steps per second of every agent as a table."""
    from gmexp.rates.text import table

    rows = [(e["agent"] + "".join(f" {key}={value}" for key, value in e["changed"].items()), f"{e['num_envs']:,}",
             *(f"{e[key]['median'] / 1000:,.0f}" for key in ("steps_per_second", "of_rollouts", "of_updates")),
             f"{e['peak_memory_mib']:,.0f}") for e in report["entries"]]
    return (f"PPO on easy CoinRun, on {report['hardware']}, {report['rounds']} iterations each, thousand game steps/s\n"
            + table(("agent", "instances", "in all", "rollouts", "updates", "peak MiB"), rows, right=range(1, 6)))


def _calibrate(values: dict[str, Any]) -> int:
    from gmexp import artefacts
    from gmexp.checks.bench.calibration import bench_calibration
    from gmexp.statistics.config import CalibrationConfig

    out, output = Path(values.pop("out")), values.pop("format")
    artefacts.check_writable(out)
    config = CalibrationConfig(values["seed"], **{name: values[name] for name in ("warmup", "draws", "attempts", "cores")})
    report = bench_calibration(values["runs"], values["envs"], values["seed"], config)
    origin = artefacts.provenance(None, values, "how long calibrations of so many runs take")
    path = artefacts.write_json(out / "calibrate.json", report, origin)
    print(json.dumps(report, indent=2) if output == "json" else f"{_calibration_text(report)}\n{path}")
    return 0


def _calibration_text(report: dict[str, Any]) -> str:
    """Seconds and memory by the number of runs as a table."""
    lines = [f"{report['envs']} environments, {report['chains']} chains, {report['cores']} process(es)",
             f"{'runs':>8}{'seconds':>10}{'sampling':>10}{'CPU s':>10}{'peak MiB':>10}{'draws':>8}  passed"]
    for e in report["entries"]:
        lines.append(f"{e['runs']:>8,}" + (f"  {e['missing']}" if e["missing"] else (
            f"{e['seconds']:>10,.0f}{e['sampling_s']:>10,.0f}{e['cpu_s']:>10,.0f}{e['peak_memory_mib']:>10,.0f}"
            f"{e['draws']:>8,}  {'yes' if e['passed'] else 'no, R-hat ' + format(e['rhat_max'], '.3f')}")))
    return "\n".join(lines)


def _start(values: dict[str, Any]) -> int:
    from gmexp import artefacts
    from gmexp.checks.bench.starting import bench_start
    from gmexp.rates.text import table

    out, output = Path(values.pop("out")), values.pop("format")
    require("torch", "training")
    artefacts.check_writable(out)
    report = bench_start(values["envs"] or task_names(), values["rounds"])
    origin = artefacts.provenance(None, values, "how long commands and environments take to start")
    path = artefacts.write_json(out / "start.json", report, origin)
    rows = [(e["name"], "nothing compiled" if e["cold"] else "", *(
        (e["missing"], "") if e["missing"] else [f"{e[key]['median']:.2f}" for key in ("seconds", "cpu_seconds")]))
            for e in report["entries"]]
    text = table(("", "", "seconds", "CPU-seconds"), rows, right=(2, 3))
    print(json.dumps(report, indent=2) if output == "json" else f"{text}\n{path}")
    return 0


def _write(path: Path, report: dict[str, Any], origin: Any) -> Path:
    """Write a report and its figure."""
    from gmexp import artefacts
    from gmexp.figures import bench

    artefacts.write_json(path, {k: v for k, v in report.items() if k != "provenance"}, origin)
    bench.write(path, report)
    return path


def _training_text(report: dict[str, Any]) -> str:
    """Medians of game steps per CPU-second, peak memory and the ratios as a table."""
    found = {m["baseline"]: m for m in report["measurements"]}
    lines = [f"PPO on easy CoinRun, one thread, {report['rounds']} iterations each, on {report['provenance']['hardware']}",
             f"{'':<28}{'steps per CPU-second':>22}{'per second':>14}{'peak MiB':>10}"]
    for c in report["baselines"]:
        m = found.get(c["name"])
        lines.append(f"{c['label']:<28}" + (f"  {c['missing']}" if m is None else
                     f"{m['steps_per_cpu_second']['median']:>22,.0f}{m['steps_per_second']['median']:>14,.0f}"
                     f"{m['peak_memory_mib']:>10,.0f}"))
    lines += [f"{name}: {ratio:.1f} per CPU-second, {report['ratios_per_second'][name]:.1f} per second"
              for name, ratio in report["ratios"].items()]
    if race := report.get("race"):
        labels = {c["name"]: c["label"] for c in report["baselines"]}
        lines.append(f"until {race['until']:g} of the default agent's training episodes succeed:")
        lines += [f"{labels[entry['baseline']]:<28}" + (f"  {entry['missing']}" if entry["missing"] else (
                      f"  not within {entry['steps']:,} steps" if entry["seconds"] is None else
                      f"{entry['seconds']:>10,.0f} s{entry['steps']:>14,} steps")) for entry in race["entries"]]
    return "\n".join(lines)


def _text(report: dict[str, Any]) -> str:
    """Medians of the steps per CPU-second (and per second) as a table, and the ratios."""
    instances = report["num_envs"]
    what = ", ".join(part for part in (report["env"], report["mode"]) if part)
    lines = [f"{what}, {report['threads']} thread(s), {report['rounds']} rounds of "
             f"{report['seconds']:g} s, on {report['provenance']['hardware']}",
             "thousand steps per CPU-second, and per second in brackets:",
             f"{'instances':<20}" + "".join(f"{n:>18,}" for n in instances)]
    for c in report["baselines"]:
        if c["missing"] is not None:
            lines.append(f"{c['label']:<20}  {c['missing']}")
            continue
        rows = [m for m in report["measurements"] if m["baseline"] == c["name"]]
        cells = (f"{m['steps_per_cpu_second']['median'] / 1000:,.1f} ({m['steps_per_second']['median'] / 1000:,.1f})"
                 for m in rows)
        lines.append(f"{c['label']:<20}" + "".join(f"{cell:>18}" for cell in cells))
    lines += [f"{name}: {ratio:.1f} per CPU-second, {report['ratios_per_second'][name]:.1f} per second"
              for name, ratio in report["ratios"].items()]
    lines += [f"{name}: {ratio:.2f} per CPU-second" for name, ratio in report["scaling"].items()]
    return "\n".join(lines)
