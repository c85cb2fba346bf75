import type { Readable } from 'node:stream'
import { codeOf } from '../errors.ts'
import type { GetOptions, PutOptions, SnapshotStorage, StoredObject } from './snapshot-storage.ts'

/** Errors that say something of a storage itself, and not of the object that was asked for. */
const OF_THE_STORAGE = /^FST_SNAPSHOT_(STORAGE_(FAILED|DENIED|UNAVAILABLE)|PACKAGE_MISSING|NO_ROOM)$/

export const isStorageFailure = (error: unknown): boolean => OF_THE_STORAGE.test(String(codeOf(error)))

/** Another storage, of which each request's outcome is reported: null for a success, else the error of the storage. */
export class ObservedStorage implements SnapshotStorage {
  readonly putFile?: NonNullable<SnapshotStorage['putFile']>
  readonly fileOf?: NonNullable<SnapshotStorage['fileOf']>
  readonly deleteAll?: NonNullable<SnapshotStorage['deleteAll']>
  readonly #storage: SnapshotStorage
  readonly #report: (error: unknown) => void

  constructor (storage: SnapshotStorage, report: (error: unknown) => void) {
    this.#storage = storage
    this.#report = report
    const { putFile, fileOf, deleteAll } = storage
    if (putFile !== undefined) this.putFile = async (...args) => await this.#observed(async () => await putFile.apply(storage, args))
    if (deleteAll !== undefined) this.deleteAll = async keys => { await this.#observed(async () => { await deleteAll.call(storage, keys) }) }
    if (fileOf !== undefined) this.fileOf = fileOf.bind(storage)
  }

  get name (): string {
    return this.#storage.name
  }

  async put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ bytes: number }> {
    if (body instanceof Uint8Array) return await this.#observed(async () => await this.#storage.put(key, body, options))
    // What goes wrong with the body, which may come from another storage, says nothing of this one.
    let fault: unknown
    const watched = async function * (): AsyncGenerator<Uint8Array> {
      try {
        yield * body
      } catch (error) {
        fault = error
        throw error
      }
    }
    return await this.#observed(async () => await this.#storage.put(key, watched(), options), error => error !== fault)
  }

  async get (key: string, options?: GetOptions): Promise<Readable> {
    const stream = await this.#observed(async () => await this.#storage.get(key, options))
    return stream.once('error', error => { if (isStorageFailure(error)) this.#report(error) })
  }

  async head (key: string): Promise<StoredObject | null> {
    return await this.#observed(async () => await this.#storage.head(key))
  }

  async * list (prefix: string): AsyncIterable<StoredObject> {
    try {
      yield * this.#storage.list(prefix)
      this.#report(null)
    } catch (error) {
      if (isStorageFailure(error)) this.#report(error)
      throw error
    }
  }

  async delete (key: string): Promise<void> {
    await this.#observed(async () => { await this.#storage.delete(key) })
  }

  /** Not reported: credentials may well be without the right to it. */
  async removePartialWrites (prefix: string): Promise<void> {
    await this.#storage.removePartialWrites(prefix)
  }

  async #observed<T> (ask: () => Promise<T>, isOurs: (error: unknown) => boolean = () => true): Promise<T> {
    try {
      const answer = await ask()
      this.#report(null)
      return answer
    } catch (error) {
      if (isStorageFailure(error) && isOurs(error)) this.#report(error)
      throw error
    }
  }
}
