import { ByteReader } from './byte-reader.ts'
import type { EngineContext } from '../messages.ts'
import type { PackSource } from './pack-source.ts'

/** Packs whose bytes the host sends: first those of the page map, then what it is told of. */
export function streamedPacks ({ input, tell }: EngineContext): PackSource {
  const reader = new ByteReader(input)
  let turn: Promise<unknown> = Promise.resolve()
  return {
    expect: async ranges => { await tell({ type: 'plan', ranges }) },
    read: async ({ length }) => {
      const bytes = turn.then(async () => await reader.read(length))
      turn = bytes.catch(() => {}) // thrown to the one who asked for it
      return await bytes
    },
    takeBack: () => {}, // others may be in the same memory
    close: async () => {}
  }
}
