"""The fault proxy: a process between the services of a local stack that can slow down, hold and cut what passes, and counts it.

One process serves all links of a stack. What travels is passed on as it comes while nothing is impaired; TLS and HTTP/2 pass untouched.
"""
