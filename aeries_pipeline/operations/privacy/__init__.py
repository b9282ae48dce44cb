"""Forgetting a student or a district, and letting go of what is old.

``forget`` takes somebody out of every file and proves it by a search;
``prune`` applies the retention of the roster. Why: FERPA and the contract
terms of California AB 1584 and SB 1177, see ``SECURITY.md`` and
``docs/data-flow.md``.
"""
