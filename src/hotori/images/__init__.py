"""The image registry (OCI distribution), the image builder (no engine, no daemon), and the client that pulls."""
