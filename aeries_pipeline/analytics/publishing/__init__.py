"""The analysts' copy: what is in it, when it is made, and how it appears.

``contents`` fills a new database, ``publish`` puts it in the place of the last one,
``due`` decides when. The views themselves are in ``analytics``.
"""
