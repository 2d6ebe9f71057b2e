"""How a module or a tool talks to hub and cloud: what a stranger's program may use, and our own modules do."""
