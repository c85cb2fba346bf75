import type { ByteReader } from './byte-reader.ts'
import type { PackRange } from './messages.ts'

/** Where stored bytes come from. Several ranges may be asked for before the first has come. */
export interface PackSource {
  /** @throws Error where there are fewer bytes */
  read: (range: PackRange) => Promise<Buffer>
}

/** The bytes that the host sends: those of the ranges it was told of, which are to be asked for in the same order. */
export function streamedPacks (reader: ByteReader): PackSource {
  let turn: Promise<unknown> = Promise.resolve()
  return {
    read: async ({ length }) => {
      const bytes = turn.then(async () => await reader.read(length))
      turn = bytes.catch(() => {}) // thrown to who asked for it
      return await bytes
    }
  }
}
