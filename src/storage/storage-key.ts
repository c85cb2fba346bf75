import { StorageKeyError } from '../errors.ts'

const KEY = /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/

/** Whether a text is a key. */
export function isKey (text: string): boolean {
  return KEY.test(text) && text.length <= 512
}

/**
 * Guards a storage against keys that could leave it or mean two things.
 * @throws FST_SNAPSHOT_STORAGE_KEY
 */
export function checkKey (key: string): string {
  if (!isKey(key)) throw new StorageKeyError(JSON.stringify(key))
  return key
}

/**
 * The same for the prefix of a listing: empty, a key, or a key with a slash behind it.
 * @throws FST_SNAPSHOT_STORAGE_KEY
 */
export function checkPrefix (prefix: string): string {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix)
  return prefix
}

/** All bytes of a stream of moderate size, such as a manifest's. */
export async function readAll (stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}
