import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve, sep } from 'node:path'
import { Readable } from 'node:stream'
import { codeOf, messageOf, NoRoomError, StorageError, StorageExistsError, StorageMissingError } from '../errors.ts'
import { syncFolder } from './sync-folder.ts'
import type { GetOptions, PutOptions, SnapshotStorage, StoredObject } from './snapshot-storage.ts'
import { checkKey, checkPrefix } from './storage-key.ts'

/** Writes in progress have this ending and a leading dot, so no key can name them. */
const PARTIAL = '.partial'
const HIDDEN = /(^|\/)\./

/**
 * Keeps snapshots as files below one folder. A write goes to a file of its own beside its target, is fsynced, takes its
 * place by rename (by link where nothing may be replaced), and the folders are fsynced. Files have mode 0600, folders 0700.
 */
export class LocalStorage implements SnapshotStorage {
  readonly name: string
  readonly #root: string

  /**
   * @param root the folder; made when first written to
   * @param name default `local`
   */
  constructor (root: string, name = 'local') {
    this.#root = resolve(root)
    this.name = name
  }

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, { ifAbsent = false, signal }: PutOptions = {}): Promise<{ bytes: number }> {
    const path = this.#path(key)
    const partial = join(dirname(path), `.${basename(path)}.${randomUUID()}${PARTIAL}`)
    try {
      await this.#makeFolder(dirname(path))
      const bytes = await writeDurably(partial, body instanceof Uint8Array ? [body] : body, signal)
      if (ifAbsent) {
        await link(partial, path)
        await rm(partial)
      } else {
        await rename(partial, path)
      }
      await syncFolder(dirname(path))
      return { bytes }
    } catch (error) {
      await rm(partial, { force: true }).catch(() => {})
      await this.#removeEmptyFolders(dirname(path))
      if (codeOf(error) === 'EEXIST' && ifAbsent && await this.head(key) !== null) throw new StorageExistsError(this.name, key, { cause: error })
      throw this.#explain(error)
    }
  }

  async get (key: string, { range, signal }: GetOptions = {}): Promise<Readable> {
    const path = this.#path(key)
    let handle: FileHandle
    try {
      handle = await open(path, 'r')
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw new StorageMissingError(this.name, key, { cause: error })
      throw this.#explain(error)
    }
    if (range?.length === 0) {
      await handle.close()
      return Readable.from([])
    }
    const part = range && { start: range.offset, end: range.offset + range.length - 1 }
    return createReadStream(path, { fd: handle, highWaterMark: 1024 * 1024, ...part, ...(signal && { signal }) })
  }

  async head (key: string): Promise<StoredObject | null> {
    const path = this.#path(key)
    try {
      const { size, mtime } = await stat(path)
      return { key, bytes: size, modifiedAt: mtime }
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null
      throw this.#explain(error)
    }
  }

  async * list (prefix: string): AsyncIterable<StoredObject> {
    const folder = checkPrefix(prefix).slice(0, prefix.lastIndexOf('/') + 1)
    for (const key of await this.#files(folder)) {
      if (HIDDEN.test(key) || !key.startsWith(prefix)) continue
      const object = await this.head(key)
      if (object !== null) yield object
    }
  }

  async delete (key: string): Promise<void> {
    const path = this.#path(key)
    try {
      await rm(path)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return
      throw this.#explain(error)
    }
    await syncFolder(dirname(path))
    await this.#removeEmptyFolders(dirname(path))
  }

  async removePartialWrites (prefix: string): Promise<void> {
    for (const key of await this.#files(checkPrefix(prefix))) {
      if (key.endsWith(PARTIAL)) await rm(join(this.#root, key), { force: true })
    }
  }

  #path (key: string): string {
    return join(this.#root, checkKey(key))
  }

  /** All file names below a folder, as keys, in order; none where the folder is missing. */
  async #files (folder: string): Promise<string[]> {
    try {
      const entries = await readdir(join(this.#root, folder), { recursive: true, withFileTypes: true })
      return entries.filter(entry => entry.isFile()).map(entry => relative(this.#root, join(entry.parentPath, entry.name)).split(sep).join('/')).sort()
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw this.#explain(error)
    }
  }

  /** Makes a folder and fsyncs the parents that got a new entry. */
  async #makeFolder (folder: string): Promise<void> {
    const first = await mkdir(folder, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    for (let made = folder; made.length >= first.length; made = dirname(made)) await syncFolder(dirname(made))
  }

  async #removeEmptyFolders (folder: string): Promise<void> {
    for (let empty = folder; empty.length > this.#root.length; empty = dirname(empty)) {
      try {
        await rmdir(empty)
      } catch {
        return
      }
    }
  }

  #explain (error: unknown): unknown {
    if (!isSystemError(error)) return error
    if (['ENOSPC', 'EDQUOT'].includes(String(codeOf(error)))) return new NoRoomError(`the disk of ${this.#root} is full`, { cause: error })
    return new StorageError(this.name, messageOf(error), { cause: error })
  }
}

/** Errors of the file system name the system call; those of the body being written are not ours to explain. */
const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error

async function writeDurably (path: string, body: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<number> {
  const handle = await open(path, 'wx', 0o600)
  let bytes = 0
  try {
    for await (const chunk of body) {
      signal?.throwIfAborted()
      await handle.writeFile(chunk)
      bytes += chunk.length
    }
    signal?.throwIfAborted()
    await handle.sync()
    return bytes
  } finally {
    await handle.close()
  }
}
