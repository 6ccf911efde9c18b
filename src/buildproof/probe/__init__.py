"""The probe: PID 1 of a pod, watching one build from the kernel's side.

Runs inside the probe container: standard library only, and nothing of the rest of buildproof. Every event is one
JSON line on stdout; `protocol.py` on the client's side reads them.
"""
