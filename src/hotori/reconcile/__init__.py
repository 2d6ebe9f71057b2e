"""From what is desired and what is observed, at a given time, to a plan of steps.

A plan is data. This package will not perform it, nor look at the world: the agent does both.
"""
