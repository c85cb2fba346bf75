import { CODEC_ZSTD, compressFrame, FRAME_BYTES, release } from '../../format/frame.ts'
import { encodePackIndex, type PackedFrame } from '../../format/pack-index.ts'
import type { Manifest } from '../../format/manifest.ts'
import { MAP_MAGIC, SKIPPABLE_HEADER_BYTES, skippableFrame } from '../../format/skippable-frame.ts'
import { sha256, sha256Hex } from '../../format/checksum.ts'
import { NewFile } from '../new-file.ts'

/** Frames that are compressed at the same time, each on a thread of its own. */
const FRAMES_IN_FLIGHT = 4

/**
 * Writes a pack to a local file. Reading, compressing and writing overlap; how much is in memory does not depend on the
 * size of the database.
 */
export class PackWriter {
  readonly frames: PackedFrame[] = []
  readonly #file: NewFile
  readonly #level: number
  readonly #buffers: Buffer[] = []
  readonly #inFlight: Array<{ raw: Buffer, stored: Promise<Buffer> }> = []
  #bytes = 0

  private constructor (file: NewFile, level: number) {
    this.#file = file
    this.#level = level
  }

  /** @param file nothing exists there yet */
  static async create (file: string, level: number): Promise<PackWriter> {
    return new PackWriter(await NewFile.create(file, true), level)
  }

  /** A buffer for the next frame; it is used again once {@link addFrame} has dealt with it. */
  takeBuffer (): Buffer {
    return this.#buffers.pop() ?? Buffer.allocUnsafeSlow(FRAME_BYTES)
  }

  /** Takes a frame's bytes, which begin the buffer that was taken for it. Resolves when the next one is welcome. */
  async addFrame (buffer: Buffer, rawLength: number): Promise<void> {
    const raw = buffer.subarray(0, rawLength)
    const stored = compressFrame(raw, this.#level)
    stored.catch(() => {}) // reported when its turn comes
    this.#inFlight.push({ raw, stored })
    if (this.#inFlight.length >= FRAMES_IN_FLIGHT) await this.#writeOldest()
  }

  /** Waits until every frame is written. */
  async flush (): Promise<void> {
    while (this.#inFlight.length > 0) await this.#writeOldest()
  }

  /** Ends the pack with the page map and its own index, durably. */
  async end (packId: string, rawMap: Buffer): Promise<{ map: Manifest['map'], packBytes: number }> {
    await this.flush()
    const storedMap = await compressFrame(rawMap, this.#level)
    const map = { pack: packId, offset: this.#bytes + SKIPPABLE_HEADER_BYTES, storedLength: storedMap.length, rawLength: rawMap.length, sha256: sha256Hex(storedMap), codec: CODEC_ZSTD }
    await this.#write(skippableFrame(MAP_MAGIC, storedMap))
    await this.#write(encodePackIndex(this.frames))
    await this.#file.complete()
    return { map, packBytes: this.#bytes }
  }

  /** Gives up the file; it may be incomplete. */
  async close (): Promise<void> {
    await Promise.allSettled(this.#inFlight.map(async frame => await frame.stored))
    await this.#file.close()
  }

  async #writeOldest (): Promise<void> {
    const { raw, stored } = this.#inFlight.shift() as { raw: Buffer, stored: Promise<Buffer> }
    const bytes = await stored
    this.frames.push({ number: this.frames.length, offset: this.#bytes, storedLength: bytes.length, rawLength: raw.length, codec: CODEC_ZSTD, sha256: sha256().update(bytes).digest() })
    this.#buffers.push(Buffer.from(raw.buffer))
    await this.#write(bytes)
    release(bytes)
  }

  async #write (bytes: Buffer): Promise<void> {
    await this.#file.write(bytes, this.#bytes)
    this.#bytes += bytes.length
  }
}
