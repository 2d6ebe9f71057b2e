"""Listeners, TLS and the installation's own certificate authority."""
