"""Grade point averages and ranks."""

from __future__ import annotations

from aeries_pipeline.catalog.common import RECORDS, STUDENT_AT_SCHOOL, STUDENT_DATA
from aeries_pipeline.catalog.fields import decimal, integer
from aeries_pipeline.catalog.resource import Grain, Reference, Resource

FIELDS = (
    *STUDENT_AT_SCHOOL,
    integer("ClassRank", "STU.CR", "Rank by cumulative GPA; 0 where not calculated"),
    integer("ClassSize", "STU.CS"),
    integer("ClassRank1012", "STU.UR"),
    decimal("GPA_CumulativeAcademic", "STU.GP"),
    decimal("GPA_CumulativeAcademicNonWeighted", "STU.GPN"),
    decimal("GPA_CumulativeTotal", "STU.TP"),
    decimal("GPA_CumulativeTotalNonWeighted", "STU.TPN"),
    decimal("GPA_CumulativeAcademic1012", "STU.CP"),
    decimal("GPA_CumulativeAcademic1012NonWeighted", "STU.CPN"),
    decimal("GradePointsCumulative", "STU.PTS"),
    decimal("GPA_UC_Preliminary", "STU.PUC"),
    decimal("GPA_CSU_Preliminary", "STU.PCS"),
    decimal("GPA_CumulativeCitizenship", "STU.CCG"),
    decimal("GPA_GradeReportingCitizenship", "STU.GCG"),
    decimal("CreditsAttempted", "STU.CA"),
    decimal("CreditsCompleted", "STU.CC"),
    decimal("GPA_GradeReportingAcademic", "STU.GG"),
    decimal("GPA_GradeReportingAcademicNonWeighted", "STU.GGN"),
    decimal("GPA_GradeReportingTotal", "STU.GT"),
    decimal("GPA_GradeReportingTotalNonWeighted", "STU.GTN"),
    integer("GradeReportingClassRank", "STU.GK"),
    integer("GradeReportingClassSize", "STU.GS"),
    decimal("GradeReportingCreditsAttempted", "STU.GA"),
    decimal("GradeReportingCreditsCompleted", "STU.GD"),
)


GPAS = Resource(
    name="gpas",
    title="Grade point averages, class ranks and credits",
    path="schools/{school}/gpas",
    grain=Grain.SCHOOL,
    fields=FIELDS,
    key=("SchoolCode", "StudentID"),
    area=STUDENT_DATA,
    paging=RECORDS,
    references=(Reference("StudentID", "students", "StudentID", same_school=True),),
    source="https://support.aeries.com/support/solutions/articles/14000113685",
)
