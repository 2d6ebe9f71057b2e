"""The MQTT protocol as values: bytes in, packets out, and back.

It keeps no socket and no clock. It will not decide who may do what: that is the hub's.
"""
