"""A published district as a OneRoster 1.2 CSV package, for other tools.

``layout`` is the CSV binding of 1EdTech as data, ``rows`` the queries on a
published district, ``export`` writes the package whole or not at all.
"""
