"""The ladder from the reference to the device: on which rung numbers are lost, and at which operator.

`climbing` runs the rungs, `bisection` finds the operator, and the rest gives both sides of a bisection as traces: every
tensor that a graph makes, in the order in which it makes them. `python -m export.ladder BUNDLE` is the command.
"""
