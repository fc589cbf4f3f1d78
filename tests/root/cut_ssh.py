#!/usr/bin/python3 -IS
"""An ssh whose link breaks when a frame has come, and then lets nobody through while the file CLOSED is there.

usage: cut_ssh.py FRAME there|back pass|hold CLOSED FIRED SSH...
FRAME is in hexadecimal; what goes to the other host, or what comes back, ends with it when the link breaks. It still
passes, or does not. FIRED gets a line then.
"""
import os
import select
import subprocess
import sys

frame, way, passes, closed, fired = sys.argv[1:6]
if os.path.exists(closed):
    sys.exit("no way through")
ssh = subprocess.Popen(sys.argv[6:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
there, back = ssh.stdin.fileno(), ssh.stdout.fileno()
while True:
    for fd in select.select([0, back], [], [])[0]:
        piece = os.read(fd, 1 << 20)
        if not piece:
            sys.exit(1)
        cut = fd == (0 if way == "there" else back) and piece.endswith(bytes.fromhex(frame))
        if cut:
            open(closed, "w").close()
        while piece and not (cut and passes == "hold"):
            piece = piece[os.write(there if fd == 0 else 1, piece):]
        if cut:
            with open(fired, "w") as file:
                file.write("fired\n")
            sys.exit(1)
