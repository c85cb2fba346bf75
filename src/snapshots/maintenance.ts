import { forgetMaintenance, readMaintenance, recordMaintenance } from '../catalog/maintenance.ts'
import { requireFit } from '../schemas/fit.ts'
import { MaintenanceBody } from '../schemas/requests.ts'
import type { SnapshotContext } from './context.ts'
import type { Maintenance } from './outcomes.ts'

const NO_REASON = 'Maintenance'

/**
 * Tells the application to take no changes for now: in the plugin, its own routes then answer requests that may change
 * something with 503. It is kept in the catalog, so it holds for every process and after a restart; the snapshot routes go on.
 */
export class MaintenanceMode {
  readonly #context: SnapshotContext

  constructor (context: SnapshotContext) {
    this.#context = context
  }

  /** Why no changes are taken, and since when; null while they are. */
  get state (): Maintenance | null {
    const { catalog, settings: { databaseName } } = this.#context
    const row = readMaintenance(catalog, databaseName)
    return row === undefined ? null : { reason: row.reason, since: row.since }
  }

  /** @param reason shown to whoever is turned away; default `Maintenance` */
  async enter (reason: string = NO_REASON): Promise<Maintenance> {
    requireFit(MaintenanceBody, { reason }, 'maintenance')
    const { catalog, logger, settings: { databaseName: database } } = this.#context
    const { since } = recordMaintenance(catalog, { database, reason, since: new Date().toISOString() })
    logger.warn({ reason }, 'The application takes no changes from now on')
    return { reason, since }
  }

  async exit (): Promise<void> {
    const { catalog, logger, settings: { databaseName } } = this.#context
    if (this.state === null) return
    forgetMaintenance(catalog, databaseName)
    logger.warn({}, 'The application takes changes again')
  }
}
