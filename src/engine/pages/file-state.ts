import { fstatSync, readFileSync } from 'node:fs'
import { HEADER_BYTES } from '../database-header.ts'
import { readFully } from './page-reader.ts'
import type { WalIndexHeader } from './wal-index.ts'

/**
 * How a database's files are while a read transaction is pinned. Where two are alike and the earlier one was settled, nothing
 * was written in between: in WAL mode the file's change counter does not move, and a log that is checkpointed and removed
 * leaves nothing else behind than the file's times.
 */
export interface FileState {
  /** Device, inode, size, time of the last write and of the last change of the inode, in nanoseconds. */
  file: string
  /** The first bytes of the file, which have a change counter in the rollback-journal modes. */
  header: string
  /** The start of the machine: a crash of it may take a file's times back that were not on disk yet (mount option lazytime). */
  boot: string
  /** Where the log stands; null where it has no frames, or there is none. */
  log: LogState | null
  /**
   * Whether the times were so long past at the pin that any later write must have changed them, on every file system: a write
   * within the same tick of its clock would not.
   */
  isSettled: boolean
}

/** A log only grows as long as its salts stay the same. */
export interface LogState {
  salts: string
  frames: number
  /** The whole header of the log's index, which differs after every commit. */
  index: string
}

/** Coarser than the times of any file system: FAT counts in two seconds. */
const GRANULARITY_MS = 2100
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

export function fileState (file: number, log: WalIndexHeader | null): FileState {
  const { dev, ino, size, mtimeNs, ctimeNs } = fstatSync(file, { bigint: true })
  const newest = Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n)
  return {
    file: [dev, ino, size, mtimeNs, ctimeNs].join(' '),
    header: readFully(file, HEADER_BYTES, 0).toString('base64'),
    boot: bootId(),
    log: log === null || log.frames === 0 ? null : { salts: log.salts.toString('hex'), frames: log.frames, index: log.bytes.toString('base64') },
    isSettled: newest + GRANULARITY_MS < Date.now()
  }
}

/** Empty on systems that have none. */
export function bootId (file = BOOT_ID): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

/** Whether nothing can have been written since. In any doubt it says no. */
export function isUnchanged (before: FileState | null, now: FileState | null): boolean {
  return before !== null && now !== null && isFileUnchanged(before, now) && before.log?.index === now.log?.index
}

/** The same of the file alone, whatever was written to the log. */
export function isFileUnchanged (before: FileState, now: FileState): boolean {
  return before.isSettled && before.file === now.file && before.header === now.header && before.boot === now.boot
}
