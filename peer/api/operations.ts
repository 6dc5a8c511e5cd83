import type { BytesOperation, Operation } from './operation.ts'
import { checkScanned, compare, markCompared, unmarkCompared } from './operations/compare.ts'
import { draft, markRead, mute, setDraft, typing } from './operations/desk.ts'
import { meet, renew, setPresence, sightings, status } from './operations/device.ts'
import {
  cancelFile,
  fetchFile,
  folder,
  listFiles,
  offerFile,
  pauseFile,
  removeFile,
  resumeFile,
  setFolder,
} from './operations/files.ts'
import { edit, getMessage, history, react, say, search, takeBack } from './operations/messages.ts'
import { block, users } from './operations/people.ts'
import {
  changeRoom,
  createRoom,
  getRoom,
  grant,
  invite,
  joinRoom,
  leaveRoom,
  listRooms,
  rekeyRoom,
  removeMember,
} from './operations/rooms.ts'
import { exportTranscript, receipt } from './operations/transcripts.ts'

/** All that may be asked of a device. */
export const OPERATIONS: readonly Operation[] = [
  ...[status, renew, sightings, meet, setPresence],
  ...[users, block],
  ...[compare, checkScanned, markCompared, unmarkCompared],
  ...[listRooms, getRoom, createRoom, joinRoom, leaveRoom, invite, removeMember, grant, changeRoom, rekeyRoom],
  ...[markRead, typing, mute, draft, setDraft],
  ...[say, history, getMessage, edit, takeBack, react, search],
  ...[offerFile, listFiles, fetchFile, pauseFile, resumeFile, cancelFile, removeFile, folder, setFolder],
]

/** All that is answered in bytes. */
export const BYTES_OPERATIONS: readonly BytesOperation[] = [exportTranscript, receipt]
