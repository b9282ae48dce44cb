"""What analysts read: views over the warehouse, what their columns mean, and small cells.

Queries and words only; ``publishing`` copies them to where analysts open them. No view
has a name or an address except the one that exists for it.
"""
