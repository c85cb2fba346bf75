import type { Catalog } from '../../catalog/catalog.ts'
import { readStorage, recordStorage } from '../../catalog/storage-states.ts'
import { codeOf, messageOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'

/** Outcomes that repeat the last one are written down this often, in milliseconds. */
const REPEAT_MS = 10_000

/** Keeps the last outcome of each storage in the catalog, for health and metrics of every process. */
export class StorageReports {
  readonly #catalog: Catalog
  readonly #database: string
  readonly #logger: Logger
  /** When each storage's outcome was last written down here, and which it was. */
  readonly #written = new Map<string, { at: number, isUp: boolean }>()

  constructor (catalog: Catalog, database: string, logger: Logger) {
    this.#catalog = catalog
    this.#database = database
    this.#logger = logger
  }

  /**
   * Throws nothing: what is asked of a storage does not depend on a catalog that can be written.
   * @param error null for a success
   */
  report (storage: string, error: unknown): void {
    const isUp = error === null
    const [last, now] = [this.#written.get(storage), Date.now()]
    if (!this.#catalog.isOpen || (last?.isUp === isUp && now - last.at >= 0 && now - last.at < REPEAT_MS)) return
    this.#written.set(storage, { at: now, isUp })
    try {
      this.#note(storage, error, new Date(now).toISOString())
    } catch (error) {
      this.#logger.warn({ err: error, storage }, `How the storage ${storage} does was not noted: ${messageOf(error)}`)
    }
  }

  #note (storage: string, error: unknown, checkedAt: string): void {
    const isUp = error === null
    const before = readStorage(this.#catalog, this.#database, storage)
    recordStorage(this.#catalog, this.#database, storage, { isUp, checkedAt, error: isUp ? null : { code: String(codeOf(error)), message: messageOf(error) } })
    if (!isUp && before?.isUp !== false) this.#logger.error({ err: error, storage }, `A storage fails: ${messageOf(error)}`)
    if (isUp && before?.isUp === false) this.#logger.info({ storage }, 'A storage works again')
  }
}
