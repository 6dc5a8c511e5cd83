#!/usr/bin/env python3
"""A second verifier of Lanyard transcripts, written from shared/PROTOCOL.md and not from our code.

    verify.py --root ROOT.pem FILE

Needs Python 3 and the openssl command, and nothing else. It reads the file's CBOR itself, and asks openssl for all that has
to do with RSA and X.509: the chain of each certificate, the revocation list, the RSA-PSS signature of each batch and of the
receipt. It prints one JSON object, {"ok", "problems"}, and its exit code is 1 when there is a problem.

What it leaves to the other verifier: who was a member of a room when (so it takes every unrevoked author's receipt for a
testimony), and the texts themselves, since the openssl command has no AES-GCM: of a message key it checks the commitment.
"""

import base64, calendar, hashlib, hmac, json, os, re, subprocess, sys, tempfile, time

ORDER = ['transcript', 'roots', 'list', 'certificate', 'record', 'aside', 'receipt']
LARGEST = 8 * 1024 * 1024 + 1024
DAY, SKEW, GRACE = 86_400_000, 300_000, 600_000
KINDS = {'device', 'sender-key', 'message', 'receipt', 'room', 'invite', 'join', 'leave', 'remove', 'grant', 'settings'}
NOTHING = bytes(32)


class Bad(Exception):
    pass


# --- CBOR (RFC 8949), as strict as the protocol's section on encoding ---


def cbor(data):
    value, at = item(data, 0, 0)
    if at != len(data):
        raise Bad('bytes behind the end')
    return value


def item(data, at, depth):
    if at >= len(data) or depth > 8:
        raise Bad('it ends too early')
    major, info = data[at] >> 5, data[at] & 31
    at += 1
    if info < 24:
        number = info
    elif info < 28:
        size = 1 << (info - 24)
        if at + size > len(data):
            raise Bad('it ends too early')
        number = int.from_bytes(data[at : at + size], 'big')
        if major < 7 and number < (24 if size == 1 else 1 << (8 * size // 2)):
            raise Bad('a head that is longer than need be')
        at += size
    else:
        raise Bad('an indefinite length')
    if major == 0:
        if number > 2**53 - 1:
            raise Bad('a number that is too large')
        return number, at
    if major in (2, 3):
        if at + number > len(data):
            raise Bad('it ends too early')
        raw = data[at : at + number]
        if major == 2:
            return raw, at + number
        try:
            text = raw.decode('utf-8')
        except UnicodeDecodeError:
            raise Bad('text that is not UTF-8')
        if text.startswith('\ufeff'):
            raise Bad('a byte order mark')
        return text, at + number
    if major == 4:
        values = []
        for _ in range(number):
            value, at = item(data, at, depth + 1)
            values.append(value)
        return values, at
    if major == 5:
        entries = {}
        for _ in range(number):
            key, at = item(data, at, depth + 1)
            if not isinstance(key, str) or key in entries:
                raise Bad('a key twice, or one that is no text')
            entries[key], at = item(data, at, depth + 1)
        return entries, at
    if major == 7 and info == 22:
        return None, at
    raise Bad('something that the protocol does not have')


def uint(value):
    return type(value) is int


def some_bytes(size=None, most=None):
    return lambda v: isinstance(v, bytes) and (size is None or len(v) == size) and (most is None or len(v) <= most)


def text(most):
    return lambda v: isinstance(v, str) and len(v.encode('utf-16-le')) // 2 <= most


def just(*values):
    return lambda v: any(v == one and type(v) is type(one) for one in values)


def each(fits, most):
    return lambda v: isinstance(v, list) and len(v) <= most and all(fits(one) for one in v)


def shape(fields, optional=()):
    def fits(value):
        if not isinstance(value, dict) or any(name not in fields for name in value):
            return False
        return all(fits(value[name]) if name in value else name in optional for name, fits in fields.items())

    return fits


CERTIFICATE = some_bytes(most=8192)
SUCCESSION = shape({'root': CERTIFICATE, 'cross': CERTIFICATE, 'back': CERTIFICATE})
ITEMS = {
    'transcript': shape(
        {
            'kind': just('transcript'), 'v': just(1), 'network': text(64), 'room': some_bytes(32), 'name': text(64),
            'made': uint, 'what': just('records', 'receipt'), 'from': uint, 'to': uint,
        },
        ('from', 'to'),
    ),
    'roots': shape({'kind': just('roots'), 'first': CERTIFICATE, 'successions': each(SUCCESSION, 8)}),
    'list': shape({'kind': just('list'), 'der': some_bytes(most=8 * 1024 * 1024)}),
    'certificate': shape({'kind': just('certificate'), 'der': CERTIFICATE}),
    'record': shape({'kind': just('record'), 'record': some_bytes(most=65536), 'key': some_bytes(32)}, ('key',)),
    'aside': shape({'kind': just('aside'), 'record': some_bytes(most=65536)}),
    'receipt': shape({'kind': just('receipt'), 'statement': some_bytes(most=4 << 20), 'signature': some_bytes(most=512)}),
}  # fmt: skip
RECORD = shape({
    'header': some_bytes(most=65536), 'signature': some_bytes(most=512),
    'proof': shape({'index': uint, 'size': uint, 'path': each(some_bytes(32), 8)}),
    'body': lambda v: v is None or some_bytes(most=65536)(v),
})  # fmt: skip
HEADER = shape(
    {
        'v': just(1), 'room': some_bytes(32), 'author': some_bytes(32), 'inc': some_bytes(8), 'seq': uint,
        'prev': some_bytes(32), 'after': each(some_bytes(32), 64),
        'time': lambda v: isinstance(v, list) and len(v) == 2 and all(map(uint, v)),
        'kind': lambda v: v in KINDS, 'body': some_bytes(32),
        'key': shape({'epoch': uint, 'index': uint, 'commitment': some_bytes(32)}),
    },
    ('key',),
)  # fmt: skip
STATEMENT = shape(
    {
        'v': just(1), 'room': some_bytes(32), 'author': some_bytes(32), 'made': uint, 'crl': uint, 'records': uint,
        'root': some_bytes(32), 'file': some_bytes(32),
        'heads': each(shape({
            'device': text(64), 'inc': some_bytes(8), 'first': uint, 'prev': some_bytes(32), 'seq': uint,
            'hash': some_bytes(32),
        }), 20_000),
    },
)  # fmt: skip
RECEIPT_BODY = shape({
    'held': each(shape({'device': text(64), 'inc': some_bytes(8), 'seq': uint, 'hash': some_bytes(32)}), 400),
    'read': each(shape({'device': text(64), 'inc': some_bytes(8), 'seq': uint}), 400),
})  # fmt: skip


def read(fits, data, what):
    value = cbor(data)
    if not fits(value):
        raise Bad(f'{what} that is not in the protocol')
    return value


# --- openssl; each question is asked once a process ---

ANSWERS = {}
FOLDER = tempfile.TemporaryDirectory(prefix='lanyard-verify-')


def openssl(arguments, files, data=b''):
    """Runs it over files (name → bytes); (whether it said yes, what it wrote, and what it complained of)."""
    question = (tuple(arguments), tuple(sorted(files.items())), data)
    if question not in ANSWERS:
        for name, content in files.items():
            with open(os.path.join(FOLDER.name, name), 'wb') as file:
                file.write(content)
        run = subprocess.run(['openssl', *arguments], cwd=FOLDER.name, input=data, capture_output=True)
        ANSWERS[question] = (run.returncode == 0, run.stdout, run.stderr)
    return ANSWERS[question]


def pem(label, der):
    lines = base64.encodebytes(der).replace(b'\n', b'')
    lines = b'\n'.join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return b'-----BEGIN %s-----\n%s\n-----END %s-----\n' % (label, lines, label)


def certificate_pem(der):
    return pem(b'CERTIFICATE', der)


def signed_pss(key, signature, message):
    options = ['rsa_padding_mode:pss', 'rsa_pss_saltlen:32', 'rsa_mgf1_md:sha256']
    flags = [part for option in options for part in ('-sigopt', option)]
    files = {'key.pem': key, 'signature': signature, 'message': message}
    return openssl(['dgst', '-sha256', '-verify', 'key.pem', '-signature', 'signature', *flags, 'message'], files)[0]


def public_key(der):
    """The key of a certificate: as PEM, and as SubjectPublicKeyInfo."""
    ok, key, _ = openssl(['x509', '-pubkey', '-noout', '-in', 'certificate.pem'], {'certificate.pem': certificate_pem(der)})
    if not ok:
        raise Bad('a certificate that openssl can not read')
    return key, base64.b64decode(b''.join(key.splitlines()[1:-1]))


def issued_by(roots, der, purpose=()):
    files = {'roots.pem': b''.join(map(certificate_pem, roots)), 'certificate.pem': certificate_pem(der)}
    # Records outlive certificates: that one has ended is judged by the time of each record.
    return openssl(
        ['verify', '-CAfile', 'roots.pem', '-no-CApath', '-no-CAstore', '-x509_strict', '-no_check_time', '-check_ss_sig', *purpose, 'certificate.pem'],
        files,
    )[0]  # fmt: skip


# --- ids ---


def sha256(*parts):
    return hashlib.sha256(b''.join(parts)).digest()


def peer_id(spki):
    length = bytes([len(spki)]) if len(spki) < 128 else bytes([len(spki) & 127 | 128, len(spki) >> 7])
    number = int.from_bytes(b'\x12\x20' + sha256(b'\x08\x00\x12', length, spki), 'big')
    digits = ''
    while number > 0:
        number, digit = divmod(number, 58)
        digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'[digit] + digits
    return digits


def network_id(spki):
    return base64.b32encode(sha256(spki)).decode().lower().rstrip('=')


# --- RFC 6962 §2.1 ---


def leaf(value):
    return sha256(b'\x00', value)


def node(left, right):
    return sha256(b'\x01', left, right)


def split(size):
    return 1 << (size - 1).bit_length() - 1


def tree_root(leaves):
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaf(leaves[0])
    return node(tree_root(leaves[: split(len(leaves))]), tree_root(leaves[split(len(leaves)) :]))


def path_root(value, index, size, path):
    if size < 1 or size > 256 or index >= size:
        raise Bad('a place that the batch does not have')
    if size == 1:
        if path:
            raise Bad('an audit path that is too long')
        return leaf(value)
    if not path:
        raise Bad('an audit path that is too short')
    at = split(size)
    if index < at:
        return node(path_root(value, index, at, path[:-1]), path[-1])
    return node(path[-1], path_root(value, index - at, size - at, path[:-1]))


# --- the file ---


def frames(data):
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], 'big')
        if at + 4 > len(data) or length == 0 or length > LARGEST or at + 4 + length > len(data):
            raise Bad(f'it breaks off at byte {at}')
        yield at, data[at + 4 : at + 4 + length]
        at += 4 + length


def trusted_roots(given, roots, problem):
    """The roots of the network that the one which the reader trusts leads to, forwards and back: RFC 4210 §4.4."""
    chain = [roots['first'], *(one['root'] for one in roots['successions'])]
    pin = public_key(given)[1]
    at = next((place for place, der in enumerate(chain) if public_key(der)[1] == pin), None)
    if at is None:
        raise Bad('it is not of the network of that root')
    for der in chain:
        if not issued_by([der], der):
            problem('a root that did not sign itself')
    for place, one in enumerate(roots['successions']):
        old, new = chain[place], chain[place + 1]
        if not issued_by([old], one['cross']) or public_key(one['cross'])[1] != public_key(new)[1]:
            problem('a root that the one before it did not certify')
        if not issued_by([new], one['back']) or public_key(one['back'])[1] != public_key(old)[1]:
            problem('a root that the one after it did not certify')
    return chain


def device_of(der, roots, network):
    """What a certificate says, once openssl has taken it."""
    if not issued_by(roots, der, ('-purpose', 'sslclient')):
        raise Bad('a certificate that no root of the network has issued')
    key, spki = public_key(der)
    files = {'certificate.pem': certificate_pem(der)}
    _, about, _ = openssl(['x509', '-noout', '-serial', '-enddate', '-startdate', '-ext', 'subjectAltName', '-in', 'certificate.pem'], files)
    about = about.decode('utf-8', 'replace')
    [uri] = re.findall(r'URI:(\S+)', about) or [None]
    named = re.fullmatch(r'lanyard://([a-z2-7]{52})/([a-z0-9][a-z0-9._-]{0,31})/(\S+)', uri or '')
    if named is None or named[1] != network or named[3] != peer_id(spki):
        raise Bad('a certificate for another key or network than it names')
    return {
        'key': key, 'user': named[2], 'device': named[3],
        'serial': re.search(r'serial=([0-9A-F]+)', about)[1].lstrip('0'),
        'begin': moment(re.search(r'notBefore=(.+)', about)[1]), 'end': moment(re.search(r'notAfter=(.+)', about)[1]),
    }  # fmt: skip


def moment(words):
    return calendar.timegm(time.strptime(words.replace(' GMT', '').strip(), '%b %d %H:%M:%S %Y')) * 1000


def revoked_in(der, roots):
    """Serial → (when, why), and the number, of a list that a root has signed."""
    files = {'list.pem': pem(b'X509 CRL', der)}
    for root in roots:
        _, words, verdict = openssl(
            ['crl', '-noout', '-text', '-verify', '-CAfile', 'root.pem', '-no-CApath', '-no-CAstore', '-in', 'list.pem'],
            {**files, 'root.pem': certificate_pem(root)},
        )  # fmt: skip
        if b'verify OK' in verdict:  # its exit code is 0 in either case
            break
    else:
        raise Bad('a revocation list that no root has signed')
    words = words.decode('utf-8', 'replace')
    number = int(re.search(r'CRL Number:\s*(0x[0-9A-F]+|\d+)', words)[1], 0)
    entries = {}
    for entry in words.split('Serial Number: ')[1:]:
        why = re.search(r'Reason Code:[^\n]*\n\s*([^\n]+)', entry)
        entries[entry.split()[0].lstrip('0')] = (moment(re.search(r'Revocation Date: (.+)', entry)[1]), why and why[1].strip())
    return number, entries


def verify(data, root, stop_early=False):
    """All that is wrong with a transcript; with `stop_early`, the first thing that is found."""
    problems = []

    def problem(what):
        problems.append(what)
        if stop_early:
            raise Bad(what)

    try:
        examine(data, root, problem)
    except Bad as bad:
        if str(bad) not in problems:
            problems.append(str(bad))
    return problems


def examine(data, root, problem):
    items = []
    for at, content in frames(data):
        try:
            value = cbor(content)
            fits = ITEMS.get(value.get('kind') if isinstance(value, dict) else None)
            if fits is None or not fits(value):
                raise Bad('it is not in the protocol')
            items.append((at, value))
        except Bad as bad:
            problem(f'the item at byte {at}: {bad}')
    kinds = [value['kind'] for _, value in items]
    if kinds != sorted(kinds, key=ORDER.index) or any(kinds.count(one) != 1 for one in ('transcript', 'roots', 'receipt')):
        problem('the items are not in their order')
    if kinds[:2] != ['transcript', 'roots'] or kinds[-1:] != ['receipt']:
        raise Bad('no head, no roots, or no receipt at the end')
    head, roots, (end, receipt) = items[0][1], items[1][1], items[-1]
    of = lambda kind: [value for _, value in items if value['kind'] == kind]

    # The cheapest first: one signature covers the whole file.
    said = read(STATEMENT, receipt['statement'], 'a receipt')
    if said['file'] != sha256(data[:end]):
        problem('the file is not the one that its receipt was signed over')

    chain = trusted_roots(root, roots, problem)
    network = network_id(public_key(chain[0])[1])
    if head['network'] != network:
        problem('the head names another network')
    devices = {}
    for value in of('certificate'):
        try:
            devices[sha256(value['der'])] = device_of(value['der'], chain, network)
        except (Bad, TypeError, ValueError) as bad:
            problem(f'{bad}')
    revoked, held = {}, 0
    for place, value in enumerate(of('list')):
        try:
            number, entries = revoked_in(value['der'], chain)
            revoked = {**entries, **revoked}
            held = number if place == 0 else held
        except (Bad, TypeError, ValueError) as bad:
            problem(f'{bad}')

    exporter = devices.get(said['author'])
    if exporter is None or not signed_pss(
        exporter['key'], receipt['signature'], b'lanyard session receipt 1\0' + sha256(receipt['statement'])
    ):
        problem('the device that the receipt names did not sign it')
    elif not exporter['begin'] - SKEW <= said['made'] <= exporter['end'] + SKEW:
        problem('the certificate of the device that signed the receipt was over')
    elif exporter['serial'] in revoked and revoked[exporter['serial']][0] < said['made']:
        problem('the device that signed the receipt was revoked')
    if (said['room'], said['made'], said['crl']) != (head['room'], head['made'], held):
        problem('the receipt is for another room, time, or revocation list')

    records(of('record'), of('aside'), head, said, devices, revoked, problem)


def records(here, asides, head, said, devices, revoked, problem):
    whole = 'from' not in head and 'to' not in head
    leaves, logs, last = [], {}, None
    for value in here:
        try:
            record = signed_record(value['record'], value.get('key'), head, devices, leaves)
        except Bad as bad:
            problem(f'record {len(leaves)}: {bad}')
            continue
        header, name = record['header'], record['log']
        log = logs.get(name)
        if name != last and (log is not None or (last is not None and name < last)):
            problem('the logs are not in their order')
        last = name
        if log is None:
            first = 0 if whole else header['seq']
            log = logs[name] = {'first': first, 'prev': NOTHING if whole else header['prev'], 'records': {}, 'next': first}
        before = log['records'].get(header['seq'] - 1)
        prev = log['prev'] if header['seq'] == log['first'] else before and before['hash']
        if header['seq'] in log['records']:
            same = log['records'][header['seq']]['hash'] == record['hash']
            problem(f'{name[0]}: two records have number {header["seq"]}{": a replay" if same else ": an equivocation"}')
            continue
        if header['seq'] != log['next']:
            problem(f'{name[0]}: number {header["seq"]} where {log["next"]} should be')
        elif header['prev'] != prev:
            problem(f'{name[0]}: number {header["seq"]} is not chained to the one before it')
        log['records'][header['seq']] = record
        log['next'] = header['seq'] + 1
    for value in asides:
        try:
            record = signed_record(value['record'], None, head, devices, [])
        except Bad as bad:
            problem(f'a record aside: {bad}')
            continue
        other = logs.get(record['log'], {'records': {}})['records'].get(record['header']['seq'])
        if other is not None and other['hash'] != record['hash']:
            problem(f'{record["log"][0]}: two records have number {record["header"]["seq"]}: an equivocation')
    if head['what'] == 'records':
        heads = {
            name: (log['first'], log['prev'], log['next'] - 1, log['records'][log['next'] - 1]['hash'])
            for name, log in logs.items()
        }
        if heads != {(one['device'], one['inc']): (one['first'], one['prev'], one['seq'], one['hash']) for one in said['heads']}:
            problem('the logs are not those that the receipt names')
        if said['records'] != len(leaves) or said['root'] != tree_root(leaves):
            problem('the records are not those that the receipt was signed over')
    testimony(logs, devices, revoked, problem)


def signed_record(data, key, head, devices, leaves):
    record = read(RECORD, data, 'a record')
    header = read(HEADER, record['header'], 'a header')
    hashed = sha256(record['header'])
    leaves.append(hashed)
    body = record['body']
    if (header['kind'] == 'message') != ('key' in header) or (body is None and header['kind'] != 'message'):
        raise Bad('a record that is not in the protocol')
    if body is not None and sha256(body) != header['body']:
        raise Bad('another body than was signed')
    if header['room'] != head['room']:
        raise Bad('a record of another room')
    author = devices.get(header['author'])
    if author is None:
        raise Bad('the certificate of its author is missing')
    proof = record['proof']
    root = path_root(hashed, proof['index'], proof['size'], proof['path'])
    if not signed_pss(author['key'], record['signature'], b'lanyard record batch 1\0' + root):
        raise Bad(f'{author["user"]} did not sign it')
    if header['time'][0] > author['end'] + DAY or header['time'][0] > head['made'] + DAY:
        raise Bad('it is later than it can be')
    if key is not None:
        commitment = hmac.new(key, b'lanyard message commitment 1\x01', 'sha256').digest()
        if header['kind'] != 'message' or commitment != header['key']['commitment']:
            raise Bad('a key that is not that of its message')
    return {'header': header, 'hash': hashed, 'body': body, 'log': (author['device'], header['inc']), 'author': author}


def testimony(logs, devices, revoked, problem):
    """What a revoked device wrote counts as far as others' receipts prove it to be older than the revocation."""
    out = {}
    for one in sorted(devices.values(), key=lambda device: device['end']):
        out[one['device']] = revoked.get(one['serial'])
    covers = {}
    for (device, _), log in logs.items():
        if out.get(device) is not None and out[device][1] != 'Superseded':
            continue
        for record in log['records'].values():
            if record['header']['kind'] != 'receipt':
                continue
            try:
                told = read(RECEIPT_BODY, record['body'], 'a receipt')['held']
            except Bad as bad:
                problem(f'{bad}')
                continue
            for one in told:
                if one['device'] != device:
                    covers.setdefault((one['device'], one['inc']), []).append((record['header']['time'][0], one['seq'], one['hash']))
    for name, log in logs.items():
        if out.get(name[0]) is None:
            continue
        date, why = out[name[0]]
        since = date + (SKEW if why == 'Superseded' else 0)
        told = [
            seq
            for ms, seq, hashed in covers.get(name, [])
            if ms <= since + GRACE and seq in log['records'] and log['records'][seq]['hash'] == hashed
        ]
        until = max(told, default=-1)
        late = [seq for seq, one in log['records'].items() if one['header']['time'][0] > since + SKEW]
        until = min([until, *(seq - 1 for seq in late)])
        if any(seq > until and one['header']['kind'] not in ('receipt', 'sender-key') for seq, one in log['records'].items()):
            problem(f'{name[0]}: it was revoked, and nobody vouches for what it wrote after number {until}')


def root_from(path):
    with open(path, 'rb') as file:
        content = file.read()
    if content[:1] == b'\x30':
        return content
    found = re.search(rb'-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----', content, re.S)
    return base64.b64decode(found[1]) if found else b''


def main(arguments):
    if len(arguments) != 3 or arguments[0] != '--root':
        print('usage: verify.py --root ROOT.pem FILE', file=sys.stderr)
        return 2
    with open(arguments[2], 'rb') as file:
        problems = verify(file.read(), root_from(arguments[1]))
    print(json.dumps({'ok': not problems, 'problems': problems}))
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
