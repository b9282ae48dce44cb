-- Seniors of each school, and how many of them lack credits for graduation. Counts, no student.
select
    district,
    school,
    school_name,
    students as seniors,
    students - students_on_track as not_on_track,
    round(100.0 * students_on_track / students, 1) as percent_on_track
from {{ source('analytics', 'on_track_by_school') }}
where grade = 12 and students > 0
