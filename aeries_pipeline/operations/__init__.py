"""What people do around the pulls: adding districts, watching, being told, forgetting.

Onboarding, the state of all districts, notices and privacy. Knows no Dagster.
"""
