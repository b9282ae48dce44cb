"""A pull: from a district's server to the warehouse, without Dagster.

Joins the API client, the catalog and the warehouse. ``session`` prepares a
district, ``landing`` keeps the responses as received, ``pull`` takes one resource
of a list of schools all the way.
"""
