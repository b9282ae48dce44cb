"""The way out of the door: finished files reach their receiver, whole or not at all.

What is sent, whether it is late and when to try again are pure functions
(``decide``). A ``Remote`` is a place where files can be put, and there is one for
each way (``sftp``, ``ftps``, ``s3``, ``folder``); ``place`` puts a set there, all
files or none; ``ledger`` keeps what was sent; ``deliver`` is the whole of it.
"""
