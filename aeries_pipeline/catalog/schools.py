"""The schools of a district, pseudo-schools included."""

from __future__ import annotations

from aeries_pipeline.catalog.fields import boolean, integer, nested, text
from aeries_pipeline.catalog.resource import Grain, Resource

FIELDS = (
    integer("SchoolCode", "LOC.CD", "Aeries code of the school", required=True),
    text("Name", "LOC.NM", required=True),
    text("ShortName"),
    text(
        "InactiveStatusCode",
        "LOC.TG",
        "Blank means active; any other code means not active",
        required=True,
    ),
    text("Address", "LOC.AD"),
    text("AddressCity", "LOC.CY"),
    text("AddressState", "LOC.ST"),
    text("AddressZipCode", "LOC.ZC"),
    text("AddressZipExt", "LOC.ZX"),
    text("PhoneNumber", "LOC.AC+LOC.TL"),
    boolean("DoNotReport", "LOC.DNR", "Left out of state reporting, as virtual schools are"),
    text("StateCountyID", "LOC.CC"),
    text("StateDistrictID", "LOC.DC"),
    text("StateSchoolID", "LOC.SC"),
    integer("LowGradeLevel", "LOC.LO", "Lowest grade taught", required=True),
    integer("HighGradeLevel", "LOC.HI", "Highest grade taught", required=True),
    nested("Terms", "", "Terms of the school, as in the resource terms"),
    text("PrincipalName", "LOC.PR"),
    text("PrincipalEmailAddress", "LOC.PEM"),
    integer("AttendancePeriod", "LOC.J"),
    integer("Tracks", "LOC.K"),
    text("ScheduleType", "LOC.E"),
    text("SessionType", "LOC.U"),
    text("AttendanceType", "LOC.A"),
    text("AttendanceReporting", "LOC.B"),
    text("ScheduleBasis", "LOC.Q"),
    text("RegionCode", "LOC.RC"),
    text("StateCharterNumber", "LOC.CH"),
    text("CharterStatusCode", "LOC.CHS"),
    text("FederalTaxID", "LOC.FID"),
    text("FederalInformationProcessingStandardsCode", "LOC.FC"),
    text("QualityRatingAndImprovementSystemParticipationCode", "LOC.QRS"),
    text("AccreditationStatusCode", "LOC.ACC"),
    text("SchoolWebsite", "LOC.WS"),
    text("OrganizationCategoryCode", "LOC.CSA"),
    text("SchoolCategoryCode", "LOC.CT"),
    text("LocalEducationAgencyTypeCode", "LOC.DTY"),
    text("TitleIPartACode", "LOC.T1"),
    text("NSLPStatusCode", "LOC.NLP"),
    text("NCESSchoolID", "LOC.NDS"),
    text("CollegeBoardSchoolCode"),
    text("CampusEnrollmentTypeCode"),
    text("PreKSchoolTypeCode"),
    boolean("EarlyCollegeHighSchoolIndicator"),
    boolean("ScienceTechnologyEngineeringAndMathematicsIndicator"),
    boolean("PathwaysInTechnologyIndicator"),
    boolean(
        "UsingSectionStaffInMasterSchedule",
        "",
        "Whether sections of the master schedule name staff instead of teacher numbers",
    ),
    boolean(
        "UsingSectionStaffInScheduling",
        "",
        "Whether sections in scheduling name staff instead of teacher numbers",
    ),
)


SCHOOLS = Resource(
    name="schools",
    title="Schools of the district with grades, terms and reporting flags",
    path="schools",
    grain=Grain.DISTRICT,
    fields=FIELDS,
    key=("SchoolCode",),
    may_be_empty=False,
    personal=False,
    source="https://support.aeries.com/support/solutions/articles/14000113682",
)
