"""Mitigations, one file each, behind `gmexp.agents.mitigation.Mitigation`.

    verification   of a condition's candidates only those count that pursue the intended goal on validation levels
"""

from gmexp.agents.mitigation import (
    MITIGATIONS, Mitigation, find_mitigation, mitigation_config, mitigation_names, mitigation_of,
)

__all__ = ["MITIGATIONS", "Mitigation", "find_mitigation", "mitigation_config", "mitigation_names", "mitigation_of"]
