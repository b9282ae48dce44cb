"""What analysts read: views over the warehouse, what their columns mean, and small cells.

Queries and words only. Copying them to where analysts open them is the work of
``publishing``; no view holds a name or an address but the one that exists for it.
"""
