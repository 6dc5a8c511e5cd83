"""Flips single bytes of a transcript and asks verify.py about each: `flips.py ROOT FILE MODE`.

MODE is `first` (stops at the first problem) or `records` (leaves out the checks that cover the file as a whole, so that what
is noticed is noticed by the records' own signatures, chains and certificates). Standard input has one `offset mask` a line.
Prints a JSON list of the offsets that were not noticed, and how many were tried.
"""

import json
import sys

import verify

root, (file, mode) = verify.root_from(sys.argv[1]), sys.argv[2:]
with open(file, 'rb') as whole:
    data = whole.read()
missed, tried = [], 0
for line in sys.stdin:
    offset, mask = map(int, line.split())
    flipped = bytearray(data)
    flipped[offset] ^= mask
    problems = verify.verify(bytes(flipped), root, stop_early=mode == 'first')
    if mode == 'records':
        problems = [one for one in problems if one != 'the file is not the one that its receipt was signed over']
    tried += 1
    if not problems:
        missed.append(offset)
print(json.dumps({'tried': tried, 'missed': missed, 'asked': len(verify.ANSWERS)}))
