"""Checks of what a target makes of the graph: which operators run where they should, and which do not."""
