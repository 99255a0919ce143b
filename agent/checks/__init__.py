"""Everything a start needs, tried for real, one finding each: what `cosmic-agent check` says."""

from agent.checks.all import check_all
from agent.checks.finding import Finding, Verdict

__all__ = ["Finding", "Verdict", "check_all"]
