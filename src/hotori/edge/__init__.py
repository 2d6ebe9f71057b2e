"""The device's program: agent, hub and workload API in one process."""
