"""Deployments at scale as a pure core: which content a device should have, and which devices come next."""
