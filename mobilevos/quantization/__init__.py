"""Int8: one specification, and the ranges that every target is given."""
