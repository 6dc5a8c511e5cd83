"""Runs a program in a terminal of its own (a pty), and carries what it writes and reads.

usage: terminal.py COLUMNS ROWS PROGRAM [ARGUMENT…]; its process id is the first line of standard error
"""

import fcntl
import os
import pty
import selectors
import struct
import sys
import termios

columns, rows, *command = sys.argv[1:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
print(pid, file=sys.stderr, flush=True)

ways = selectors.DefaultSelector()
ways.register(terminal, selectors.EVENT_READ, 1)
ways.register(0, selectors.EVENT_READ, terminal)
while True:
    for key, _ in ways.select():
        try:
            data = os.read(key.fd, 65536)
        except OSError:  # the program has ended
            data = b""
        if not data and key.fd == terminal:
            os.waitpid(pid, 0)
            sys.exit()
        if not data:  # nobody writes to it any more: it ends, in good order
            ways.unregister(0)
            os.kill(pid, 15)
        while data:
            data = data[os.write(key.data, data) :]
