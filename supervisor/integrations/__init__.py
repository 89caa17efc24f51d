"""Supervisors in other people's programs: web servers, and streams for web pages."""
