"""``python -m gateway`` is the ``gateway`` command."""

import sys

from gateway.commands import main

sys.exit(main())
