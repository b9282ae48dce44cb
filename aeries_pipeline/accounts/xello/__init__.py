"""The files that Xello imports for a district, made from accounts and raw tables.

``layout`` is Xello's file specification as data, ``contents`` the queries,
``deliver`` writes a delivery completely or not at all. Nothing here knows Dagster,
sends anything anywhere or decides about an account.
"""
