"""Everything that the README shows of what was measured: how it is measured, kept, and written between its markers."""
