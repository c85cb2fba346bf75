import { fstatSync, readFileSync, type BigIntStats } from 'node:fs'
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
  /** The index header of a log that has frames: salts, last commit frame and its checksum; else empty. */
  log: string
  /**
   * Whether the times were so long past at the pin that any later write must have changed them, on every file system: a write
   * within the same tick of its clock would not.
   */
  isSettled: boolean
}

/** Coarser than the times of any file system: FAT counts in two seconds. */
const GRANULARITY_MS = 2100
const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** Where a log stands, and how the file is beside it: it only grows as long as its salts stay the same. */
export interface LogPosition { salts: string, frames: number, file: string }

export function logPosition (file: number, { salts, frames }: WalIndexHeader): LogPosition {
  return { salts: salts.toString('hex'), frames, file: fileIdentity(fstatSync(file, { bigint: true })) }
}

const fileIdentity = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string => [dev, ino, size, mtimeNs, ctimeNs].join(' ')

export function fileState (file: number, log: WalIndexHeader | null): FileState {
  const stats = fstatSync(file, { bigint: true })
  const { mtimeNs, ctimeNs } = stats
  const newest = Number((mtimeNs > ctimeNs ? mtimeNs : ctimeNs) / 1_000_000n)
  return {
    file: fileIdentity(stats),
    header: readFully(file, HEADER_BYTES, 0).toString('base64'),
    boot: bootId(),
    log: log === null || log.frames === 0 ? '' : log.bytes.toString('base64'),
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
  return before !== null && now !== null && before.isSettled && before.file === now.file && before.header === now.header && before.boot === now.boot && before.log === now.log
}
