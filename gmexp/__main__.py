"""`python -m gmexp` is `gmexp`."""

import sys

from gmexp.cli.main import main

sys.exit(main())
