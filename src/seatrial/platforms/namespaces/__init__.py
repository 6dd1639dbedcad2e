"""Networks of processes in namespaces of their own (containers, `ip netns`): impaired there, from this machine, as root.

Nothing is installed in a namespace: the machine's own iptables and tc run in it. Whatever is done carries a tag, by which it is found and
removed again, by whoever comes to do so.
"""

from __future__ import annotations
