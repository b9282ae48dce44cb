"""The store of many machines: files in object storage, leases and a ledger in Postgres.

The file in object storage is the authority, the ledger in Postgres follows.
Imported only where the environment names both, see ``place``; needs the extra
``aeries-pipeline[cluster]``.
"""
