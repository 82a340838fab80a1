"""The payload that runs inside the target: standard library only, Python 3.7 syntax, sent as source text."""
