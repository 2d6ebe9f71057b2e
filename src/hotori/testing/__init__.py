"""Contract suites, builders and a fleet of devices, for our tests and for anyone who writes an adapter."""
