"""`python -m mobilevos.training stage=... key=value`, the same as `mobilevos train`."""

import sys

from mobilevos.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
