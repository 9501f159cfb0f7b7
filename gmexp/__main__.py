"""`python -m gmexp` is `gmexp`."""

import sys

from gmexp.cli import main

sys.exit(main())
