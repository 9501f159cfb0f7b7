"""How much of studies' rates is repetition: python scripts/repetition.py results/quickstart [results/...]"""

import sys
from pathlib import Path

from gmexp.artefacts.study import Study
from gmexp.evaluation.repetition import repetition, table

for folder in sys.argv[1:]:
    print(f"{folder}\n{table(repetition(Study(Path(folder))))}\n")
