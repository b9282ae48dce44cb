"""Sending finished files to their receiver, completely or not at all.

What is sent, whether it is late and when to retry are pure functions
(``decide``). A ``Remote`` is a place that files can be put in, one for each
protocol (``sftp``, ``ftps``, ``s3``, ``folder``); ``place`` puts a set there, all
files or none; ``ledger`` records what was sent; ``deliver`` runs it all.
"""
