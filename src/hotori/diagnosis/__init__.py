"""From evidence to findings: what an exit code, a log line or an error text means, as a problem with its remedy.

It will not go and collect evidence: whoever met the failure hands it over.
"""
