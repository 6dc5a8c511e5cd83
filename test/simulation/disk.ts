import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { type Database, openDatabase } from '../../peer/store/database.ts'

/** How a life ends against its will. A killed process leaves what was committed; a power cut only what was flushed. */
export type Death = 'kill' | 'power-cut'

/** All of a store, as a backup or a thief has it. */
export type Image = { readonly file: Uint8Array; readonly log: Uint8Array }

/** One device's disk: it outlives the device's lives. */
export type Disk = {
  /** @param onDeath called at once when the life ends by its writing */
  open(onDeath: () => void): Drive
  image(): Image
  /** What is on the disk is this from now on; nobody may have it open. */
  put(image: Image): void
}

/** The disk while a device lives. */
export type Drive = {
  readonly database: Database
  /** After so many more steps of writing the device dies by it: between any two of them, or within one. */
  dieIn(points: number, death: Death): void
  /** The device dies now. */
  die(death: Death): void
  /** Whether anything was written since this was last asked. */
  stirred(): boolean
  readonly dead: Death | null
  /** Ends the life's hold on the disk, in good order or as it died. */
  release(): void
}

/** What a device that dies gets from its disk: there is nobody to catch it. */
export class Crash extends Error {
  override readonly name = 'Crash'
}

/** A folder for the disks of one run after another, in memory where the system has such a place. */
export const createRack = () => {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lanyard-simulation-'))
  const blank = join(folder, 'blank.db')
  openDatabase(blank).close()
  let count = 0
  return {
    /** @param lies the disk says that it has flushed, and has not */
    disk: (lies: boolean): Disk => createDisk(() => join(folder, `${count++}.db`), blank, lies),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

const createDisk = (freshPath: () => string, blank: string, lies: boolean): Disk => {
  let path = freshPath()
  copyFileSync(blank, path)
  /** Bytes of the write-ahead log that a power cut leaves. */
  let durable = 0
  const logSize = (): number => statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0
  const image = (): Image => ({
    file: readFileSync(path),
    log: logSize() === 0 ? new Uint8Array() : readFileSync(`${path}-wal`),
  })
  const put = ({ file, log }: Image): void => {
    for (const name of [path, `${path}-wal`]) rmSync(name, { force: true })
    path = freshPath()
    writeFileSync(path, file)
    if (log.byteLength > 0) writeFileSync(`${path}-wal`, log)
  }

  return {
    image,
    put,
    open: (onDeath) => {
      const inner = openDatabase(path)
      inner.prepare('PRAGMA wal_autocheckpoint = 0').get() // so that the log grows at its end alone
      durable = logSize()
      return createDrive(
        inner,
        () => {
          durable = logSize()
        },
        lies,
        onDeath,
        (death) => {
          const left = death === 'power-cut' ? image() : null
          inner.close()
          if (left !== null) put({ ...left, log: left.log.subarray(0, durable) })
        },
      )
    },
  }
}

const createDrive = (
  inner: Database,
  flush: () => void,
  lies: boolean,
  onDeath: () => void,
  release: (death: Death | null) => void,
): Drive => {
  let dead: Death | null = null
  let fuse: { left: number; readonly death: Death } | null = null
  let stirred = false
  let depth = 0

  /** Something may end here. */
  const point = (): void => {
    if (dead !== null) throw new Crash('the device is dead')
    stirred = true
    if (fuse === null || fuse.left-- > 0) return
    dead = fuse.death
    onDeath()
    throw new Crash(`the device dies here (${dead})`)
  }
  const live = (): void => {
    if (dead !== null) throw new Crash('the device is dead')
  }
  const wrap = (statement: StatementSync): StatementSync => {
    const alone = <T>(run: () => T): T => {
      if (depth > 0) {
        live()
        return run()
      }
      point()
      const result = run()
      point()
      return result
    }
    const wrapped = {
      run: (...values: never[]) => alone(() => statement.run(...values)),
      get: (...values: never[]) => {
        live()
        return statement.get(...values)
      },
      all: (...values: never[]) => {
        live()
        return statement.all(...values)
      },
      iterate: (...values: never[]) => {
        live()
        return statement.iterate(...values)
      },
    }
    return wrapped as unknown as StatementSync
  }
  const database: Database = {
    prepare: (sql) => wrap(inner.prepare(sql)),
    onRollback: inner.onRollback,
    transaction: (work) => {
      if (depth > 0) return work()
      point()
      depth++
      try {
        const result = inner.transaction(() => {
          const made = work()
          point()
          return made
        })
        point()
        return result
      } finally {
        depth--
      }
    },
    flushed: async () => {
      point()
      if (!lies) flush()
      point()
    },
    checkpoint: () => {
      point()
      inner.checkpoint()
      flush()
      point()
    },
    close: () => undefined,
  }
  return {
    database,
    dieIn: (points, death) => {
      fuse = { left: points, death }
    },
    die: (death) => {
      dead ??= death
    },
    stirred: () => {
      const was = stirred
      stirred = false
      return was
    },
    get dead() {
      return dead
    },
    release: () => release(dead),
  }
}
