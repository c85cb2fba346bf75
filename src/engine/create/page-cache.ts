import { closeSync, fstatSync, openSync, readSync, rmSync, writeSync } from 'node:fs'
import { DIGEST_BYTES, sha256, sha256Hex } from '../../format/checksum.ts'
import type { Manifest } from '../../format/manifest.ts'
import type { FileState } from '../pages/file-state.ts'
import { readFully } from '../pages/page-reader.ts'

/*
 * What is known of the pages of the last snapshot, in a local file: the digest of each, and where it is stored. The next one
 * stores only what differs. The file may be lost at any time; then the next snapshot is a full one.
 *
 *   preamble (64 bytes) | digests, one for each page | page map | description
 *
 * Everything is held against a checksum before it is believed: the file is not fsynced, and what a crash of the machine
 * leaves of it may have blocks of an older one, whose digests would vouch for pages that are stored nowhere.
 */

/** A pack that holds pages of the snapshot. */
export interface CachedPack {
  id: string
  bytes: number
  /** When it was stored, ISO 8601. */
  storedAt: string
  /** How many of its stored bytes are pages of this snapshot, about. */
  liveBytes: number
}

export interface PageCacheDescription extends Pick<Manifest, 'image' | 'sqlite' | 'integrity' | 'map'> {
  /** The snapshot with which the newest pages were stored. */
  id: string
  packs: CachedPack[]
  /** The database's files then; null where they were not looked at. */
  state: FileState | null
}

const MAGIC = 0x43505346 // "FSPC"
const VERSION = 2
const PREAMBLE_BYTES = 64
const CHECKSUMS_AT = 24
const DIGESTS_AT_ONCE = 8192

interface Trailer { description: PageCacheDescription, mapBytes: number, mapSha256: string, digestsSha256: string }

/** Writes a cache: the digests in the order of the pages, then the rest. */
export class PageCacheWriter {
  readonly #file: string
  readonly #descriptor: number
  readonly #digests = sha256()
  #bytes = PREAMBLE_BYTES
  #isOpen = true

  /** @param file written anew */
  constructor (file: string) {
    this.#file = file
    this.#descriptor = openSync(file, 'w', 0o600)
  }

  addDigests (digests: Buffer): void {
    this.#digests.update(digests)
    this.#write(digests)
  }

  /** @returns the sha256 of all digests: the image's checksum as `sha256-tree` */
  endDigests (): string {
    return this.#digests.digest('hex')
  }

  end (description: PageCacheDescription, rawMap: Buffer, digestsSha256: string): void {
    this.#write(rawMap)
    const trailer: Trailer = { description, mapBytes: rawMap.length, mapSha256: sha256Hex(rawMap), digestsSha256 }
    const bytes = Buffer.from(JSON.stringify(trailer))
    const preamble = Buffer.alloc(PREAMBLE_BYTES)
    preamble.writeUInt32LE(MAGIC, 0)
    preamble.writeUInt32LE(VERSION, 4)
    preamble.writeBigUInt64LE(BigInt(this.#bytes), 8)
    preamble.writeUInt32LE(bytes.length, 16)
    sha256().update(bytes).digest().copy(preamble, CHECKSUMS_AT)
    this.#write(bytes)
    this.#writeAt(preamble, 0)
    this.close()
  }

  close (): void {
    if (this.#isOpen) closeSync(this.#descriptor)
    this.#isOpen = false
  }

  #write (bytes: Buffer): void {
    this.#writeAt(bytes, this.#bytes)
    this.#bytes += bytes.length
  }

  /** A snapshot does not fail for want of a cache: where the disk takes no more, there is none. */
  #writeAt (bytes: Buffer, position: number): void {
    if (!this.#isOpen) return
    try {
      for (let written = 0; written < bytes.length;) written += writeSync(this.#descriptor, bytes, written, bytes.length - written, position + written)
    } catch {
      this.close()
      rmSync(this.#file, { force: true })
    }
  }
}

/** A cache open for reading, until the process ends. */
export class PageCache {
  readonly description: PageCacheDescription
  readonly rawMap: Buffer
  readonly #descriptor: number
  readonly #expected: string
  readonly #digests = sha256()

  private constructor (descriptor: number, { description, mapSha256, digestsSha256 }: Trailer, rawMap: Buffer) {
    if (sha256Hex(rawMap) !== mapSha256) throw new Error('the page map in it is damaged')
    this.#descriptor = descriptor
    this.description = description
    this.rawMap = rawMap
    this.#expected = digestsSha256
  }

  /** @throws Error where there is none, or none that can be believed */
  static open (file: string): PageCache {
    const descriptor = openSync(file, 'r')
    try {
      const trailer = readTrailer(descriptor)
      const mapAt = PREAMBLE_BYTES + trailer.description.image.pageCount * DIGEST_BYTES
      return new PageCache(descriptor, trailer, readFully(descriptor, trailer.mapBytes, mapAt))
    } catch (error) {
      closeSync(descriptor)
      throw error
    }
  }

  /** Only the description, as the host needs it. @throws Error where there is none, or none that can be believed */
  static describe (file: string): PageCacheDescription {
    const descriptor = openSync(file, 'r')
    try {
      return readTrailer(descriptor).description
    } finally {
      closeSync(descriptor)
    }
  }

  /** The digests that follow the last ones read; fewer where there are no more. */
  readDigests (target: Buffer, first: number): Buffer {
    const left = (this.description.image.pageCount - first) * DIGEST_BYTES
    const wanted = target.subarray(0, Math.max(0, Math.min(target.length, left)))
    const digests = wanted.subarray(0, readSync(this.#descriptor, wanted, 0, wanted.length, PREAMBLE_BYTES + first * DIGEST_BYTES))
    this.#digests.update(digests)
    return digests
  }

  /** Whether all digests are those that had been written; reads the ones that were not read yet. */
  areDigestsSound (first: number): boolean {
    const rest = Buffer.alloc(DIGESTS_AT_ONCE * DIGEST_BYTES)
    for (let read = this.readDigests(rest, first); read.length > 0; read = this.readDigests(rest, first)) first += read.length / DIGEST_BYTES
    return this.#digests.digest('hex') === this.#expected
  }
}

function readTrailer (descriptor: number): Trailer {
  const preamble = readFully(descriptor, PREAMBLE_BYTES, 0)
  const [at, length] = [Number(preamble.readBigUInt64LE(8)), preamble.readUInt32LE(16)]
  const isWhole = preamble.readUInt32LE(0) === MAGIC && preamble.readUInt32LE(4) === VERSION && at + length === fstatSync(descriptor).size
  const bytes = readFully(descriptor, isWhole ? length : 0, at)
  if (!isWhole || !sha256().update(bytes).digest().equals(preamble.subarray(CHECKSUMS_AT, CHECKSUMS_AT + DIGEST_BYTES))) throw new Error('it is not whole')
  return JSON.parse(bytes.toString()) as Trailer
}
