"""Deployments at scale on a cloud's hub: kept, targeted, applied to twins, and watched (contract 2.7 and 3.4)."""
