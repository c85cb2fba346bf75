/** Reads a stream of chunks in pieces of the sizes asked for. */
export class ByteReader {
  readonly #chunks: AsyncIterator<Buffer>
  #held: Buffer[] = []
  #heldBytes = 0

  constructor (stream: AsyncIterable<Buffer>) {
    this.#chunks = stream[Symbol.asyncIterator]()
  }

  /** The next `length` bytes. @throws Error where the stream ends before that */
  async read (length: number): Promise<Buffer> {
    while (this.#heldBytes < length) {
      const { value, done } = await this.#chunks.next()
      if (done === true) throw new Error(`the stored bytes end ${length - this.#heldBytes} bytes too early`)
      this.#held.push(value)
      this.#heldBytes += value.length
    }
    const bytes = this.#held.length === 1 ? this.#held[0] as Buffer : Buffer.concat(this.#held)
    this.#held = [bytes.subarray(length)]
    this.#heldBytes = bytes.length - length
    return bytes.subarray(0, length)
  }
}
