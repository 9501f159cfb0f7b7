"""What `gmexp --help` and `gmexp VERB --help` print: the commented files in conf/, without importing Hydra or torch."""

from __future__ import annotations

from collections.abc import Mapping

from gmexp.support.conf import config_folder


def overview(summaries: Mapping[str, str]) -> str:
    """All verbs, a line each."""
    width = max(map(len, summaries))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in summaries.items()]
    return "\n".join(["usage: gmexp VERB key=value ...        gmexp VERB --help", "", *lines, "",
                      "Start with: gmexp run experiment=quickstart"])


def verb_help(name: str, summary: str) -> str:
    """The verb's commented configuration, with the groups it composes."""
    folder = config_folder()
    text = (folder / f"{name}.yaml").read_text()
    parts = [f"gmexp {name}: {summary}", "", "Every key below can be given as key=value.", "", text.rstrip()]
    for group in sorted(p.name for p in folder.iterdir() if p.is_dir()):
        if f"- {group}:" not in text:
            continue
        for path in sorted((folder / group).glob("*.yaml")):
            keys = "" if group == "experiment" else f" (keys as {group}.key=value)"
            parts += ["", f"# --- {group}={path.stem}{keys}", path.read_text().rstrip()]
    return "\n".join(parts)
