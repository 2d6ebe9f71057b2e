"""Web pages over the cloud's public functions."""
