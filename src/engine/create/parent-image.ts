import { decodePageMap, type PageMap } from '../../format/page-map.ts'
import { PageCache, type PageCacheDescription } from './page-cache.ts'
import type { PageSource } from '../pages/page-source.ts'

export interface ParentInput {
  /** A page cache; where it is gone or damaged everything is stored anew. */
  cache: string
  /** The packs that the snapshot may refer to: stored, whole, and kept. Pages in others are stored anew. */
  usable: string[]
}

/** The last snapshot, as far as the next one can share what is stored of it. */
export interface ParentImage {
  cache: PageCache
  description: PageCacheDescription
  map: PageMap
  isUsable: (pack: string) => boolean
  /** Whether all of it may be referred to, its page map included. */
  isComplete: boolean
}

/** Null where nothing can be shared. */
export function openParent (input: ParentInput | null, { pageSize }: PageSource): ParentImage | null {
  if (input === null) return null
  try {
    const cache = PageCache.open(input.cache)
    const { description, rawMap } = cache
    const map = decodePageMap(rawMap, description.image)
    const usable = new Set(input.usable)
    const isUsable = (pack: string): boolean => usable.has(pack)
    if (description.image.pageSize !== pageSize) return null
    return { cache, description, map, isUsable, isComplete: [description.map.pack, ...map.packs].every(isUsable) }
  } catch {
    return null
  }
}
