"""`gmexp mitigations`: what mitigations do in studies, over pairs of runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gmexp import artefacts
from gmexp.artefacts.study import Study
from gmexp.cli.calculator import FORMAT, emit
from gmexp.cli.options import Command, Option, boolean, listing, number, place
from gmexp.rates import mitigated
from gmexp.support.errors import UserError

COMMAND = Command(
    "mitigations", "how much of the risk mitigations take away, with intervals over pairs of runs",
    (Option("studies", listing(place()), None, "folders of studies", required=True),
     Option("accepted", number(0.001, 0.999), None, "gradual deployment of every study's agents: share of episodes in which "
            "the proxy may come first"),
     Option("alpha", number(0.0001, 0.5), 0.05, "probability that such a deployment is stopped falsely, at most"),
     Option("declared", boolean(), False, "only settings that stand for a method, and no curves: what the package ships"),
     Option("out", place("path of a JSON file"), None, "where to write it; without, it is only printed"), FORMAT),
    "gmexp mitigations studies=[results/langosco_coinrun,results/modifiers] accepted=0.1 out=outputs/mitigations.json",
    "Runs of one train seed are a pair. Studies of the first edition are marked first events.")


def main(args: Sequence[str]) -> int:
    """`gmexp mitigations key=value ...`"""
    values = COMMAND.parse(args)
    if values is None:
        return 0
    from gmexp.mitigations.gradual_deployment import DeploymentPlan
    from gmexp.mitigations.stage import of_studies

    studies = [Study(Path(folder)) for folder in values["studies"]]
    for study in studies:
        if not study.counts.is_file():
            raise UserError(f"mitigations: {study.root} holds no counts.parquet: `gmexp run` and `gmexp rates` make one")
    deployment = None if values["accepted"] is None else DeploymentPlan(values["accepted"], values["alpha"])
    found = of_studies(studies, deployment)
    if values["declared"]:
        found = replace(found, rows=tuple(row for row in found.rows if row.declared), traces=())
    if values["out"] is not None:
        asked = {"studies": [study.root.name for study in studies], "accepted": values["accepted"]}
        origin = artefacts.provenance(None, asked, "what mitigations do, over pairs of runs")
        mitigated.write(Path(values["out"]), found, origin)
    lines = [mitigated.table(found) or "no two conditions of these studies differ in a mitigation alone"]
    emit(artefacts.plain(found), lines, values["format"])
    return 0
