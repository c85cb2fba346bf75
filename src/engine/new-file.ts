import { open, type FileHandle } from 'node:fs/promises'
import { writeFully } from './write-fully.ts'

const CHUNK_BYTES = 1024 * 1024
/** Written bytes after which the disk is set to work, beside everything else: else all of it would be left to the end. */
const SYNC_BYTES = 32 * 1024 * 1024

/** A file that is being made, its parts in any order. */
export class NewFile {
  readonly #handle: FileHandle
  readonly #isDurable: boolean
  #unsyncedBytes = 0
  #syncing: Promise<void> = Promise.resolve()

  private constructor (handle: FileHandle, isDurable: boolean) {
    this.#handle = handle
    this.#isDurable = isDurable
  }

  /**
   * @param path nothing exists there yet
   * @param isDurable whether the file is to survive a crash of the machine once it is complete
   */
  static async create (path: string, isDurable: boolean): Promise<NewFile> {
    return new NewFile(await open(path, 'wx+', 0o600), isDurable)
  }

  async write (bytes: Buffer, offset: number): Promise<void> {
    await writeFully(this.#handle, bytes, offset)
    this.#unsyncedBytes += bytes.length
    if (!this.#isDurable || this.#unsyncedBytes < SYNC_BYTES) return
    this.#unsyncedBytes = 0
    await this.#syncing
    this.#syncing = this.#handle.datasync()
    this.#syncing.catch(() => {}) // reported by the next wait for it
  }

  /** All that is written by the time the first chunk is taken, from the start. */
  read (): AsyncIterable<Uint8Array> {
    return this.#handle.createReadStream({ start: 0, autoClose: false, highWaterMark: CHUNK_BYTES })
  }

  /** Resolves when what was written will last. */
  async complete (): Promise<void> {
    await this.#syncing
    if (this.#isDurable) await this.#handle.sync()
  }

  /** Gives up the file, complete or not. */
  async close (): Promise<void> {
    await Promise.allSettled([this.#syncing])
    await this.#handle.close()
  }
}
