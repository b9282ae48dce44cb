"""An operator's overview of all districts, made from the ledger.

``status`` reads the ledger into one value per district, ``page`` renders
them as Markdown and HTML. No student values, and no request to a server.
"""
