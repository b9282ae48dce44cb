"""A second, small Aeries server, which reads the reference in the other possible way.

It was written from the reference and its samples alone, without a look at the
emulator, so that what the two have in common was not decided by one mind.
Wherever the reference leaves something open, it can do either; the table in
``docs/resources.md`` says what is made of each.
"""
