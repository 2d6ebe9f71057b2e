"""What runs modules: one port, several engines. A runtime will not decide what should run: the agent does."""
