import type { Readable } from 'node:stream'

/** What a storage knows of one object. */
export interface StoredObject {
  key: string
  bytes: number
  modifiedAt: Date
}

/** Options of {@link SnapshotStorage.put}. */
export interface PutOptions {
  /** Fail with FST_SNAPSHOT_STORAGE_EXISTS, changing nothing, where the key exists. Default false: the object is replaced. */
  ifAbsent?: boolean
  /** Gives up, leaving nothing behind, when aborted. */
  signal?: AbortSignal
}

/** Options of {@link SnapshotStorage.get}. */
export interface GetOptions {
  /** The part of the object that is wanted, in bytes. Default: all of it. */
  range?: { offset: number, length: number }
  signal?: AbortSignal
}

/**
 * Where snapshots are kept: a flat space of keys with bytes behind them. Keys are segments of `[A-Za-z0-9._-]` joined by
 * `/`; none starts with a dot, so an implementation may keep its own things under such names.
 *
 * What every implementation promises:
 * - An object appears whole or not at all. A reader never sees a part of a write, and a write that fails or is killed
 *   leaves what was there before.
 * - When `put`, `delete` or `deleteAll` resolves, the change survives a crash of the machine.
 * - A failure is a coded error (FST_SNAPSHOT_STORAGE_*, FST_SNAPSHOT_NO_ROOM) that keeps its `cause`.
 */
export interface SnapshotStorage {
  /** Names this storage in errors, metrics and the `replicas` of a snapshot, for example `local`. */
  readonly name: string

  /**
   * Says where the objects are, in any words that are the same for two storages in one place and never for two in different
   * places. Two storages of one place are refused, as a limit of one would take away what the other is to keep. A storage that
   * cannot tell leaves this out.
   */
  readonly place?: string | undefined

  /**
   * Stores all bytes of `body` under `key`, replacing an object that is there unless `ifAbsent`. Where `body` fails, its
   * error is thrown as it is.
   * @returns the number of bytes stored
   */
  put (key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<{ bytes: number }>

  /**
   * The same for a complete file of this machine, which the storage may take for itself: afterwards it may be gone. A
   * storage that gains nothing by it leaves this out, and gets the file's bytes by `put`.
   */
  putFile? (key: string, file: string, options?: PutOptions): Promise<{ bytes: number }>

  /**
   * The path of a local file that holds the object's bytes and nothing else, for reading only; whether there is such an object
   * is not looked at. A storage whose objects are no files of this machine leaves this out, and is read by `get`.
   */
  fileOf? (key: string): string

  /**
   * Opens the object for reading. A missing object is FST_SNAPSHOT_STORAGE_MISSING, thrown here and not by the stream. A
   * range that reaches past the end gives the bytes there are. An object that is replaced or deleted while it is read is
   * read to the end as it was, or the stream fails.
   */
  get (key: string, options?: GetOptions): Promise<Readable>

  /** What is known of the object, or null where there is none. */
  head (key: string): Promise<StoredObject | null>

  /** All objects whose key starts with `prefix`, in the order of their keys; none for a prefix nothing has. */
  list (prefix: string): AsyncIterable<StoredObject>

  /** Removes the object. A missing one is no error: the aim is reached. */
  delete (key: string): Promise<void>

  /**
   * The same for many objects. Where some cannot be removed the others are, and the first failure is thrown. A storage that
   * gains nothing by it leaves this out, and is asked to `delete` one by one.
   */
  deleteAll? (keys: readonly string[]): Promise<void>

  /**
   * Removes what killed or failed writes below `prefix` left behind and no key shows. Call it only while nobody writes
   * there.
   */
  removePartialWrites (prefix: string): Promise<void>
}
