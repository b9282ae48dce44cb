"""Writing course requests through Aeries' own API, if a district has turned that on.

One student at a time, inside the pull window, and never anything that a dry run has not shown.
Nothing is deleted, and no request's course is changed: what others have entered stays.
"""
