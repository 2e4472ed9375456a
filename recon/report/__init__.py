"""report.html: what a run saw, made and lacks, in one file for people. Nothing in it is fetched."""

from recon.report.journal import Journal
from recon.report.write import write_report

__all__ = ["Journal", "write_report"]
