"""Acts of care staff concerning a record. Each act writes its own table and its audit, never a record."""

from gateway.care.following import follow
from gateway.care.permission import Statement, checked, may_record, permit

__all__ = ["Statement", "checked", "follow", "may_record", "permit"]
