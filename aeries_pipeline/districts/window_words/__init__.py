"""The words in which districts state their pull windows, and what they mean.

Words are in ``tokens``, their order in ``grammar``. What a window is, and when
it is open, is not decided here: see ``aeries_pipeline.districts.windows``.
"""
