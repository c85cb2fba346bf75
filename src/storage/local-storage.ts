import { randomUUID } from 'node:crypto'
import { createReadStream, realpathSync } from 'node:fs'
import { link, open, readdir, rename, rm, rmdir, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import { codeOf, messageOf, NoRoomError, StorageError, StorageExistsError, StorageMissingError } from '../errors.ts'
import { abortable, BodyFailure } from './abortable-body.ts'
import { chunksOf } from './put-file.ts'
import { makeFolder, syncFolder } from './sync-folder.ts'
import type { GetOptions, PutOptions, SnapshotStorage, StoredObject } from './snapshot-storage.ts'
import { checkKey, checkPrefix } from './storage-key.ts'
import { step } from '../step.ts'

/** Writes in progress have this ending and a leading dot, so no key can name them. */
const PARTIAL = '.partial'
const PARTIAL_NAME = /^\.[0-9a-f-]{36}\.partial$/
const HIDDEN = /(^|\/)\./
const MISSING = 'ENOENT'
const FOLDER_TRIES = 10

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

  /** The real folder, whatever links lead to it. */
  get place (): string {
    return realPath(this.#root)
  }

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, { ifAbsent = false, signal }: PutOptions = {}): Promise<{ bytes: number }> {
    const path = this.#path(key)
    const partial = join(dirname(path), `.${randomUUID()}${PARTIAL}`)
    try {
      const handle = await this.#inFolder(dirname(path), async () => await open(partial, 'wx', 0o600))
      const bytes = await writeDurably(handle, body, signal)
      step('storage: written')
      if (ifAbsent) {
        await link(partial, path)
        step('storage: linked')
        await rm(partial)
      } else {
        await rename(partial, path)
      }
      await syncFolder(dirname(path))
      return { bytes }
    } catch (error) {
      await rm(partial, { force: true }).catch(() => {})
      throw await this.#explainPut(error, key, ifAbsent)
    }
  }

  /** Moves the file into its place; from another file system it is copied. */
  async putFile (key: string, file: string, options: PutOptions = {}): Promise<{ bytes: number }> {
    const { ifAbsent = false, signal } = options
    const path = this.#path(key)
    try {
      signal?.throwIfAborted()
      const bytes = await syncFile(file)
      await this.#inFolder(dirname(path), async () => { await (ifAbsent ? link : rename)(file, path) })
      step('storage: file taken over')
      await syncFolder(dirname(path))
      return { bytes }
    } catch (error) {
      if (codeOf(error) === 'EXDEV') return await this.put(key, chunksOf(file), options)
      throw signal?.aborted === true ? error : await this.#explainPut(error, key, ifAbsent)
    }
  }

  fileOf (key: string): string {
    return this.#path(key)
  }

  async get (key: string, { range, signal }: GetOptions = {}): Promise<Readable> {
    const path = this.#path(key)
    let handle: FileHandle | undefined
    try {
      handle = await open(path, 'r')
      const found = await handle.stat()
      if (!found.isFile()) throw Object.assign(new Error('it is a folder'), { code: 'ENOENT' })
      const { offset, length } = range ?? { offset: 0, length: found.size }
      const end = Math.min(offset + length, found.size) - 1
      if (end >= offset) return createReadStream(path, { fd: handle, highWaterMark: 1024 * 1024, start: offset, end, ...(signal && { signal }) })
      await handle.close()
      return Readable.from([])
    } catch (error) {
      await handle?.close()
      if (codeOf(error) === MISSING) throw new StorageMissingError(this.name, key, { cause: error })
      throw this.#explain(error)
    }
  }

  async head (key: string): Promise<StoredObject | null> {
    const path = this.#path(key)
    try {
      const found = await stat(path)
      return found.isFile() ? { key, bytes: found.size, modifiedAt: found.mtime } : null
    } catch (error) {
      if (codeOf(error) === MISSING) return null
      throw this.#explain(error)
    }
  }

  async * list (prefix: string): AsyncIterable<StoredObject> {
    for (const key of await this.#files(checkPrefix(prefix))) {
      if (HIDDEN.test(key)) continue
      const object = await this.head(key)
      if (object !== null) yield object
    }
  }

  async delete (key: string): Promise<void> {
    if (await this.head(key) !== null) await this.#remove(this.#path(key))
  }

  async removePartialWrites (prefix: string): Promise<void> {
    for (const file of await this.#files(checkPrefix(prefix))) {
      if (PARTIAL_NAME.test(basename(file))) await this.#remove(join(this.#root, file))
    }
  }

  async #remove (path: string): Promise<void> {
    await this.#explained(async () => {
      await rm(path, { force: true })
      step('storage: removed')
      await syncFolder(dirname(path)).catch(ignoreMissing) // another deletion may have taken the empty folder away
      await this.#removeEmptyFolders(dirname(path))
    })
  }

  #path (key: string): string {
    return join(this.#root, checkKey(key))
  }

  /** The names of all files that begin with a prefix, as keys, in order. */
  async #files (prefix: string): Promise<string[]> {
    const top = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    const files: string[] = []
    const walk = async (folder: string): Promise<void> => {
      for (const entry of await readdir(join(this.#root, folder), { withFileTypes: true })) {
        const name = folder + entry.name
        // A folder may be removed meanwhile: then it holds nothing, and the others are still listed.
        if (entry.isDirectory()) await walk(`${name}/`).catch(ignoreMissing)
        else if (entry.isFile() && name.startsWith(prefix)) files.push(name)
      }
    }
    await this.#explained(async () => { await walk(top).catch(ignoreMissing) })
    return files.sort()
  }

  /** Makes something in a folder, again where a deletion has taken that away in between, as it was empty. */
  async #inFolder<T> (folder: string, make: () => Promise<T>, tries = FOLDER_TRIES): Promise<T> {
    try {
      await makeFolder(folder)
      return await make()
    } catch (error) {
      if (codeOf(error) !== MISSING || tries === 1) throw error
      return await this.#inFolder(folder, make, tries - 1)
    }
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

  async #explained (run: () => Promise<void>): Promise<void> {
    try {
      await run()
    } catch (error) {
      throw this.#explain(error)
    }
  }

  /** What a failed write throws, once it has left no empty folders. */
  async #explainPut (error: unknown, key: string, ifAbsent: boolean): Promise<unknown> {
    await this.#removeEmptyFolders(dirname(this.#path(key)))
    const isTaken = codeOf(error) === 'EEXIST' && ifAbsent && await this.head(key) !== null
    return isTaken ? new StorageExistsError(this.name, key, { cause: error }) : this.#explain(error)
  }

  #explain (error: unknown): unknown {
    return error instanceof BodyFailure ? error.cause : explainDiskError(error, this.name, this.#root)
  }
}

/** The coded error behind one of the file system. */
export function explainDiskError (error: unknown, storage: string, folder: string): Error {
  if (['ENOSPC', 'EDQUOT'].includes(String(codeOf(error)))) return new NoRoomError(`the disk of ${folder} is full`, { cause: error })
  return new StorageError(storage, messageOf(error), { cause: error })
}

/** Of a folder that is yet to be made, it is below that of the next one that is there. */
function realPath (path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return join(realPath(dirname(path)), basename(path))
  }
}

function ignoreMissing (error: unknown): void {
  if (codeOf(error) !== MISSING) throw error
}

async function writeDurably (handle: FileHandle, body: Uint8Array | AsyncIterable<Uint8Array>, signal: AbortSignal | undefined): Promise<number> {
  let bytes = 0
  try {
    for await (const chunk of body instanceof Uint8Array ? [body] : abortable(body, signal)) {
      await handle.writeFile(chunk)
      bytes += chunk.length
    }
    if (signal?.aborted === true) throw new BodyFailure('aborted', { cause: signal.reason })
    await handle.sync()
    return bytes
  } finally {
    await handle.close()
  }
}

async function syncFile (path: string): Promise<number> {
  const handle = await open(path, 'r+')
  try {
    await handle.chmod(0o600)
    await handle.sync()
    return (await handle.stat()).size
  } finally {
    await handle.close()
  }
}
