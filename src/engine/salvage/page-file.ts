import { fstatSync } from 'node:fs'
import { LOCK_BYTE, readFully } from '../pages/page-reader.ts'

/** Bytes of a file that could not be read. */
export interface Hole { offset: number, length: number }

/** The pages of a file that may be damaged: nothing is believed of it but its page size. */
export class PageFile {
  readonly pageSize: number
  /** Bytes of a page that SQLite uses; extensions may keep the rest. */
  readonly usable: number
  /** A last page that was cut counts. */
  readonly pageCount: number
  readonly #descriptor: number
  readonly #size: number
  /** The pages that are known to be used, 1 each, so no page is read as two things and no circle is walked twice. */
  readonly #claimed: Uint8Array

  /** @param holes parts of the file that are not what was there; pages that have a part in one are not read */
  constructor (descriptor: number, pageSize: number, reserved: number, holes: Hole[] = []) {
    this.#descriptor = descriptor
    this.pageSize = pageSize
    this.usable = pageSize - reserved
    this.#size = fstatSync(descriptor).size
    this.pageCount = Math.ceil(this.#size / pageSize)
    this.#claimed = new Uint8Array(this.pageCount + 1)
    for (const { offset, length } of holes) this.#claimed.fill(1, Math.floor(offset / pageSize) + 1, Math.ceil((offset + length) / pageSize) + 1)
  }

  read (number: number): Buffer {
    return readFully(this.#descriptor, this.pageSize, (number - 1) * this.pageSize)
  }

  /** How many of a page's bytes SQLite uses and the file has. */
  usableOf (number: number): number {
    return Math.min(this.usable, this.#size - (number - 1) * this.pageSize)
  }

  /** Whether there is such a page, which can hold something and is not used yet. */
  isFree (number: number): boolean {
    return number >= 1 && number <= this.pageCount && number !== LOCK_BYTE / this.pageSize + 1 && this.#claimed[number] === 0
  }

  claim (number: number): void {
    this.#claimed[number] = 1
  }
}
