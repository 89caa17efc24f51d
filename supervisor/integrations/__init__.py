"""Supervisors in other people's programs: web hosts."""
