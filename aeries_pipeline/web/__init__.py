"""Pages for people, in a browser and without Dagster: read only.

What the pages say is made by the other rooms; here is how it is served. Nothing
here changes anything, and no page names a student.
"""
