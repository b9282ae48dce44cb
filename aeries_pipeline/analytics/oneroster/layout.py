"""The CSV binding of OneRoster 1.2 as data: files, their columns in order, the manifest.

From the 1EdTech OneRoster 1.2 CSV binding. A package that replaces everything is
``bulk``: its columns ``status`` and ``dateLastModified`` are there and blank.
"""

from __future__ import annotations

_ALWAYS = ("sourcedId", "status", "dateLastModified")

COLUMNS: dict[str, tuple[str, ...]] = {
    "academicSessions": (
        *_ALWAYS, "title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear",
    ),
    "classes": (
        *_ALWAYS, "title", "grades", "courseSourcedId", "classCode", "classType", "location",
        "schoolSourcedId", "termSourcedIds", "subjects", "subjectCodes", "periods",
    ),
    "courses": (
        *_ALWAYS, "schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId",
        "subjects", "subjectCodes",
    ),
    "demographics": (
        *_ALWAYS, "birthDate", "sex", "americanIndianOrAlaskaNative", "asian",
        "blackOrAfricanAmerican", "nativeHawaiianOrOtherPacificIslander", "white",
        "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity", "countryOfBirthCode",
        "stateOfBirthAbbreviation", "cityOfBirth", "publicSchoolResidenceStatus",
    ),
    "enrollments": (
        *_ALWAYS, "classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary",
        "beginDate", "endDate",
    ),
    "orgs": (*_ALWAYS, "name", "type", "identifier", "parentSourcedId"),
    "roles": (
        *_ALWAYS, "userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId",
        "userProfileSourcedId",
    ),
    "users": (
        *_ALWAYS, "enabledUser", "username", "userIds", "givenName", "familyName", "middleName",
        "identifier", "email", "sms", "phone", "agentSourcedIds", "grades", "password",
        "userMasterIdentifier", "resourceSourcedIds", "preferredGivenName",
        "preferredMiddleName", "preferredFamilyName", "primaryOrgSourcedId", "pronouns",
    ),
}  # fmt: skip
"""Files that are written, with their columns."""

_OTHERS = (
    "categories", "classResources", "courseResources", "lineItemLearningObjectiveIds",
    "lineItems", "lineItemScoreScales", "resources", "resultLearningObjectiveIds", "results",
    "resultScoreScales", "scoreScales", "userProfiles", "userResources",
)  # fmt: skip
"""Files of the standard that are never written: results, resources, and names for logging in."""


def manifest(written: set[str]) -> list[tuple[str, str]]:
    """Return the lines of ``manifest.csv`` of a package with these files."""
    modes = {name: "bulk" if name in written else "absent" for name in (*COLUMNS, *_OTHERS)}
    return [
        ("propertyName", "value"),
        ("manifest.version", "1.0"),
        ("oneroster.version", "1.2"),
        *((f"file.{name}", mode) for name, mode in sorted(modes.items())),
        ("source.systemName", "aeries_pipeline"),
        ("source.systemCode", ""),
    ]
