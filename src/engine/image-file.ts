import { constants, open, type FileHandle } from 'node:fs/promises'

const CHUNK_BYTES = 1024 * 1024

/** A database image that is being put together in a file, its pages in any order. */
export class ImageFile {
  readonly #handle: FileHandle

  private constructor (handle: FileHandle) {
    this.#handle = handle
  }

  /** @param path nothing exists there yet */
  static async create (path: string): Promise<ImageFile> {
    return new ImageFile(await open(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600))
  }

  async write (pages: Buffer, offset: number): Promise<void> {
    for (let written = 0; written < pages.length;) written += (await this.#handle.write(pages, written, pages.length - written, offset + written)).bytesWritten
  }

  /** All that was written, from the start. */
  async * read (): AsyncGenerator<Uint8Array> {
    const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES)
    for (let offset = 0; ;) {
      const { bytesRead } = await this.#handle.read(buffer, 0, CHUNK_BYTES, offset)
      if (bytesRead === 0) return
      offset += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  async close (): Promise<void> {
    await this.#handle.close()
  }
}
