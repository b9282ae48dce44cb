"""Staff of the district, to name counselors and teachers."""

from __future__ import annotations

from aeries_pipeline.catalog.common import STAFF_DATA
from aeries_pipeline.catalog.fields import boolean, integer, nested, text, timestamp
from aeries_pipeline.catalog.resource import Covers, Feed, Grain, KeySource, Resource, Table

FIELDS = (
    integer("ID", "STF.ID", "Identifies the person in the district", required=True),
    text("FirstName", "STF.FN"),
    text("LastName", "STF.LN"),
    text("MiddleName", "STF.MN"),
    text("NameSuffix"),
    text("PreviousLastName"),
    text("PreviousFirstName"),
    text("PreviousMiddleName"),
    text("Title", "STF.TI"),
    text("UserName", "UGN.UN"),
    text("EmailAddress"),
    text("AlternateEmailAddress", "STF.AEM"),
    text("NetworkLoginID", "STF.NID"),
    text("HumanResourcesSystemID", "STF.HRID"),
    integer("PrimaryAeriesSchool", "STF.PSC"),
    text("InactiveStatusCode", "STF.TG", "Blank or one space means active"),
    timestamp("HireDate", "STF.HD"),
    timestamp("LeaveDate", "STF.LD"),
    integer("FullTimePercentage", "STF.TP"),
    timestamp("BirthDate", "STF.BD"),
    integer("BirthYear", "STF.BY"),
    text("Gender", "STF.SX"),
    text("StateEducatorID", "STF.SID"),
    text("CellPhone", "STF.CP"),
    text("HomePhone"),
    text("Address"),
    text("AddressCity"),
    text("AddressState"),
    text("AddressZipCode"),
    text("AddressZipExt"),
    text("EmergencyContactName"),
    text("EmergencyContactPhone"),
    text("NotificationPreferenceCode", "STF.NP"),
    text("EthnicityCode"),
    text("RaceCode1"),
    text("RaceCode2"),
    text("RaceCode3"),
    text("RaceCode4"),
    text("RaceCode5"),
    text("EducationLevelCode"),
    text("PositionStatusCode"),
    integer("TotalYearsOfEduService"),
    integer("TotalYearsInThisDistrict"),
    text("EarlyChildhoodCertificationCode", "STF.ECC"),
    nested("SchoolAccessPermissions"),
    nested("ExtendedProperties", "", "Pairs of name and value"),
)

ACCESS_FIELDS = (
    integer("SchoolCode", "USR.SC", "School that the person may open", required=True),
    boolean("ReadOnlyAccess", "USR.RO"),
    boolean("CommunicationGroup", "USR.CG"),
)


SCHOOL_ACCESS = Table(
    name="staff_school_access",
    outer=tuple(f for f in FIELDS if f.name == "ID"),
    key=("ID", "SchoolCode"),
    key_source=KeySource.INFERRED,
    nested="SchoolAccessPermissions",
    inner=ACCESS_FIELDS,
)

STAFF = Resource(
    name="staff",
    title="Staff of the district",
    path="staff",
    grain=Grain.DISTRICT,
    fields=FIELDS,
    key=("ID",),
    area=STAFF_DATA,
    children=(SCHOOL_ACCESS,),
    optional=True,
    feed=Feed("StaffDataChanges", "ID", "ID", "staff/{key}", Covers.RECORD),
    source="https://support.aeries.com/support/solutions/articles/14000113687",
)
