"""`python -m mobilevos`, the same as `mobilevos`."""

import sys

from mobilevos.cli import main

if __name__ == "__main__":
    sys.exit(main())
