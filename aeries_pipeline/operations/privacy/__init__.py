"""Deleting a student or a district, and deleting what is old.

``forget`` removes somebody from every file and proves it by a search;
``prune`` applies the roster's retention settings. Why: FERPA and the contract
terms of California AB 1584 and SB 1177, see ``SECURITY.md`` and
``docs/data-flow.md``.
"""
