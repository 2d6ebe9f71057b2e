"""Pictures and models: train, evaluate, export, predict."""
