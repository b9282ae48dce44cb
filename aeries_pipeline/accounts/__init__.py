"""Account lifecycle: who needs an account, where, and what must change.

The decision for one student (``decide``), the bounds on a whole batch
(``safeguards``) and what a pull proves (``evidence``) are pure functions of
values. ``candidates`` finds in DuckDB whom to decide about, ``compute`` does it
all in one transaction, ``review`` lets a person approve or reject what was
held. Nothing here knows Dagster or sends a request.
"""
