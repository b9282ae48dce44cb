"""Telling people that something failed: by e-mail, Slack or Teams.

``channels`` is the roster's configuration, ``notice`` what is said and to whom,
``deliver`` how it gets there. No notice contains a student's value or a secret.
"""
