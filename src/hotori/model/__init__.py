"""The nouns: frozen values that every part shares, with the rules that are theirs alone.

Nothing here touches a clock, a socket, a disk or chance: times and random bytes are arguments. A noun will
not know how it travels (that is `mqtt`'s), where it is kept (`store`'s) or who wants it (`routing`'s).
"""
