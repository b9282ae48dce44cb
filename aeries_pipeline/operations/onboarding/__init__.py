"""Getting a new district to work on the first evening.

``network`` checks the connection to the server, ``aeries`` asks the site itself,
``check`` runs both in order and stops at the first thing that blocks the
rest, ``message`` says what to write to the district, ``entry`` turns an e-mail
into a roster entry. Nothing here loads data or knows Dagster.
"""
