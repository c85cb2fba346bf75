import { DIGEST_BYTES, sha256, sha256Hex, writePageDigests } from '../../format/checksum.ts'
import type { Manifest } from '../../format/manifest.ts'

/** Makes the checksum of an image from its pages as they come. */
export interface ImageChecksum {
  /** Takes some neighbouring pages, the first of which has this number in the image. */
  add: (pages: Buffer, firstPage: number) => void
  /** The checksum in hexadecimal, once all pages were given. */
  end: () => Promise<string>
}

/** For pages that come in the order of the image: the digest of all of it. */
export function checksumInOrder (): ImageChecksum {
  const digest = sha256()
  return { add: pages => { digest.update(pages) }, end: async () => digest.digest('hex') }
}

/** For pages in any order: a digest of each is kept until the root can be made of them. */
export function treeChecksum ({ pageSize, pageCount }: Manifest['image']): ImageChecksum {
  const digests = Buffer.alloc(pageCount * DIGEST_BYTES)
  return {
    add: (pages, firstPage) => { writePageDigests(pages, pageSize, digests, (firstPage - 1) * DIGEST_BYTES) },
    end: async () => sha256Hex(digests)
  }
}

/** For pages in any order whose digest is that of the whole image: it is read back when it is complete. */
export function checksumReadBack (image: AsyncIterable<Uint8Array>): ImageChecksum {
  return {
    add: () => {},
    end: async () => {
      const digest = sha256()
      for await (const chunk of image) digest.update(chunk)
      return digest.digest('hex')
    }
  }
}
