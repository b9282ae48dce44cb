"""Account lifecycle: who needs an account, where, and what must change.

The decision for one student (``decide``), the bounds on a whole batch
(``safeguards``) and what a pull proves (``evidence``) are pure functions.
``candidates`` finds in DuckDB the students to decide about, ``compute`` does
everything in one transaction, ``review`` lets a person approve or reject what
was held. Nothing here knows Dagster or sends a request.
"""
