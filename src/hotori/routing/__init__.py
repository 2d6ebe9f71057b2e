"""Routes: a grammar, a condition language, and the decision where a message goes.

It will not deliver anything: it answers with names of endpoints.
"""
