"""Measured, beside named peers, in the same run. `make bench`, or `make bench ONLY=name`."""
