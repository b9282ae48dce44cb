"""What each end point of the emulated API answers, as JSON text.

One function for each resource: rows in, rendered elements out. Paging, rights
and faults are the server's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from aeries_pipeline.emulator.academics import Academics, Seat, Section
from aeries_pipeline.emulator.curriculum import AREAS, Course
from aeries_pipeline.emulator.district import INACTIVE_SCHOOL, District, Entered, Row, School
from aeries_pipeline.emulator.people import STREETS, grade_words
from aeries_pipeline.emulator.switches import Switches
from aeries_pipeline.emulator.templates import Template, array

SCHOOL = Template(
    "schools",
    (
        "SchoolCode Name ShortName InactiveStatusCode Address AddressCity AddressState "
        "AddressZipCode DoNotReport StateCountyID StateDistrictID StateSchoolID LowGradeLevel "
        "HighGradeLevel Terms PrincipalName ScheduleType SessionType AttendanceType "
        "AttendanceReporting ScheduleBasis PhoneNumber CollegeBoardSchoolCode"
    ).split(),
)
TERM = Template("terms", "TermCode TermDescription StartDate EndDate TrackTerms".split())
STUDENT = Template(
    "students",
    (
        "StudentID SchoolCode StudentNumber StateStudentID LastName FirstName Gender Grade "
        "GradeLevelShortDescription GradeLevelLongDescription Birthdate ParentGuardianName "
        "HomePhone MailingAddress MailingAddressCity MailingAddressState MailingAddressZipCode "
        "ResidenceAddress ResidenceAddressCity ResidenceAddressState ResidenceAddressZipCode "
        "EthnicityCode RaceCode1 SchoolEnterDate SchoolLeaveDate DistrictEnterDate CounselorNumber "
        "StudentPersonalEmailAddress AttendanceProgramCodePrimary InactiveStatusCode FamilyKey "
        "HomeLanguageCode LanguageFluencyCode StudentEmailAddress EarlyWarningPoints "
        "NextSchoolCode NextGrade NextGradeLevelShortDescription NextGradeLevelLongDescription"
    ).split(),
    fixed={
        "HighSchedulingPeriod": 9,
        "HomeRoomTeacherNumber": "0",
        "CorrespondenceLanguageCode": "00",
    },
)
EXTENDED = Template(
    "students_extended",
    (
        "StudentID SchoolCode StudentNumber StateStudentID GraduationCohort "
        "InitialNinthGradeEntryYear SchoolMobility DistrictMobility NextGrade NextSchool "
        "ResidenceSchool SchoolCompletionDate SchoolCompletionStatusCode "
        "EnglishLearnerProgramCode BirthStateCode BirthCountryCode"
    ).split(),
)
GPA = Template(
    "gpas",
    (
        "StudentID SchoolCode ClassRank ClassSize GPA_CumulativeAcademic "
        "GPA_CumulativeAcademicNonWeighted GPA_CumulativeTotal GPA_CumulativeTotalNonWeighted "
        "CreditsAttempted CreditsCompleted"
    ).split(),
)
CLASS = Template(
    "classes",
    "StudentID SchoolCode SequenceNumber SectionNumber CourseID DateStarted DateEnded".split(),
)
COURSE = Template(
    "courses",
    (
        "ID Title LongDescription InactiveStatusCode DepartmentCode SubjectArea1Code CreditDefault "
        "CreditMax TermTypeCode LowGrade HighGrade NonAcademicOrHonorsCode "
        "CollegePrepIndicatorCode StateCourseCode "
        "UC_SubjectAreaCode CSU_SubjectAreaCode DefaultMaxStudents"
    ).split(),
)
TRANSCRIPT = Template("transcripts", "StudentID CourseGrades SchoolCode".split())
REQUIREMENT = Template(
    "graduation_requirements", "SubjectAreas SchoolCode GraduationRequirementTrack".split()
)
REQUIREMENT_AREA = Template(
    "graduation_requirements",
    (
        "SubjectAreaCode SubjectAreaDescription RequiredCreditFor12thGraders "
        "RequiredCreditFor11thGraders RequiredCreditFor10thGraders RequiredCreditFor9thGraders"
    ).split(),
    inner="SubjectAreas",
)
STATUS = Template("graduation_status", "StudentID SubjectAreas SchoolCode".split())
STATUS_AREA = Template(
    "graduation_status",
    (
        "SubjectAreaCode SubjectAreaDescription CreditsRequired CreditsCompleted "
        "CreditsCurrentlyEnrolled CreditsNeeded"
    ).split(),
    inner="SubjectAreas",
)
SECTION = Template(
    "sections",
    (
        "SchoolCode SectionNumber CourseID Period PeriodBlock Semester ClassCalendar "
        "SectionStaffMembers Room Credit LowGrade HighGrade MaxStudents TotalStudents"
    ).split(),
)
SECTION_STAFF = Template(
    "sections",
    "StaffID LastName FirstName IsPrimaryTeacher".split(),
    inner="SectionStaffMembers",
)
STAFF = Template(
    "staff",
    (
        "ID FirstName LastName NameSuffix Title EmailAddress PrimaryAeriesSchool "
        "InactiveStatusCode HireDate FullTimePercentage SchoolAccessPermissions"
    ).split(),
)
STAFF_ACCESS = Template(
    "staff", "SchoolCode ReadOnlyAccess CommunicationGroup".split(), inner="SchoolAccessPermissions"
)
CONTACT = Template(
    "contacts",
    (
        "StudentID SchoolCode SequenceNumber ContactOrder MailingName FirstName LastName "
        "RelationshipToStudentCode CellPhone EmailAddress LivesWithStudentIndicator"
    ).split(),
)
PROGRAM = Template(
    "programs",
    "StudentID ProgramCode ProgramDescription EligibilityStartDate ExtendedProperties".split(),
)
ENROLLMENT = Template(
    "enrollment",
    (
        "StudentID SchoolCode StudentNumber AcademicYear Grade EnterDate LeaveDate ExitReasonCode "
        "AttendanceProgramCode"
    ).split(),
)
CALENDAR = Template(
    "calendar",
    "SchoolCode CalendarDayNumber CalendarDate HolidayCode AttendanceMonth TrackHolidays".split(),
)
REQUEST = Template(
    "course_requests",
    "StudentID AlternateCourseRequests SchoolCode SequenceNumber SectionNumber CourseID".split(),
)
ALTERNATE = Template(
    "alternate_course_requests",
    "StudentID SchoolCode SequenceNumber CourseID PrioritySortOrder".split(),
)
STAFF_OF_A_SCHOOL = 60


class Endpoints:
    """Renders the answers of one district.

    Args:
        district: The state of today.
        switches: Behaviours on which published sources disagree.
    """

    def __init__(self, district: District, switches: Switches) -> None:
        """Start with empty caches."""
        self.district = district
        self.switches = switches
        self._academics: tuple[int, Academics] = (district.year, Academics(district))

    @property
    def academics(self) -> Academics:
        """Histories and schedules of this school year."""
        if self._academics[0] != self.district.year:
            self._academics = (self.district.year, Academics(self.district))
        return self._academics[1]

    # -- schools ---------------------------------------------------------

    def terms(self, school: School) -> list[str]:
        """Return the terms of a school; a code without terms has none."""
        if not school.has_terms or not (school.is_real or school.do_not_report):
            return []
        y = self.district.year
        spans = [
            ("1", "1st Quarter", date(y, 8, 20), date(y, 10, 16)),
            ("2", "2nd Quarter", date(y, 10, 19), date(y, 12, 19)),
            ("F", "Fall", date(y, 8, 20), date(y, 12, 19)),
            ("S", "Spring", date(y + 1, 1, 5), date(y + 1, 6, 10)),
            ("Y", "Year", date(y, 8, 20), date(y + 1, 6, 10)),
        ]
        return [TERM(code, name, start, end, []) for code, name, start, end in spans]

    def school(self, school: School) -> str:
        """Return one school."""
        kind = "Flexible" if school.flexible else "MasterSchedule"
        return SCHOOL(
            school.code, school.name, school.name.split()[0] if school.is_real else "", school.tag,
            f"{6000 + school.code} {STREETS[school.code % 5]}", "Eagle Rock", "CA",
            f"95{school.code:03}", school.do_not_report, "65", "99999", f"{school.code:07}",
            school.low, school.high, array(self.terms(school)), "Dr. Robin Example",
            kind, "Regular", "Period" if school.kind == "high" else "Daily", "Negative",
            "Semester", f"555555{school.code:04}", f"123{school.code:03}" if school.is_real else "",
        )  # fmt: skip

    def calendar(self, school: School) -> list[str]:
        """Return the weekdays of the school year."""
        found: list[str] = []
        day = date(self.district.year, 8, 20)
        while len(found) < 195:
            if day.weekday() < 5:
                number = len(found) + 1
                holiday = "#" if (day.month, day.day) in {(11, 11), (12, 25), (1, 1)} else ""
                found.append(
                    CALENDAR(school.code, number, day, holiday, 1 + (number - 1) // 20, [])
                )
            day += timedelta(days=1)
        return found

    # -- students --------------------------------------------------------

    def student(self, row: Row) -> str:
        """Return one student row."""
        person = row.person
        short, long = grade_words(row.grade)
        next_short, next_long = grade_words(row.next_grade)
        street = f"{person.id % 9000 + 100} {STREETS[person.id % 5]}"
        zip_code = f"95{row.school:03}"
        login = f"{person.first}.{person.id}".lower()
        points = round((1 - person.ability) * 60, 1)
        blank = " " if self.switches.blank_is_space and not row.tag else row.tag
        return STUDENT(
            person.id, row.school, row.number, person.state_id, person.last, person.first,
            person.gender, row.grade, short, long, person.birthdate, f"M/M {person.last}",
            f"555{person.id % 10**7:07}", street, "Eagle Rock", "CA", zip_code, street,
            "Eagle Rock", "CA", zip_code, "Y" if person.id % 3 else "N", "700", row.entered,
            row.left, row.entered if person.id % 11 else None, row.school * 1000 + person.id % 7,
            "" if person.id % 4 else f"{login}@example.net", row.program, blank, person.family,
            "01" if person.id % 3 else "00", "E", f"{login}@students.example.org", points,
            row.next_school, row.next_grade, next_short, next_long,
        )  # fmt: skip

    def extended(self, row: Row) -> str:
        """Return the further fields of one student row."""
        ninth = self.district.year - (row.grade - 9)
        entry = f"{ninth}-{ninth + 1}" if row.grade >= 9 else ""
        cohort = f"{ninth + 3}-{ninth + 4}" if row.grade >= 9 else ""
        done = row.school == INACTIVE_SCHOOL and row.grade >= 12
        return EXTENDED(
            row.person.id, row.school, row.number, row.person.state_id, cohort, entry,
            min(row.grade, 9), 0, row.next_grade, row.next_school, row.school,
            date(self.district.year, 6, 10) if done else None, "100" if done else "", " ",
            "CA", "US",
        )  # fmt: skip

    def gpa(self, row: Row) -> str:
        """Return one student's grade points."""
        academic, total, attempted, completed = self.academics.grade_points(row)
        size = len(self.district.rows[row.school])
        rank = row.number % size + 1 if attempted else 0
        return GPA(
            row.person.id, row.school, rank, size, academic, academic, total, total, attempted,
            completed,
        )  # fmt: skip

    def transcript(self, row: Row) -> str:
        """Return one student with every transcript line."""
        return TRANSCRIPT(row.person.id, array(self.academics.transcript_json(row)), row.school)

    def graduation_status(self, row: Row) -> str:
        """Return one student's credits by subject area."""
        names = {code: name for code, name, _credits, _topics in AREAS}
        areas = [
            STATUS_AREA(code, names[code], *numbers)
            for code, numbers in self.academics.credits_by_area(row).items()
        ]
        return STATUS(row.person.id, array(areas), row.school)

    def graduation_requirements(self, school: School) -> list[str]:
        """Return the requirements of a high school; other schools have none."""
        if school.kind != "high":
            return []
        areas = array(
            [
                REQUIREMENT_AREA(code, name, *(float(credit) for credit in required))
                for code, name, required, _topics in AREAS
            ]
        )
        return [REQUIREMENT(areas, school.code, "")]

    def contact(self, row: Row) -> list[str]:
        """Return the contacts of one student."""
        person = row.person
        return [
            CONTACT(
                person.id, row.school, number, number, f"{name} {person.last}", name, person.last,
                code, f"555{person.id % 10**7:07}", f"{name}.{person.id}@example.net".lower(), "Y",
            )
            for number, (name, code) in enumerate((("Alex", "10"), ("Sam", "11")), start=1)
        ]  # fmt: skip

    def program(self, row: Row) -> list[str]:
        """Return the programs of one student: most have none."""
        if row.person.id % 9:
            return []
        properties = array(['{"Name":"DisabilityCode","Value":"240"}'])
        start = date(self.district.year, 8, 20)
        found = [PROGRAM(row.person.id, "127", "Gifted and Talented", start, [])]
        if not row.person.id % 27:
            found.append(PROGRAM(row.person.id, "144", "Special Education", start, properties))
        return found

    def enrollment(self, row: Row, year: int) -> list[str]:
        """Return the enrollment history of one row in one school year."""
        if row.tag == "*" or year != self.district.year:
            return []
        return [
            ENROLLMENT(
                row.person.id, row.school, row.number, str(year), row.grade,
                max(row.entered, date(year, 8, 20)), row.left, "E160" if row.left else "",
                row.program,
            )
        ]  # fmt: skip

    # -- scheduling ------------------------------------------------------

    def seat(self, seat: Seat) -> str:
        """Return one line of a student's class schedule."""
        return CLASS(
            seat.row.person.id, seat.row.school, seat.sequence, seat.section.number,
            seat.section.course.id, seat.started, seat.ended,
        )  # fmt: skip

    def course(self, course: Course) -> str:
        """Return one course of the catalogue."""
        college = "P" if course.area in "ADEG" and course.area else ""
        return COURSE(
            course.id, course.title, course.title, course.tag, course.area, course.area,
            course.credit, course.credit * 2, "Y", course.low, course.high,
            "H" if course.title.startswith("Calc") else "", college, f"24{course.id[:2]}",
            course.area.lower() if college else "", course.area.lower() if college else "", 32,
        )  # fmt: skip

    def section(self, school: School, section: Section, taken: int) -> str:
        """Return one section of the master schedule."""
        teacher = array([SECTION_STAFF(section.staff, "Example", "Robin", True)])  # noqa: FBT003
        return SECTION(
            school.code, section.number, section.course.id, str(section.period), 1, "Y", "MTWTF",
            teacher, f"{section.period}{section.number % 40:02}", section.course.credit,
            section.course.low, section.course.high, 36, taken,
        )  # fmt: skip

    def staff(self) -> list[str]:
        """Return the staff of the district: sixty for each school."""
        return [
            STAFF(
                school.code * 1000 + number, "Robin", f"Example {number}", " ", "Teacher",
                f"staff{school.code * 1000 + number}@example.org", school.code,
                " " if number % 2 else "", date(2015, 8, 1), 100,
                array([STAFF_ACCESS(school.code, False, False)]),  # noqa: FBT003
            )
            for school in self.district.real_schools()
            for number in range(STAFF_OF_A_SCHOOL)
        ]  # fmt: skip

    def _requested(self, row: Row) -> Sequence[Course]:
        wanted = min(row.grade + 1, 12)
        offered = [c for c in self.district.courses if c.low <= wanted <= c.high and c.area]
        first = row.person.id % max(len(offered) - 4, 1)
        return offered[first : first + 3]

    def requests(self, row: Row) -> list[str]:
        """Return the course requests of one student for next year."""
        return [self.request(row, number) for number in self.courses_of(row)]

    def request(self, row: Row, number: int) -> str:
        """Return one course request of a student."""
        linked = self.links_of(row, number)
        alternates = [self.alternate(row, one) for one in self.alternates_of(row) if one in linked]
        course = self.courses_of(row)[number]
        return REQUEST(row.person.id, array(alternates), row.school, number, 0, course)

    def alternates(self, row: Row) -> list[str]:
        """Return the alternate requests of one student for next year."""
        return [self.alternate(row, number) for number in self.alternates_of(row)]

    def alternate(self, row: Row, number: int) -> str:
        """Return one alternate request of a student."""
        course, order = self.alternates_of(row)[number]
        return ALTERNATE(row.person.id, row.school, number, course, order)

    def courses_of(self, row: Row) -> dict[int, str]:
        """Return the requested courses of a student by number, in whatever way they came."""
        found: dict[int, str] = {}
        if row.grade >= 8 and not row.person.id % 3 and not self.district.requests_blanked:
            courses = enumerate(self._requested(row), start=1)
            found = {number: course.id for number, course in courses}
        found |= dict(self.district.imported.get((row.school, row.person.id), []))
        return found | self._entered(row).courses

    def alternates_of(self, row: Row) -> dict[int, tuple[str, float]]:
        """Return course and sort value of a student's alternate requests, by number."""
        found: dict[int, tuple[str, float]] = {}
        if row.grade >= 8 and not row.person.id % 6 and not self.district.requests_blanked:
            found[1] = self._requested(row)[-1].id, 17.5
        return found | self._entered(row).alternates

    def links_of(self, row: Row, number: int) -> list[int]:
        """Return the alternates that are linked to a request: at first all those of others."""
        entered = self._entered(row)
        at_first = [one for one in self.alternates_of(row) if one not in entered.alternates]
        return entered.links.get(number, at_first if number == 1 else [])

    def _entered(self, row: Row) -> Entered:
        return self.district.entered.get((row.school, row.person.id), Entered())
