import { createHash } from 'node:crypto'

/**
 * The SHA-256 of each part of a body, made as its chunks pass. The SDK hashes a part in one go, for which the host would stand
 * still.
 */
export class S3PartDigests {
  readonly #partSize: number
  readonly #digests: string[] = []
  #hash = createHash('sha256')
  #length = 0

  constructor (partSize: number) {
    this.#partSize = partSize
  }

  add (chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const piece = chunk.subarray(at, at + this.#partSize - this.#length)
      this.#hash.update(piece)
      this.#length += piece.length
      at += piece.length
      if (this.#length === this.#partSize) this.end()
    }
  }

  /** What has come since the last full part is a part as well. */
  end (): void {
    this.#digests.push(this.#hash.digest('hex'))
    this.#hash = createHash('sha256')
    this.#length = 0
  }

  /** In hexadecimal digits. @param number 1 for the first part */
  of (number: number): string | undefined {
    return this.#digests[number - 1]
  }
}
