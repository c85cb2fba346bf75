import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomUUID } from 'node:crypto'
import zlib from 'node:zlib'
import { createImage, type CreateImageInput, type CreateImageResult } from '../../src/engine/create/create-image.ts'
import { decodePageMap, type PageMap } from '../../src/format/page-map.ts'
import { creationOf } from './creation.ts'

/** Packs in a folder, and images made one after the other, each from the page cache of the one before. */
export class Chain {
  readonly folder: string
  readonly path: string
  /** Packs that the next image may share. */
  packs: string[] = []
  cache = 'none'

  constructor (folder: string, path: string) {
    this.folder = folder
    this.path = path
  }

  async create (input: Partial<CreateImageInput> = {}): Promise<CreateImageResult> {
    const packId = randomUUID()
    const nextCache = join(this.folder, `${packId}.pages`)
    const result = await createImage(creationOf(this.path, {
      packId, nextCache, packFile: this.packFile(packId), temporaryFile: join(this.folder, `${packId}.db`), check: false, parent: { cache: this.cache, usable: this.packs }, ...input
    }))
    if (result.packBytes !== null) {
      this.cache = nextCache
      this.packs.push(packId)
    }
    return result
  }

  packFile (id: string): string {
    return join(this.folder, id)
  }

  mapOf ({ map, image }: CreateImageResult): PageMap {
    const stored = readFileSync(this.packFile(map.pack)).subarray(map.offset, map.offset + map.storedLength)
    return decodePageMap(zlib.zstdDecompressSync(stored), image)
  }

  /** The image as its map says, put together as simply as can be. */
  imageOf (result: CreateImageResult): Buffer {
    const { packs, frames, runs } = this.mapOf(result)
    const raw = frames.map(({ pack, offset, storedLength }) => zlib.zstdDecompressSync(readFileSync(this.packFile(packs[pack] as string)).subarray(offset, offset + storedLength)))
    const { pageSize } = result.image
    return Buffer.concat([...runs].map(({ count, frame, framePage }) => (raw[frame] as Buffer).subarray(framePage * pageSize, (framePage + count) * pageSize)))
  }
}
