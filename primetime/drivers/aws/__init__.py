"""What our AWS drivers share: libcloud's own AWS connection, mended.

One noun, one file: connection (a signed call, retried), signing, wire (parameters and XML), errors,
credentials, regions.
"""
