"""What people do around the pulls: adding districts, monitoring, notifications, deletion.

Onboarding, the state of all districts, notices and privacy. Knows no Dagster.
"""
