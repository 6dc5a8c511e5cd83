// Every bound of the system, each with its unit and its reason. No other file has a bare number that limits something.

export const KIB = 1024
const MIB = 1024 * KIB
export const SECOND_MS = 1_000
export const MINUTE_MS = 60 * SECOND_MS
export const HOUR_MS = 60 * MINUTE_MS
export const DAY_MS = 24 * HOUR_MS

// Frames
export const FRAME_MAX_BYTES = 4 * MIB // a batch of records or a chunk with its head, and room to spare
export const RECORD_MAX_BYTES = 64 * KIB // 16 KiB of text with its header and signature, or 400 key boxes
export const HELLO_MAX_BYTES = 16 * KIB // two certificates of 4096-bit keys, and a prekey record
export const ABOUT_MAX_BYTES = KIB / 2 // a network's name: 64 characters of 4 bytes
export const ENROLMENT_MAX_BYTES = 1 * MIB // the answer carries the directory: 500 certificates of 2 KiB
export const HELLO_TIMEOUT_MS = 5 * SECOND_MS // a slow laptop that wakes needs 1–2 s; a stranger gets no more than this
export const REPLY_TIMEOUT_MS = 15 * SECOND_MS // a busy peer on a bad Wi-Fi answers within a few seconds
export const CHANNEL_BUFFER_BYTES = 8 * MIB // two frames: past that the reader pauses the stream

// Names and texts
export const USER_NAME_MAX = 32 // characters of [a-z0-9._-]
export const MESSAGE_TEXT_MAX_BYTES = 16 * KIB // UTF-8; longer texts go as files
export const REACTION_MAX = 32 // UTF-16 code units: the longest emoji sequences have 15
export const FILE_NAME_MAX_BYTES = 255 // what ext4, APFS and NTFS take for one name
export const PASSWORD_MIN = 8 // characters, NIST SP 800-63B §3.1.1.2 for a password that is not the only factor
export const PASSWORD_MAX_BYTES = 1 * KIB // argon2 takes more, but nobody types it

// Certificates
export const CERTIFICATE_MAX_BYTES = 8 * KIB // RSA-4096 with our extensions is 1.9 KiB
export const CERTIFICATE_LIFETIME_MS = 14 * DAY_MS // a week of holiday for the CA, twice
export const CERTIFICATE_LIFETIME_MIN_MS = 1 * HOUR_MS // the shortest: a renewal at its half still has time for several tries
export const CERTIFICATE_LIFETIME_MAX_MS = 90 * DAY_MS // the longest that a policy may ask for
export const CERTIFICATE_BACKDATE_MS = 1 * HOUR_MS // newcomers whose clock is behind
export const CLOCK_SKEW_MS = 5 * MINUTE_MS // what unsynchronised laptops drift in months
export const ROOT_LIFETIME_MS = 3_652 * DAY_MS // 10 years
export const ROOT_OVERLAP_MS = 90 * DAY_MS // after a roll-over the old root counts as long as any certificate of it may last
export const ROOT_ADVICE_MS = 365 * DAY_MS // before a root's end its operator is told to roll it over
export const SUCCESSIONS_MAX = 8 // roll-overs of one network: one every 9 years for 70, or some emergencies
export const SERIAL_BYTES = 16 // 128 random bits: no two alike, and none to be guessed
export const SERIAL_MAX_BYTES = 20 // RFC 5280 §4.1.2.2
export const CRL_LIFETIME_MS = 14 * DAY_MS // from thisUpdate to nextUpdate: as long as the CA may be off
export const CRL_MAX_BYTES = 8 * MIB // 100,000 entries with a reason each are 5.1 MB
export const CRL_PIECE_BYTES = 1 * MIB // of a list in one frame
export const CERTIFICATE_FILE_MAX_BYTES = 64 * KIB // a PEM, and what openssl -text writes around it
export const CRL_FILE_MAX_BYTES = 2 * CRL_MAX_BYTES // base64 takes 4/3
export const CRL_SLICE_ENTRIES = 2_000 // read or written in one go: 1–3 ms
export const ROOT_KEY_BITS = 4096 // it must hold for 10 years
export const CA_KEY_BITS = 2048 // the CA node's own: a libp2p identity like a device's, and replaceable under the root
export const STORE_KEY_BYTES = 32 // AES-256
export const PEPPER_BYTES = 32 // a key of 256 bits
export const DEVICE_KEY_MIN_BITS = 2048 // NIST SP 800-57 until 2030
export const DEVICE_KEY_MAX_BITS = 4096 // more only slows the verifier
export const DEVICE_KEY_BITS = [2048, 3072, 4096] as const // what an operator may ask for: 112, 128 and 150 bits of strength
export const EXPONENT_MIN = 65_537n // NIST SP 800-56B §6.2: odd, and at least this
export const EXPONENT_MAX = 2n ** 32n // a longer one only slows the verifier
export const SEALED_KEY_MAX_BYTES = 16 * KIB // RSA-4096 sealed is 2.5 KiB
export const SCRYPT_COST = 2 ** 14 // N: with r = 8 it is 16 MiB, a row of OWASP's table; OpenSSL opens no more than 32 MiB
export const SCRYPT_BLOCK = 8 // r
export const SCRYPT_LANES = 5 // p: OWASP's, for that N; 0.2 s
export const SCRYPT_MAX_MEMORY_BYTES = 32 * MIB // what OpenSSL takes as well
export const SCRYPT_LANES_MAX = 16 // a damaged file may not keep a core for minutes

// Revocation at the CA
export const WALL_TICK_MS = 1 * SECOND_MS // how soon it is seen that the wall clock was set, or that a laptop slept
export const RENEWAL_CHECK_MS = 1 * MINUTE_MS // how often a certificate's age is looked at, besides each sighting of the CA
export const RENEWAL_RETRY_MS = 1 * HOUR_MS // after the CA refused a renewal; sooner in a short life, by RENEWAL_RETRY_SHARE
export const RENEWAL_RETRY_SHARE = 12 // … of it: every 5 minutes in an hour, within ENROLMENT_TRIES
export const CA_SIGHT_MS = 1 * MINUTE_MS // a peer looks for the CA that it has no connection with after half of this to all of it
export const CRL_FRESH_CHECK_MS = 1 * MINUTE_MS // how often it is looked at whether the revocation list is stale
export const CRL_INTERVAL_MS = 24 * HOUR_MS // a list at least this often: who has an old one sees that it is old
export const CRL_ENTRY_KEPT_MS = 30 * DAY_MS // past the certificate's end: as long as its key alone could renew it
export const CRLS_KEPT = 30 // lists in the CA's database: a month, for whoever asks what was said when
export const CRL_CHECK_MS = 1 * MINUTE_MS // how often the wall clock is looked at: no timer survives a laptop's sleep
export const REVOCATION_POLL_MS = 250 // how soon a CA that serves signs what was revoked beside it
export const SIGNING_WAIT_MS = 3 * SECOND_MS // a CA that serves has signed by then; else a command signs for itself
export const KEPT_LISTS_MAX = 4 // older lists beside the newest, after as many restores of the CA that forgot something
export const RECOVERY_ASK_MS = 10 * SECOND_MS // how long a CA that was restored waits for its devices before its first list
export const CRL_NUMBERS_LEFT_OUT = 1_000 // after a restore: one a day and one a revocation, for a year and more
export const PRESENCE_MS = 10 * MINUTE_MS // how often a CA process says where it listens …
export const PRESENCE_KEPT_MS = 24 * HOUR_MS // … and how much longer than another it may be silent before invites leave it out
export const CRL_JUMP_NUMBERS = CRL_NUMBERS_LEFT_OUT / 2 // from one list to the next: the CA was restored, and had made fewer since
export const BACKUP_MAX_BYTES = 1_024 * MIB // of a CA: a database of 100,000 devices is 400 MB

// Enrolment
export const INVITE_LIFETIME_MS = 48 * HOUR_MS
export const INVITE_TOKEN_BYTES = 16 // 128 bits: not to be guessed
export const CHALLENGE_LIFETIME_MS = 60 * SECOND_MS // the answer takes milliseconds; a minute forgives a suspended laptop
export const CHALLENGES_OPEN_MAX = 1_000 // pending challenges held in memory: 1 KiB each
export const INVITE_MAX_CHARACTERS = 4 * KIB // 16 addresses of 255 characters do not fit, nor do they into a QR code
export const INVITES_AT_ONCE = 1_000 // made by one command: a school's worth
export const NETWORK_NAME_MAX = 64 // characters, RFC 5280 appendix A.1: ub-common-name
export const CHALLENGE_MAX_BYTES = 190 // what RSA-2048 OAEP with SHA-256 takes (RFC 8017 §7.1.1: 256 − 2 × 32 − 2)
export const ENROLMENT_REQUEST_MAX_BYTES = 16 * KIB // a request of an RSA-4096 key, a password, and room for a later door
export const STOP_GRACE_MS = 5 * SECOND_MS // a CA that stops waits so long for those who are in the middle: on a bad Wi-Fi an answer takes seconds
export const ENROLMENT_WAIT_MS = 90 * SECOND_MS // a full queue of password hashes, as the newcomer waits for it
export const AUDITED_REFUSALS = 1_000 // … and refusals written down in one: 100 KiB, and no stranger fills the disk
export const RATE_KEYS_MAX = 10_000 // names and PeerIds whose tries are remembered in one window: 2 MiB
export const ENROLMENT_TRIES = 5 // a name, a PeerId …
export const ENROLMENT_TRIES_GLOBAL = 300 // … and altogether, so that a class of 100 can join at once
export const ENROLMENT_WINDOW_MS = 15 * MINUTE_MS // … in each such window
export const ENROLMENT_BAR_MAX_MS = 24 * HOUR_MS // who goes on past the limit is kept out twice as long each time, up to this
export const PENDING_MAX = 1_000 // requests that wait for the operator: 100 KiB
export const PENDING_LIFETIME_MS = 7 * DAY_MS // a request, or an approval, that nobody comes back for
export const DEVICES_PER_USER = 10 // a person's machines, with room for a lost one, unless the operator says otherwise …
export const DEVICES_PER_USER_MAX = 1_000 // … up to this: one user who stands for a rack of machines
export const RENEWAL_GRACE_MS = 30 * DAY_MS // past its end a certificate is renewed by the key alone: a long holiday
export const PASSWORD_HASHES_AT_ONCE = 2 // 64 MiB each
export const PASSWORD_HASHES_WAITING = 300 // 0.25 s each on two cores (measured): nobody waits over 75 s

// Streams
export const STREAMS_PER_PROTOCOL = 64 // inbound streams of one peer on one protocol
export const CONNECTIONS_MAX = 1_000 // a CA's newcomers or a peer's peers
export const DIAL_ADDRESS_MS = 10 * SECOND_MS // one address; a host that is off says nothing, a busy CA with 100 newcomers takes seconds …
export const DIAL_MS = 30 * SECOND_MS // … and all of a peer's, one after the other: two that lead nowhere may stand first
export const INBOUND_CONNECTIONS_PER_SECOND = 1_000 // libp2p's 5 a second resets peers that share an address
export const SESSION_GRACE_MS = 2 * SECOND_MS // the connection that loses a simultaneous dial drains before it closes

// Rooms
export const ROOM_NAME_MAX = 64 // characters: a line on a screen
export const ROOM_TOPIC_MAX = 512 // characters: two or three lines
export const MEMBERSHIP_BODY_MAX_BYTES = 32 * KIB // 300 heads of a removed user's logs
export const REMOVE_HEADS_MAX = 300 // logs of one user in one room: 10 devices with 30 incarnations each
export const REACTIONS_READ_MAX = 2_000 // standing reactions read of one message: what 200 people add of 10 kinds
export const MENTIONS_MAX = 64 // users whom one message mentions; more is @all
export const HISTORY_PAGE_MAX = 1_000 // messages shown at once: opened in 50 ms
export const HISTORY_LOOK_MAX = 5_000 // messages looked at for one page, with those that are not shown: 100 ms
export const UNREAD_COUNT_MAX = 1_000 // messages that are counted as unread: a screen says 999+; counted in 0.3 ms
export const UNREAD_TOLD_MS = 100 // an event of unread counts at most this often a room
export const DRAFT_MAX_BYTES = 64 * KIB // UTF-8; four times what can be sent, so that nothing typed is lost
export const SLICE_MS = 4 // of work in the background in one go, before other work gets its turn
export const SEARCH_WORD_MAX = 64 // characters of one word in the index: longer ones are found by their beginning
export const SEARCH_HITS_MAX = 1_000 // messages in one answer
export const SNIPPET_CHARACTERS = 160 // of a message, around what was found: two lines
export const PULSE_MIN_MS = 20 // between two looks at what is due: one that fails does not spin
export const RETENTION_CHECK_MS = 1 * SECOND_MS // how late a message past its time may be erased; it is not shown any more
export const ERASE_AT_ONCE = 200 // messages erased in one transaction: 5 ms
export const RECEIPT_SOON_MS = 500 // after something was read: what is read in one glance goes into one receipt
export const RECEIPT_READ_MS = 5 * SECOND_MS // between receipts of a room that tell what was read …
export const RECEIPT_HELD_MS = 60 * SECOND_MS // … and before one that tells only what is held: sync has told it to all present
export const RECEIPT_CALM_DEVICES = 16 // in a room of more devices receipts come the more rarely, so that all of theirs are 3 a second
export const RECEIPT_READERS_MAX = 32 // devices in a room, up to which its users tell each other what they have read
export const RECEIPT_WITNESSES = 3 // others' receipts for a log that spare ours, in a room of more than RECEIPT_CALM_DEVICES
export const RECEIPT_HEADS_AT_ONCE = 200 // … of each kind in one that we write: 46 KiB
export const RECEIPT_GRACE_MS = 10 * MINUTE_MS // after a revocation: whoever learns of it by then still vouches for what it holds
export const RECEIPT_HEADS_MAX = 400 // heads in one receipt: 120 bytes each, within RECORD_MAX_BYTES

// Records
export const BATCH_MAX_RECORDS = 256 // records under one signature: a Merkle path of 8 hashes
export const SIGN_MAX_RECORDS = 64 // … of ours: stored in 5 ms, and a signature's 0.8 ms are shared well enough
export const SIGN_MAX_BYTES = 48 * KIB // … and of their bodies, when there are several: 300 boxes and whom they are for, stored in 5 ms
export const GOSSIP_MAX_RECORDS = 32 // records in one gossip message: read in 2 ms …
export const GOSSIP_MAX_BYTES = 64 * KIB // … and their bytes, when there are several
export const SYNC_BATCH_BYTES = 256 * KIB // records a frame: encoded in 2 ms
export const SYNC_SLICE_MS = 3 // of serving or reading records in one go, before other work gets its turn
export const MERGE_PREFETCH_RECORDS = 4_096 // places in time of a merge's records that are in memory: 0.5 MiB
export const SYNC_REQUEST_MAX_BYTES = 64 * KIB // a frame of heads is 35 KiB
export const SYNC_INTERVAL_MS = 15 * SECOND_MS // what gossip, push and the live hints all lost is found after this
export const SYNC_AGAIN_MS = 3 * SECOND_MS // after a session began: gossip may have lost something until its mesh had formed
export const SYNC_DEBOUNCE_MS = 50 // one heads exchange for a burst of records
export const LANE_FLOWS_RECORDS = 100 // a second that a pull must bring, or another peer is asked for the room as well
export const LANE_PATIENCE_MS = 10 * SECOND_MS // … and that one waits at most behind a pull that flows
export const LANE_CHECK_MS = 500 // how often this is looked at
export const PULLS_AT_ONCE = 4 // rooms that are pulled from one peer: one that is long does not hold up the rest
export const GAP_RECORDS_MAX = 4_096 // records that wait for an earlier one, in memory …
export const GAP_BYTES_MAX = 16 * MIB // … and their bytes; what does not fit is pulled again
export const RECORD_AHEAD_MAX_MS = 1 * DAY_MS // a clock in a wrong time zone passes; a year 9999 would stay newest for ever
export const FOULS_REMEMBERED = 1_024 // refused records that are told once, however often they are served: 100 KiB
export const AFTER_MAX = 64 // hashes of membership records that one record may cite
export const VOID_FACTS_MAX = 1_000 // membership records beyond forks, in one room, kept since honest members cite them
export const HEADS_MAX = 20_000 // logs in one room: 1,000 devices with 20 incarnations each
export const LOGS_PER_DEVICE = 64 // of one device in a room that everybody is in: its store was restored so often; more would only fill HEADS_MAX
export const HEADS_PER_FRAME = 256 // heads in one message: read in 3 ms
export const STRANGE_ROOMS_MAX = 200 // rooms of one founder that we are told of and are not in: what is invited later comes again
export const ROOMS_MAX = 10_000 // rooms that two members share: 0.9 MB in one answer
export const OPEN_ROOMS_MAX = 1_000 // open rooms that a peer tells of: 1 MB in one answer

// Live
export const LIVE_MAX_BYTES = 16 * KIB // a message of the live stream: 64 heads are 5 KiB
export const HELD_HEADS_MAX = 64 // heads in one; who has more to tell says `changed`
export const TYPING_LASTS_MS = 6 * SECOND_MS // a pause for thought; it is said again at half of this
export const ACK_AFTER_MS = 50 // until an author is told that its records are held: a burst is told of once …
export const ACK_EVERY_MS = 250 // … and a stream of them this often
export const TELL_AFTER_MS = 300 // until members who did not say that they hold a record are told of it …
export const TELL_JITTER_MS = 200 // … and a little longer, so that one of two speaks and the other need not
export const TELL_EVERY_MS = 1 * SECOND_MS // … and then this often
export const TELL_FANOUT = 16 // members told at once: the others hear it from these, or next time
export const HINT_FANOUT = 3 // … and of what gossip should have brought them: a rumour that three pass on reaches all
export const LIVE_BUFFER_BYTES = 64 * KIB // of a peer's live messages that wait for us; then its stream is paused
export const LIVE_QUEUE_BYTES = 64 * KIB // of ours that wait for a slow peer; what does not fit is dropped
export const PUSH_BUFFER_BYTES = 512 * KIB // of a peer's pushed records that wait for us; then its stream is paused
export const PUSH_QUEUE_BYTES = 1 * MIB // that wait for one slow session; what does not fit is left to sync

// What one peer may use of us
/** Token buckets: so much at once, and so much a second. */
export const ALLOWANCES = {
  records: { burst: 20_000, perSecond: 4_000 }, // that it gossips or pushes; 1,500 a second is a busy room
  bytes: { burst: 64 * MIB, perSecond: 16 * MIB }, // … and their bytes
  requests: { burst: 1_000, perSecond: 50 }, // of sync: a pull of each room, and one a second
  served: { burst: 512 * MIB, perSecond: 16 * MIB }, // bytes of records that it pulls: half a million at once
  keys: { burst: 50_000, perSecond: 2_000 }, // that it asks the key service for: of what did not come with its keys
  live: { burst: 500, perSecond: 100 }, // messages on its live stream: acknowledgements of 25 rooms
  fouls: { burst: 30, perSecond: 0.5 }, // of what no honest member sends: a faulty program is told of before it is barred
} as const satisfies Record<string, { readonly burst: number; readonly perSecond: number }>
export type AllowanceKind = keyof typeof ALLOWANCES
export const PACE_MAX_MS = 5 * SECOND_MS // that an answer is put off; past that the request is refused
export const BAR_MS = 1 * MINUTE_MS // that a peer is kept out the first time; twice as long each further time …
export const BAR_MAX_MS = 1 * HOUR_MS // … up to this
export const BAR_REMEMBERED_MS = 24 * HOUR_MS // after which the next time is the first again

// Sender keys
export const EPOCH_LIFETIME_MS = 24 * HOUR_MS
export const EPOCH_ERASE_MS = 25 * HOUR_MS // then our own sender key is erased, sent with or not: no send that began in its time still runs
export const CHAIN_ERASE_MS = 72 * HOUR_MS // after another's sender key was accepted, as with prekeys: what comes later is asked of the key service
export const CHAIN_ERASE_AWAY_MS = 14 * DAY_MS // … and at a start, before what came meanwhile is here: a holiday. Who starts for moments only keeps them no longer
export const EPOCH_MESSAGES = 1_000 // messages under one sender key
export const PREKEY_LIFETIME_MS = 24 * HOUR_MS
export const PREKEY_AT_START_MS = 10 * MINUTE_MS // a start makes a new one too, unless the last is younger than this
export const PREKEY_CHECK_MS = 10 * MINUTE_MS // how often its age is looked at
export const PREKEY_ERASE_MS = 72 * HOUR_MS // after its rotation: a long weekend away
export const PREKEY_MAX_BYTES = 2 * KIB // of a suite to come: X-Wing has 1,216
export const BOX_MAX_BYTES = 2 * KIB // likewise: X-Wing has 1,168
export const BOXES_PER_RECORD = 100 // 160 bytes each; written, and read, in 3 ms
export const BOXES_AT_ONCE = 8 // sealed in one go: 3 ms
export const KEYS_PER_REQUEST = 256 // message keys in one answer of the key service: opened in 10 ms
export const KEYS_AGAIN_MS = 15 * SECOND_MS // before a member who had no key for a message is asked for it again; it doubles …
export const KEYS_AGAIN_MAX_MS = 5 * MINUTE_MS // … up to this: it may have got the key meanwhile
export const BODIES_MAX_BYTES = 1 * MIB // message bodies in that answer, for who got skeletons

// Files
export const CHUNK_BYTES = 1 * MIB // hash and seal take 1–2 ms: no stall, little overhead
export const MANIFEST_MAX_CHUNKS = 100_000 // 100 GiB, in 3.2 MB of hashes: one frame
export const MANIFEST_MAX_BYTES = MANIFEST_MAX_CHUNKS * 32 + KIB // the hashes, and what stands around them; paths share it
export const FILE_REPLY_MAX_BYTES = MANIFEST_MAX_BYTES + 16 * KIB // with one bit a chunk
export const HAVE_CHUNKS_MAX = 1_024 // told of in one frame: 5 KiB
export const HAVE_AFTER_MS = 50 // until what has come is told of: several in one frame on a fast link
export const MANIFEST_MAX_ENTRIES = 20_000 // files and empty folders of one offer: read and given their places in 0.1 s
export const FILE_PATH_MAX_BYTES = 1_024 // of a path in an offered folder: macOS takes no longer ones
export const FILES_OPEN_MAX = 32 // of one offer, while it is read or written: many systems allow 256 a process
export const HASH_LANES = 3 // chunks hashed at a time: one is read while two cores hash
export const HASH_LANE_CHUNKS = 8 // that a lane is worth
export const FILE_PATH_MAX_DEPTH = 32 // folders below each other: what people make has ten
export const DISK_RESERVE_BYTES = 64 * MIB // left free for the system and our own database when a file lands
export const PREVIEW_BYTES = 64 * KIB // read of a picture or a text: the sizes of nearly all pictures stand in them
export const PREVIEW_CHARACTERS = 80 // of a text: one line
export const DISK_CHECK_BYTES = 32 * MIB // written between two looks at the room on the disk: half of what is left free
export const FILES_AT_ONCE = 8 // small files of a folder that are written, or brought to the disk, side by side
export const FILE_FLUSH_BYTES = 64 * MIB // of a file that lands: so much is sent on to the disk while more comes
export const DIRECT_BLOCK_BYTES = 4 * KIB // of a disk, for writes past the system's cache; those with larger ones refuse, and are written to as ever
export const DIRECT_WRITES_MAX = 3 // such writes of one file at a time, a chunk each: more are not faster
export const FILE_NAME_TRIES = 1_000 // `name (2).txt`, `name (3).txt` … in one folder
export const HOLDER_STRIKES = 3 // losses in a row, with no chunk between, before a holder of a file is left alone
export const FILE_AUTO_ACCEPT_BYTES = 100 * MIB // larger files wait for /get, unless the home has settled another bound
export const CHUNKS_IN_FLIGHT = 8 // requested ahead of the disk: 8 MiB a transfer
export const CHUNKS_AT_FIRST = 2 // … of one holder, one more a chunk that comes: ten that begin at once ask for 20 MiB, not for 80
export const CHUNKS_LOOKED_AT = 512 // for the rarest: 20 µs
export const CHUNK_PATIENCE_MS = 60 * SECOND_MS // for one chunk: 17 KB/s, and the holder serves others too
export const HOLDER_STALL_MS = 15 * SECOND_MS // with no chunk from it, while others have what was asked of it, a holder is dropped
export const CHUNK_TWICE_MS = 10 * SECOND_MS // at the end, when nothing else is left to ask for, what a holder that brought nothing for so long was asked for is asked of another, too
export const SPARED_FROM = 3 // holders that fetch themselves: among so many the one who has everything is asked for what nobody else has …
export const GIVEN_MS = 60 * SECOND_MS // … nor was asked for so lately: time for it to arrive there, as CHUNK_PATIENCE_MS; sooner when somebody leaves
export const SWARM_TICK_MS = 500 // how often this is looked at
export const CHUNKS_AHEAD = 8 // read and not yet sent on one road: 8 MiB …
export const CHUNKS_AHEAD_SHARED = 24 // … and on all of them, past one each

// The TLS road for files
export const BULK_MESSAGE_MAX_BYTES = 1 * KIB // a door and its ticket are 100 bytes
export const BULK_DOOR_BYTES = 16 // 128 bits: who guesses none gets no answer from the port
export const BULK_TICKET_BYTES = 32 // 256 bits, and only ever inside TLS and Noise
export const BULK_TICKET_MS = 10 * SECOND_MS // from the answer to the ticket's use: a handshake takes some 10 ms, a slow laptop a second
export const BULK_CONNECT_MS = 2 * SECOND_MS // a firewall that drops says nothing: then the libp2p stream carries the file
export const BULK_HANDSHAKE_MS = 5 * SECOND_MS // from a TCP connection to its ticket; who is slower is cut
export const BULK_HANDSHAKES_MAX = 32 // TCP connections without a ticket yet; for one more the oldest is cut
export const BULK_DOORS_MAX = 8 // tickets of one session that wait to be used
export const BULK_ROADS_MAX = 16 // TLS roads that one session has open
export const BULK_RETRY_MS = 60 * SECOND_MS // after TLS found no way: until it is tried again on that session
export const BULK_FROM_BYTES = 4 * MIB // smaller files are over before the second handshake would be

// First start
export const CA_SEARCH_MS = 4 * SECOND_MS // until the CAs that were found are listed: time for the second multicast question

// Comparing in person
export const FINGERPRINT_ROUNDS = 5_200 // Signal's: whoever looks for keys of a like number computes so much for each; 10 ms
export const FINGERPRINT_BYTES = 32 // of a fingerprint in a QR code, as in Signal's

// Backup of a profile
export const BACKUP_LIST_MAX_BYTES = 512 * KIB // the small files of a home: a key of 16 KiB, certificates, 8 roots that followed
export const BACKUP_PIECE_BYTES = 1 * MIB // read, sealed and written in one go: 2 ms
export const BACKUP_STILL_MS = 100 // since the database file last changed, before it is copied: twice what a file system's clock ticks
export const BACKUP_TRIES = 100 // … and copies that a checkpoint spoils, before it is given up: a busy peer makes one in seconds

// Transcripts
export const TRANSCRIPT_ITEM_MAX_BYTES = CRL_MAX_BYTES + KIB // the largest is a revocation list
export const TRANSCRIPT_STATEMENT_MAX_BYTES = 4 * MIB // HEADS_MAX logs are 3.4 MB
export const TRANSCRIPT_PROBLEMS_MAX = 1_000 // that a report names one by one; a file of noise has more, and they are counted

// The libp2p node
export const STREAM_WINDOW_BYTES = 1 * MIB // Yamux: a chunk in flight without waiting for a window update
export const STREAM_WINDOW_MAX_BYTES = 4 * MIB // grows to this on fast links
export const READ_BUFFER_BYTES = 16 * MIB // a paused stream takes at most the window, with room for windows in change
export const MDNS_INTERVAL_MS = 10 * SECOND_MS // a query each; newcomers ask at once at their start …
export const MDNS_FIRST_QUESTIONS_MS = [1, 3, 7].map((seconds) => seconds * SECOND_MS) // … and then: RFC 6762 §5.2
export const MDNS_SENDING_MS = 100 // for a question to leave; binding and sending take 10
export const GOSSIP_DATA_MAX_BYTES = 4 * MIB // one RPC: an answer to IWANT holds many records, and a larger one ends the stream
export const ADDRESSES_MAX = 16 // multiaddrs that one peer tells of itself
export const ADDRESS_MAX_CHARACTERS = 255 // a DNS name in a multiaddr

// Discovery
export const REDIAL_TICK_MS = 250 // how often the list of peers without a session is looked at
export const REDIAL_MIN_MS = 500 // first wait before a failed dial is tried again; it doubles …
export const REDIAL_MAX_MS = 60 * SECOND_MS // … up to this
export const INGEST_SLICE_MS = 8 // of verifying and storing in one go, before other work gets its turn: 50 records, one transaction
export const FILE_RETRY_MS = 5 * SECOND_MS // until a fetch that found no holder looks again; a newcomer wakes it at once

// The local API
export const SAID_AT_ONCE_MAX = 32 // messages of what is piped to `say`: half a MiB; more is a file
export const API_TOKEN_BYTES = 32 // 256 random bits: nobody guesses it
export const API_BODY_MAX_BYTES = 128 * KIB // a text of 16 KiB, each byte of it as \u00XX
export const API_REQUEST_MS = 30 * SECOND_MS // for a request to come whole, over a pipe of this machine
export const API_SOCKETS_MAX = 512 // programs that listen to one device: a screen, a page, and bots
export const API_CONNECTIONS_MAX = 1_024 // those, and as many requests at once
export const API_UNREAD_MAX_BYTES = 8 * MIB // that a program has not read of its events: it is dropped, and may come back
export const API_EVENTS_KEPT = 2_000 // a program that comes back misses nothing of some minutes
export const API_EVENTS_KEPT_BYTES = 4 * MIB // of those, when they are long
export const DOCTOR_WAIT_MS = 1 * SECOND_MS // for a datagram of ours to come back to us
export const DISK_LOW_BYTES = 100 * MIB // free: less than this, and files stop coming
export const API_PING_MS = 30 * SECOND_MS // a program that was stopped is seen by the second one
