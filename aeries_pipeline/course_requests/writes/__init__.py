"""Writing course requests through Aeries' own API, where a district has settled that.

One student at a time, inside the pull window, and never anything that no dry run has shown.
Nothing is deleted, and no course of a request is changed: what others have entered stays.
"""
