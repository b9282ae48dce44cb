"""Course requests: from a file in a district's inbox to one state for each request.

``reading`` and ``columns`` turn a file into rows, ``target`` and ``rules``
decide about one student's requests (pure), ``evidence`` asks the warehouse,
``compute`` writes, ``inbox`` moves files. Files for Aeries are in ``sss``.
"""
