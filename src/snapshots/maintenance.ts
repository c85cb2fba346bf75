import { requireFit } from '../schemas/fit.ts'
import { MaintenanceBody } from '../schemas/requests.ts'
import type { Maintenance } from './outcomes.ts'

const NO_REASON = 'Maintenance'

/** Where the state is kept. Functions alone: applications would need Drizzle's types to compile those of the catalog. */
export interface MaintenanceState {
  read: () => Maintenance | null
  enter: (reason: string) => Maintenance
  exit: () => void
}

/**
 * Tells the application to take no changes for now: in the plugin, its own routes then answer requests that may change
 * something with 503. It is kept in the catalog, so it holds for every process and after a restart; the snapshot routes go on.
 */
export class MaintenanceMode {
  readonly #state: MaintenanceState

  constructor (state: MaintenanceState) {
    this.#state = state
  }

  /** Why no changes are taken, and since when; null while they are. */
  get state (): Maintenance | null {
    return this.#state.read()
  }

  /**
   * @param reason shown to whoever is turned away; default `Maintenance`
   * @throws FST_SNAPSHOT_INVALID_REQUEST
   */
  async enter (reason: string = NO_REASON): Promise<Maintenance> {
    requireFit(MaintenanceBody, { reason }, 'maintenance')
    return this.#state.enter(reason)
  }

  async exit (): Promise<void> {
    this.#state.exit()
  }
}
