"""Submissions: a folder with a manifest, a method's source and its records; packing, checking and verifying one."""
