"""The hub's HTTPS API: for services and tools, and for edge devices about themselves (contract 2, 6.5, 11.2)."""
