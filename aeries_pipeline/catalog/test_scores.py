"""Results of standardised tests, one row for each part of a test.

The vendor publishes this end point for one student of the district. That 0 stands for everybody,
as with enrollment and extended student data, is inferred; a site that answers it with nothing
is refused, and not taken for a district without tests.
"""

from __future__ import annotations

from aeries_pipeline.catalog.fields import decimal, integer, nested, text, timestamp
from aeries_pipeline.catalog.resource import Area, Covers, Feed, Grain, Reference, Resource

FIELDS = (
    integer(
        "StudentID",
        "TST.ID",
        "Identifies the person in the whole district; one person may own several rows",
        required=True,
        minimum=1,
    ),
    nested("Scores", "", "Type and score, such as ScaleScore; a test has several"),
    integer(
        "SequenceNumber", "TST.SQ", "Part of the key, without a meaning of its own", required=True
    ),
    text("TestID", "TST.TI", "Such as CELDT", required=True),
    text("TestPart", "TST.PT", "Part of the test; 0 is the whole"),
    text("TestDescription"),
    decimal("GradeLevel", "TST.GR", "Grade of the student when the test was taken"),
    text("TestingAdministration", "TST.TA"),
    timestamp("TestDate", "TST.TD"),
    text("TestTypeCode", "TST.TY"),
    text("TestSourceCode", "TST.SO"),
)


TEST_SCORES = Resource(
    name="test_scores",
    title="Results of standardised tests of each student",
    path="students/0/tests",
    grain=Grain.DISTRICT,
    fields=FIELDS,
    key=("StudentID", "SequenceNumber"),
    area=Area("Test Scores", "Test Scores"),
    references=(Reference("StudentID", "students", "StudentID"),),
    optional=True,
    may_be_empty=False,
    feed=Feed(
        "StudentDataChanges/test", "StudentID", "StudentID", "students/{key}/tests", Covers.RECORD
    ),
    source="https://support.aeries.com/support/solutions/articles/14000113683",
)
