"""An emulated Aeries server: a made-up district behind the real API.

For the demo, for tests and for anybody who builds against Aeries without a
district at hand. It imports nothing else of the pipeline, so that the two can
disagree and a test can notice.
"""
