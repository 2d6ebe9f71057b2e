"""The message hub: written once, hosted twice, by the cloud and by the edge, with other endpoints."""
