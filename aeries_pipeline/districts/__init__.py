"""Districts: who they are, when their servers may be contacted, and how each is configured.

The roster and everything that is read from it: pull windows, holidays, addresses,
certificates, channels for notices. Knows no HTTP and no Dagster.
"""
