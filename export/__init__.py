"""Lowering a trained student to mobile runtimes: `python -m export.<target>`."""
