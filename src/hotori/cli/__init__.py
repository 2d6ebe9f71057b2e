"""The `hotori` command: noun then verb, for people and scripts."""
