"""Read-only pages for people, in a browser and without Dagster.

The other packages make the content; this one serves it. Nothing here changes
anything, and no page names a student.
"""
