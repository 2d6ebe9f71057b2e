"""The standard modules. They use only what a stranger's module may use."""
