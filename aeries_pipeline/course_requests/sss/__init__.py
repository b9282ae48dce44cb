"""Files of course requests that a district imports into Aeries, school by school.

``plan`` gives each request its number (pure), ``contents`` and ``script`` and
``preview`` render files, ``deliver`` reads the warehouse and writes a delivery.
"""
