"""The cloud's program: hub, object store, registry and event log in one process."""
