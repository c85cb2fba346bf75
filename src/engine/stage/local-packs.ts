import { open, type FileHandle } from 'node:fs/promises'
import { codeOf, messageOf, StorageError, StorageMissingError } from '../../errors.ts'
import { release } from '../../format/frame.ts'
import type { PackSource } from './pack-source.ts'

/** Packs that are files of this machine, by their ids, and what they are called in errors. */
export interface PackFiles {
  /** Name of the storage that has them. */
  storage: string
  packs: Record<string, { key: string, file: string }>
}

const MISSING: ReadonlySet<unknown> = new Set(['ENOENT', 'EISDIR'])

/** Packs that are read where they are. What fails is the error that their storage would have thrown. */
export function localPacks ({ storage, packs }: PackFiles): PackSource {
  const handles = new Map<string, Promise<FileHandle>>()
  return {
    expect: async () => {},
    read: async ({ pack, offset, length }) => {
      const found = packs[pack]
      if (found === undefined) throw new Error(`the page map names the pack ${pack}, which is none of the snapshot's`)
      try {
        const handle = handles.get(pack) ?? open(found.file)
        handles.set(pack, handle)
        return await readRange(await handle, pack, offset, length)
      } catch (error) {
        if (MISSING.has(codeOf(error))) throw new StorageMissingError(storage, found.key, { cause: error })
        throw error instanceof PackTooShort ? error : new StorageError(storage, messageOf(error), { cause: error })
      }
    },
    takeBack: release,
    close: async () => {
      for (const opened of await Promise.allSettled(handles.values())) if (opened.status === 'fulfilled') await opened.value.close()
    }
  }
}

class PackTooShort extends Error {}

async function readRange (handle: FileHandle, pack: string, offset: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(length)
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) throw new PackTooShort(`the pack ${pack} ends ${length - done} bytes too early`)
    done += bytesRead
  }
  return bytes
}
