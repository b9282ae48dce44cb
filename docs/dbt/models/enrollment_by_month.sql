-- The last count of each month, with the change since the month before.
with last_of_month as (
    select
        district, school, grade, date_trunc('month', day) as month,
        max_by(students, day) as students
    from {{ source('analytics', 'enrollment_by_day') }}
    group by all
)

select
    *,
    students - lag(students) over (partition by district, school, grade order by month) as change
from last_of_month
