/**
 * The words of every refusal and fault: `here` for the side that refuses or fails, `there` for the side that is refused,
 * `next` for whoever can mend it. Only the code travels; each side words it from its own table, so nobody puts words into
 * somebody else's terminal.
 */
export type Words = { readonly here: string; readonly there: string; readonly next: string }

const words = (here: string, there: string, next: string): Words => ({ here, there, next })

const NEW_CERTIFICATE = 'enrol this device again: lanyard join <invite>'

/** By code, in the order in which somebody meets them. */
export const WORDS = {
  // Frames and streams
  'frame-too-large': words(
    'the other side sent a frame over the limit',
    'our frame is over the limit of the other side',
    'update lanyard on both sides',
  ),
  'frame-malformed': words(
    'the other side sent a frame that is not in the protocol',
    'our frame was not understood by the other side',
    'update lanyard on both sides',
  ),
  'too-late': words(
    'the other side did not answer in time',
    'we did not answer the other side in time',
    'check the network between the two, and try again',
  ),
  'stream-closed': words(
    'the other side closed the stream before it was done',
    'we closed the stream before it was done',
    'try again; if it goes on, read the log of the other side',
  ),
  'wrong-order': words(
    'the other side sent a message out of order',
    'our message was out of order for the other side',
    'update lanyard on both sides',
  ),
  unreachable: words(
    'no address of the other side answered',
    'the other side could not reach us',
    'check that it runs, that both are on one network, and that no firewall blocks its TCP port',
  ),

  'wrong-peer': words(
    'another device than expected answered at that address',
    'we are another device than the one that was expected at our address',
    'its address has changed: wait until it is found again, or give the new one',
  ),

  // Certificates
  'certificate-malformed': words(
    'the certificate is not one well-formed v3 certificate in canonical DER',
    'our certificate was not understood by the other side',
    NEW_CERTIFICATE,
  ),
  'certificate-wrong-algorithm': words(
    'the certificate is signed by an algorithm that is not taken, or names two different ones',
    'our certificate is signed by an algorithm that the other side does not take',
    NEW_CERTIFICATE,
  ),
  'certificate-weak-key': words(
    "the certificate's key is too short, too long, or of a kind that is not taken",
    "our certificate's key is not of a size or kind that the other side takes",
    NEW_CERTIFICATE,
  ),
  'certificate-wrong-extension': words(
    'an extension of the certificate is missing, or not as RFC 5280 makes it',
    'an extension of our certificate was not understood by the other side',
    NEW_CERTIFICATE,
  ),
  'certificate-unknown-extension': words(
    'the certificate has an extension that must be understood, and is not',
    'our certificate has an extension that the other side does not understand',
    NEW_CERTIFICATE,
  ),
  'certificate-self-signed': words(
    'the certificate is signed by itself and not by the root of this network',
    'our certificate is signed by itself; this network takes only what its CA issued',
    'ask for an invite of this network, then: lanyard join <invite>',
  ),
  'certificate-wrong-root': words(
    'the certificate is from another root',
    'our certificate is from another root than the network of the other side',
    'ask for an invite of this network, then: lanyard join <invite>',
  ),
  'certificate-bad-signature': words(
    "the certificate's signature does not verify: it was altered, or never issued",
    "our certificate's signature does not verify at the other side",
    NEW_CERTIFICATE,
  ),
  'certificate-expired': words(
    'the certificate has expired',
    'our certificate has expired',
    'renew it while the CA is on the network: npm run peer -- renew',
  ),
  'certificate-not-yet-valid': words(
    'the certificate is not valid yet',
    'our certificate is not valid yet at the other side',
    'set the clock of both devices right',
  ),
  'certificate-wrong-key': words(
    'the certificate is for another key than the one that this connection proved',
    'our certificate is for another key than the one that our connection proved',
    NEW_CERTIFICATE,
  ),
  'certificate-wrong-usage': words(
    'the certificate is not for this use',
    'our certificate is not for this use',
    NEW_CERTIFICATE,
  ),
  'certificate-wrong-profile': words(
    'the certificate breaks the profile of lanyard certificates',
    'our certificate breaks the profile of lanyard certificates',
    NEW_CERTIFICATE,
  ),
  'certificate-revoked': words(
    'the certificate has been revoked',
    'our certificate has been revoked',
    'ask the operator of the CA; whoever may go on takes a new key: npm run peer -- login --new-key',
  ),
  'certificate-unknown': words(
    'no certificate is known for the author',
    'the other side does not know our certificate yet',
    'wait for the directory to reach both sides',
  ),

  // Roots that follow each other
  'root-ended': words(
    'the certificate is from an older root of this network, whose time is over',
    'our certificate is from an older root of this network, whose time is over',
    'meet the CA: it renews the certificate under the new root',
  ),
  'root-foreign': words(
    'the new root is for another network',
    'our new root is for another network than that of the other side',
    'nothing was taken: its sender is faulty or hostile',
  ),
  'root-older': words(
    'the root is not newer than the one that is trusted here',
    'our root is older than the one that the other side trusts',
    'nothing to do: the newer root stays',
  ),
  'root-gap': words(
    'the new root follows one that is not known here',
    'the other side does not know the root that ours follows',
    'meet the CA: it tells of all roots',
  ),
  'root-forked': words(
    'another root of that number is trusted here already: somebody else may have the key of the one before it',
    'the other side trusts another root of that number',
    "compare the network code with the one on the CA's screen, and tell its operator",
  ),
  'root-outdated': words(
    'a newer root than the one in these keys has signed already',
    'the other side has older keys than its network',
    "bring the newest keys here (copy the other CA's home, or restore the newest backup), then start again",
  ),

  // Revocation lists
  'crl-malformed': words(
    'the revocation list is not a complete, well-formed v2 list',
    'our revocation list was not understood by the other side',
    'fetch the list again from another peer or the CA',
  ),
  'crl-wrong-issuer': words(
    'the revocation list is not from the root of this network, or the root may not sign lists',
    'our revocation list is from another root than the network of the other side',
    'use the list of the CA that issued the certificate',
  ),
  'crl-bad-signature': words(
    "the revocation list's signature does not verify: it was altered, or never issued",
    "our revocation list's signature does not verify at the other side",
    'fetch the list again from another peer or the CA',
  ),
  'crl-older': words(
    'the revocation list is not newer than the one that is here',
    'our revocation list is not newer than the one of the other side',
    'nothing to do: the newer list stays',
  ),
  'crl-stale': words(
    'the revocation list is past the date of the next one',
    'our revocation list is past the date of the next one',
    'start the CA, or meet a peer that has met it since',
  ),
  'strict-stale': words(
    'this device is strict, and its revocation list is too old to tell who has been revoked: it lets nobody new in',
    'the other side is strict, and its revocation list is too old to tell whether we have been revoked',
    'start the CA, which brings a new list; or be less strict: npm run peer -- config strict off',
  ),
  'crl-not-yet-valid': words(
    'the revocation list is from the future',
    'our revocation list is from the future for the other side',
    'set the clock of both devices right',
  ),

  // Network and hello
  'wrong-network': words(
    'the other side belongs to another network',
    'the other side belongs to another network than we do',
    'join the network of the other side with an invite from its CA',
  ),
  'version-unsupported': words(
    'the other side speaks another version of the protocol',
    'the other side does not speak our version of the protocol',
    'update lanyard on both sides',
  ),
  silent: words(
    'the other side connected and then said nothing',
    'we connected and then said nothing in time',
    'check that both sides run lanyard, and that neither is overloaded',
  ),
  'not-admitted': words(
    'the other side asked before its certificate hello had passed',
    'we asked before our certificate hello had passed',
    'connect again',
  ),
  'room-unknown': words(
    'there is no such room here',
    'the other side does not know that room',
    'list the rooms, or ask a member for an invitation to it',
  ),
  'room-ambiguous': words(
    'several rooms have that name',
    'several rooms have that name there',
    'name the one that you mean by the beginning of its id',
  ),
  'room-name-wrong': words(
    'that is no name for a room',
    'the other side finds the name of a room wrong',
    'take 1 to 64 letters, figures and signs, without # or @ in front',
  ),
  'user-unknown': words(
    'nobody of that name was ever seen in this network',
    'the other side does not know that user',
    'list the users, and look at the spelling',
  ),
  'room-fixed': words(
    'nobody is invited to that room, or removed from it: its members are given',
    'the members of that room are given',
    'make a room of its own for that',
  ),
  'not-a-member': words(
    'that user is not a member of that room',
    'we are not a member of that room',
    'ask an admin of the room for an invitation',
  ),
  removed: words(
    'that user was removed from that room',
    'we were removed from that room',
    'ask an admin of the room for a new invitation',
  ),
  'room-invite-only': words(
    'that room is by invitation only',
    'that room is by invitation only',
    'ask an admin of the room for an invitation',
  ),
  'already-a-member': words(
    'that user is a member of that room already',
    'we are a member of that room already',
    'nothing to do',
  ),
  'not-an-admin': words(
    'only an admin of that room may do that',
    'only an admin of that room may do that, and we are none',
    'ask an admin of the room',
  ),
  'senior-admin': words(
    'that user is an admin of that room, and not junior to who would do that',
    'the other side is an admin of that room, and not junior to us',
    'ask an admin of the room who is senior to that one; to go yourself, leave the room',
  ),
  'already-an-admin': words(
    'that user is an admin of that room already',
    'we are an admin of that room already',
    'nothing to do',
  ),
  'no-such-admin': words('that user is no admin of that room', 'we are no admin of that room', 'nothing to do'),

  // Joining
  'invite-malformed': words(
    'that is not a whole lanyard invite',
    'our invite is not whole',
    'copy the whole line that begins with lanyard://join/1# , in quotes',
  ),
  'code-malformed': words(
    'that is not a network code: a character is missing or wrong',
    'our network code is wrong',
    "type the code again as the CA's screen shows it",
  ),
  'pin-mismatch': words(
    'the CA that answered does not have the root that the invite names: it may be an impostor',
    'the newcomer expects another root than ours',
    'do not go on; get a fresh invite from the operator in person',
  ),
  'ca-unproven': words(
    'who answered did not prove to be the CA of that root',
    'the newcomer does not take us for the CA of our root',
    'do not go on; get a fresh invite from the operator in person',
  ),
  'request-malformed': words(
    'the certificate request is not well-formed',
    'our certificate request was not understood',
    'update lanyard on both sides',
  ),
  'request-bad-signature': words(
    'the certificate request is not signed by the key that it names',
    'our certificate request is not signed by the key that it names',
    'start again with a fresh home directory',
  ),
  'request-wrong-key': words(
    'the certificate request is for another key than the one that the connection proved',
    'our certificate request is for another key than the one that our connection proved',
    'start again with a fresh home directory',
  ),
  'key-too-weak': words(
    "the newcomer's key is too short, too long, or not RSA",
    'our key is not of the size that this network asks for',
    'make a longer one: npm run peer -- rekey',
  ),
  'name-invalid': words(
    'the user name breaks the rule: 1 to 32 of a–z, 0–9, dot, underscore, hyphen, beginning with a letter or digit',
    'that user name breaks the rule: 1 to 32 of a–z, 0–9, dot, underscore, hyphen, beginning with a letter or digit',
    'choose another user name',
  ),
  'name-taken': words('the user name is taken', 'that user name is taken', 'choose another user name'),
  'name-reserved': words(
    'the user name is reserved',
    'that user name is reserved: it could be taken for somebody in charge, or for everybody',
    'choose another user name',
  ),
  'name-lookalike': words(
    'the user name looks like that of another user',
    'that user name looks too much like that of another user',
    'choose another user name',
  ),
  'password-too-short': words(
    'the password is shorter than 8 characters',
    'that password is shorter than 8 characters',
    'choose a longer password',
  ),
  'password-wrong': words(
    'wrong user name or password',
    'wrong user name or password',
    'check both; after 5 tries there is a pause of 15 minutes',
  ),
  'password-needed': words(
    'the certificate expired over 30 days ago: its key alone renews it no more',
    'our certificate expired over 30 days ago: its key alone renews it no more',
    'renew it with the password: npm run peer -- login',
  ),
  'device-not-theirs': words(
    'the device is none of that user, who may not change the password from it',
    'this device is none of that user: the password is changed from a device of their own',
    "run it on a device of that user, or make this one theirs: npm run peer -- login '<invite>'",
  ),
  'rekey-cut-off': words(
    'a change of key was cut off as the CA took it up: only the CA knows which key counts now',
    'the other side has a change of key to end',
    'start it again when the CA is on the network; where that is no help: npm run peer -- login --new-key',
  ),
  'join-cut-off': words(
    'an earlier join got through at the CA, and was cut off before this device had its certificate',
    'the other side was cut off while it joined',
    "use the same user name and password: npm run peer -- login '<invite>'",
  ),
  'user-disabled': words(
    'the user is disabled',
    'the operator of the CA has disabled this user',
    'ask the operator of the CA',
  ),
  'device-limit': words(
    'the user has as many devices as one may have',
    'this user has as many devices as one may have',
    'ask the operator of the CA to revoke a device that is no longer used',
  ),
  'invite-needed': words(
    'the newcomer has no invite, and this CA lets nobody in without one',
    'the CA lets nobody in without an invite',
    'ask the operator of the CA for an invite',
  ),
  'approval-pending': words(
    'the newcomer waits for approval',
    'the operator of the CA must approve us first',
    'ask the operator (npm run ca -- approve NAME), then run the same command again: the key that waits is kept here',
  ),
  'token-wrong': words(
    'the invite token is not one of ours',
    'the CA does not know that invite',
    'ask the operator for a new invite',
  ),
  'token-used': words(
    'the invite was used before',
    'that invite has been used already: each is good for one device',
    'ask the operator for a new invite',
  ),
  'token-expired': words('the invite has expired', 'that invite has expired', 'ask the operator for a new invite'),
  'token-for-another': words(
    'the invite was made for another user name',
    'that invite was made for another user name',
    'join with the name that the invite was made for, or ask the operator for another invite',
  ),
  'challenge-wrong': words(
    "the newcomer's answer to the challenge was wrong: it does not hold the key",
    'our answer to the challenge was wrong',
    'try to join again',
  ),
  'challenge-late': words(
    'the challenge was answered too late',
    'we answered the challenge too late',
    'try to join again',
  ),
  'challenge-used': words(
    'the challenge was answered a second time',
    'that challenge had been answered already',
    'try to join again',
  ),
  'challenge-foreign': words(
    'the challenge was made for another request, or by somebody else: not answered',
    'the newcomer did not answer, since our challenge was for another request',
    'do not go on; get a fresh invite from the operator in person',
  ),
  'challenge-unknown': words(
    'there is no such challenge open',
    'the CA has no such challenge open',
    'try to join again',
  ),
  'rate-limited': words(
    'too many tries: turned away for a while',
    'too many tries: the other side turns us away for a while',
    'wait 15 minutes, then try again',
  ),
  flooding: words(
    'the other side sends or asks more than a member may: it is put off for a while',
    'we sent or asked more than the other side takes: it puts us off for a while',
    'wait a few minutes; if it goes on, update lanyard on that device, or ask the operator to revoke it',
  ),
  busy: words(
    'too much work at once: turned away',
    'the other side has too much work at this moment',
    'try again in a minute',
  ),
  'already-enrolled': words(
    'this home has joined a network already',
    'that device has joined already',
    'run: lanyard chat — or give another folder with --home',
  ),

  // Records
  'record-malformed': words(
    'a record is not well-formed',
    'our record was not understood',
    'update lanyard on both sides',
  ),
  'record-bad-signature': words(
    "a record's signature does not verify under its author's certificate",
    "our record's signature does not verify at the other side",
    'the record was altered or forged; nothing was stored',
  ),
  'record-replayed': words(
    'a record with that number is here already',
    'the other side has our record already',
    'nothing to do: the repeated record was dropped',
  ),
  'record-broken-chain': words(
    'a record does not follow the one before it: its previous hash is another',
    'our record does not follow the one before it at the other side',
    'the record was dropped; compare both histories with the author',
  ),
  'record-gap': words(
    'a record is ahead of what is here: it waits for those between',
    'our record is ahead of what the other side has',
    'nothing to do: the records between are being fetched',
  ),
  'record-equivocation': words(
    'the author signed two different records with one number',
    'we signed two different records with one number',
    'ask the author whether a key was copied; both records are kept as proof',
  ),
  'too-many-logs': words(
    'a device has begun a new life of its store in a room too often: no other one is taken',
    'this device has begun a new life of its store in the room too often: others take no more of it',
    'if it was restored so often, enrol it anew under a new key; else ask its owner what it does',
  ),
  'record-wrong-body': words(
    "a record's body does not match the hash in its header",
    "our record's body does not match the hash in its header",
    'the record was altered; nothing was stored',
  ),
  'record-wrong-room': words(
    'a record is for another room than the one it came through',
    'our record is for another room than the one it came through',
    'update lanyard on both sides',
  ),
  'record-wrong-author': words(
    'a record carries the certificate of another device than its author',
    'our record carries the certificate of another device than ours',
    'the record was dropped; its sender is faulty or hostile',
  ),
  'record-from-future': words(
    "a record's time is more than a day ahead of this device's clock",
    "our record's time is more than a day ahead of the clock of the other side",
    'set the clock of both devices right; the record is taken once its time has come',
  ),
  'box-wrong': words(
    'a sealed key box does not open, or not to the secret that its author committed to',
    'our key box did not open to the secret that we committed to',
    'the messages of that sender stay closed until another member serves their keys',
  ),
  'prekey-wrong': words(
    "a device's prekey is not a public key: nothing can be sealed to it",
    'our prekey was not usable at the other side',
    'that device cannot read until it publishes another prekey: restart it',
  ),
  'key-missing': words(
    'no key is here for that message yet',
    'the other side has no key for our message yet',
    'it opens when a member with the key is present',
  ),
  'key-wrong': words(
    'a message key does not match the commitment in the signed record',
    'our message key does not match the commitment in the signed record',
    'the key was dropped; another member is asked',
  ),
  'message-too-long': words(
    'the message is over 16 KiB',
    'our message is over 16 KiB',
    'send it as a file: /send PATH',
  ),
  'message-unknown': words(
    'there is no such message here (any more)',
    'the other side has no such message',
    'look it up in the history of its room',
  ),
  'message-not-own': words(
    'that message is somebody else’s',
    'that message is not ours',
    'only who wrote a message can change it or take it back',
  ),
  'given-up': words('it was given up before it was done', 'the other side gave up', 'try again'),

  // Files
  'file-not-held': words(
    'that file is not held here (any more)',
    'the other side does not hold that file (any more)',
    'ask the sender to offer it again',
  ),
  'file-changed': words(
    'the file changed after it was offered',
    'the file changed at the sender after it was offered',
    'ask the sender to offer it again',
  ),
  'file-manifest-wrong': words(
    'the list of chunks does not match the hash in the offer',
    'our list of chunks does not match the hash in the offer',
    'ask the sender to offer the file again',
  ),
  'file-chunk-wrong': words(
    'a chunk does not match its hash',
    'our chunk does not match its hash',
    'it is fetched again, from somebody else where possible',
  ),
  'road-not-here': words(
    'no TLS connection for files can be taken at that address',
    'the other side takes no TLS connection for files at that address',
    'nothing to do: files travel over the libp2p connection, at less speed',
  ),
  'road-blocked': words(
    'the TLS connection for files could not be made',
    'the other side could not make its TLS connection for files',
    'nothing to do: files travel over the libp2p connection; for more speed let the firewall pass TCP between the two devices',
  ),
  'road-ticket-unknown': words(
    'a TLS connection for files came without a ticket of ours, or with one that was used before',
    'the other side does not know the ticket of our TLS connection for files',
    'nothing to do: it was closed, and files travel over the libp2p connection',
  ),
  'road-ticket-late': words(
    'the ticket of a TLS connection for files came too late',
    'our ticket for a TLS connection for files came too late at the other side',
    'nothing to do: it was closed, and files travel over the libp2p connection',
  ),
  'road-wrong-certificate': words(
    'a TLS connection for files showed another certificate than its session',
    'our TLS connection for files showed another certificate than our session',
    'nothing to do: it was closed; if it goes on, somebody stands between the two devices',
  ),
  'file-unreadable': words(
    'the file cannot be read',
    'the other side cannot read the file',
    'check the path and its rights',
  ),
  'file-too-large': words(
    'the file is larger than 100,000 chunks of 1 MiB',
    'the file is larger than the other side takes',
    'split it into parts',
  ),
  'file-too-many': words(
    'there are more than 20,000 files and empty folders in it',
    'there are more files in it than the other side takes',
    'pack them into an archive, or offer parts of it',
  ),
  'file-withdrawn': words(
    'the sender has taken that file back',
    'the file was taken back here',
    'ask the sender to offer it again',
  ),
  'file-paused': words(
    'that file is paused here',
    'the other side has paused that file',
    'it goes on by itself once it is resumed there',
  ),
  'file-holder-slow': words(
    'a holder of the file did not answer in time, and others have what it was asked for',
    'our answers came too late',
    'the file comes from the others',
  ),
  'file-quota': words(
    'fetched files would take more than this home has settled',
    'the other side has no more room for files',
    'delete some: /files delete ID; or raise the bound: config quota-mb',
  ),
  'file-name-unsafe': words(
    'the file name is not a plain name',
    'our file name is not a plain name',
    'the sender may rename the file and offer it again',
  ),
  'disk-full': words(
    'there is not enough room on the disk',
    'the other side has not enough room on its disk',
    'free some room there, then try again: nothing that was stored is lost, and a file goes on where it stopped',
  ),

  // This machine
  'no-profile': words(
    'there is no profile in this home yet',
    'the other side has no profile',
    'ask for an invite, then: npm run peer -- join <invite>',
  ),
  'no-ca': words(
    'there is no CA in this home yet',
    'the other side has no CA',
    'start it once: npm run ca — or give its folder with --home',
  ),
  'not-served': words(
    'the CA has not served yet, so no address of it is known',
    'the CA has not served yet',
    'start it once: npm run ca',
  ),
  'profile-in-use': words(
    'another lanyard runs on this home',
    'the other home is in use',
    'use the one that runs, stop it, or give another folder with --home',
  ),
  'profile-damaged': words(
    'a file of this home is missing or damaged',
    'the other home is damaged',
    'restore the home from a backup, or join again with another --home',
  ),
  'waiting-damaged': words(
    'the key that waits for the approval of the operator cannot be read',
    'the other side cannot read its key',
    'remove that file, and join again: the operator then has to approve once more',
  ),
  'passphrase-wrong': words(
    'the passphrase does not open the key',
    'the other side could not open its key',
    'try again; a lost passphrase cannot be recovered',
  ),
  'passphrase-missing': words(
    'a passphrase is needed, and there is no terminal to ask on',
    'the other side has no passphrase',
    'give --passphrase-file FILE or set LANYARD_PASSPHRASE (for the CA: LANYARD_CA_PASSPHRASE)',
  ),
  'clock-behind': words(
    "this machine's clock is behind the last revocation list that it signed",
    'the clock of the other side is wrong',
    'set the clock right, then start again',
  ),
  'address-in-use': words(
    'the port is taken by another program',
    'the port of the other side is taken',
    'stop that program, or give another one with --listen (or --health)',
  ),
  'address-malformed': words(
    'that is not a multiaddr',
    'the address is malformed',
    'write it as /ip4/192.0.2.7/tcp/4100',
  ),
  'input-missing': words(
    'something that is needed was not given, and there is no terminal to ask on',
    'something that is needed was not given',
    'see --help for the option that gives it',
  ),
  'input-invalid': words('what was given cannot be used', 'what was given cannot be used', 'see --help'),
  'no-such-user': words('there is no such user', 'there is no such user', 'see: npm run ca -- users'),
  cancelled: words(
    'stopped: nothing was done',
    'the other side stopped: nothing was done',
    'run it again when you are sure',
  ),
  'overlap-open': words(
    'the last roll-over is not over: the root before is still trusted',
    'the roll-over of the other side is not over',
    'wait until then, or end it: npm run ca -- roll-over --finish',
  ),
  'overlap-none': words(
    'one root alone is trusted: there is nothing to end',
    'the other side trusts one root alone',
    'see: npm run ca -- status',
  ),
  'audit-broken': words(
    'the audit is not as it was written',
    'the audit of the other side is broken',
    'keep the database as it is, and compare it with a backup',
  ),
  'backup-damaged': words(
    'that is not a whole backup of this kind',
    'the backup of the other side is damaged',
    'give another backup: of a CA to npm run ca -- restore, of a device to npm run peer -- restore',
  ),
  'device-new': words(
    'a user whom you have compared in person has a new device: nobody has compared its key',
    'we have a new device, which the other side has not compared',
    'ask them whether it is theirs, and compare again: /verify @user, or npm run peer -- verify @user',
  ),
  'compare-malformed': words(
    'that is no whole code of a comparison',
    'our code of a comparison is not whole',
    'copy all of the line that begins with lanyard://compare/1# , in quotes',
  ),
  'compare-other': words(
    'that code is of other users, or of another network',
    'our code is of other users, or of another network',
    'scan the code that the other person sees when they compare with you',
  ),
  'compare-differs': words(
    'the two screens do not show the same keys',
    'the two screens do not show the same keys',
    'wait until both devices have met, and compare again; if it stays so, tell the operator: somebody may pose as one of you',
  ),
  'compare-changed': words(
    'the number is another one now: a device has come since, or is revoked',
    'the number is another one now',
    'compare again: /verify @user, or npm run peer -- verify @user',
  ),
  'device-twice': words(
    'another machine has written under the key of this device: a backup of it was restored there',
    'another machine writes under our key',
    'stop one of the two for good; if you did not restore a backup, somebody else has your key: npm run peer -- rekey',
  ),
  // Transcripts
  'transcript-malformed': words(
    'this is no transcript, or a part of it is not in the form of one',
    'the transcript was not understood by the other side',
    'ask whoever gave you the file for another copy',
  ),
  'transcript-truncated': words(
    'the transcript breaks off before its end',
    'our transcript breaks off before its end',
    'ask whoever gave you the file for another copy',
  ),
  'transcript-altered': words(
    'the file is not the one that its receipt was signed over',
    'our file is not the one that its receipt was signed over',
    'ask whoever gave you the file for another copy',
  ),
  'transcript-order': words(
    'something stands where it does not belong in the transcript',
    'something stands where it does not belong in our transcript',
    'ask whoever gave you the file for another copy',
  ),
  'transcript-wrong-root': words(
    'the transcript is not of the network of that root',
    'our transcript is not of the network of that root',
    'give the root certificate of the network that you trust: npm run ca -- export writes it',
  ),
  'transcript-wrong-receipt': words(
    'the receipt at the end does not fit what stands before it',
    'the receipt at the end of our transcript does not fit what stands before it',
    'ask whoever gave you the file to export it again',
  ),
  'record-unvouched': words(
    "the author was revoked, and no other member's receipt proves that this was written before",
    "we were revoked, and no other member's receipt proves that this was written before",
    'take what was vouched for, and leave the rest: whoever had the key could have written it at any time',
  ),
  'output-exists': words(
    'there is a file of that name already',
    'there is a file of that name already on the other side',
    'give another name with --out, or move the old file away',
  ),
  'no-such-device': words(
    'there is no such user or device',
    'there is no such user or device',
    'see: npm run ca -- devices',
  ),
  'database-unreachable': words(
    'the database server does not answer',
    'the CA cannot reach its database just now',
    'start the server, or mend the way to it; a CA that runs goes on by itself when it is back',
  ),
  'database-refused': words(
    'the database server does not let us in',
    'the CA is not let into its database just now',
    'check user, password, name and rights: --database or LANYARD_CA_DATABASE; the password may also come from PGPASSWORD or ~/.pgpass',
  ),
  'database-foreign': words(
    "that database is not this CA's",
    'the database of the other side is not its own',
    'give the database of this CA, or a new one of its own: createdb NAME',
  ),
  'database-missing': words(
    "this CA's keys are here, its database is not",
    'the other side has not found its database',
    'give its address (--database postgres://…), or restore a backup',
  ),
  'database-not-moved': words(
    "this CA's database is still the file ca.db",
    'the other side has not moved its database',
    'stop the CA, then: npm run ca -- move --to postgres://…',
  ),
  'database-not-empty': words(
    'that database has something in it already',
    'the database of the other side is not empty',
    'give a new one: createdb NAME',
  ),
  'database-locked': words(
    'another program keeps the database locked',
    'the database of the other side is locked',
    'end the program that holds it (a backup tool, a shell of sqlite3 or psql), then try again',
  ),
  'storage-failed': words(
    'what is stored here could not be read or written',
    'the other side could not read or write what it stores',
    'check the room on the disk and the rights of the home folder',
  ),
  // The local API
  'api-not-running': words(
    'no lanyard that can be asked runs on this home',
    'the other side is not running',
    'start one: lanyard run',
  ),
  'api-token-wrong': words(
    'the token of the local API is missing or wrong',
    'the other side has another token',
    'send the header `Authorization: Bearer …` with what is in the file api-token of the home; each start makes a new one',
  ),
  'api-host-foreign': words(
    'the request was meant for another host',
    'the other side took our request for one to another host',
    'ask at the address that `lanyard status` shows',
  ),
  'api-origin-foreign': words(
    'a page of another site may not use the local API',
    'the other side is not of our site',
    'open the page that this device serves itself',
  ),
  'api-unknown': words(
    'the local API has no such path',
    'the other side has no such path',
    'see /v1/openapi.json for what there is; update lanyard if it is an older one',
  ),
  'api-too-large': words(
    'what was sent is over the limit of the local API',
    'what we sent is over the limit of the other side',
    'send longer texts as files',
  ),
  'api-busy': words(
    'too many programs listen to this device already',
    'too many programs listen to the other device already',
    'end some of them, then try again',
  ),
  fault: words(
    'something went wrong inside lanyard',
    'something went wrong inside lanyard on the other side',
    'report it with the line above',
  ),
} as const satisfies Record<string, Words>

/** The one union of codes: of refusals (values) and of faults (`LanyardError`). */
export type Code = keyof typeof WORDS

/** Whether a text is one of our codes; what comes from another version need not be. */
export const isCode = (text: string): text is Code => Object.hasOwn(WORDS, text)
