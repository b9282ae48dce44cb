"""What an operator sees of all districts at once, made from the ledger.

``status`` reads the ledger into one value for each district, ``page`` renders
them as Markdown and HTML. No value of a student, and no request to a server.
"""
