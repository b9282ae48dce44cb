"""Telling people that something failed: by e-mail, Slack or Teams.

``channels`` is what the roster settles, ``notice`` what is said and to whom,
``deliver`` how it gets there. No student's value and no secret goes into one.
"""
