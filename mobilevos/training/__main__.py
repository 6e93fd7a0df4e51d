"""`python -m mobilevos.training stage=... key=value`, the same as `mobilevos train`."""

from mobilevos.cli import main

if __name__ == "__main__":
    main(["train"])
