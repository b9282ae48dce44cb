"""The Aeries API client: requests in, bytes and typed errors out.

Knows HTTP, the certificate header, paging and politeness. Knows nothing of
tables, Dagster or of what a resource means.
"""
