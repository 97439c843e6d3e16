"""Dashboards as code: one module each, one function per panel."""
