import { listDrills } from '../catalog/drills.ts'
import { requireFit } from '../schemas/fit.ts'
import { DrillArguments } from '../schemas/requests.ts'
import type { SnapshotContext } from './context.ts'
import type { DrillReport } from './drills/drill-report.ts'
import { runDrill } from './drills/run-drill.ts'
import { findSnapshotBy } from './find-snapshot.ts'
import type { Replicas } from './replicas/replicas.ts'
import { requireRestorable } from './restore-snapshot.ts'

export interface DrillOptions {
  /** Name or id of the snapshot, or `latest`. Default: `latest`. */
  snapshot?: string
  /** Name of the storage to read it from. Default: the last one that has it. */
  storage?: string
}

const DRILLS_SHOWN = 100

/** Proves that snapshots can be restored, by doing it. It runs by itself on schedule. */
export class SnapshotDrills {
  readonly #context: SnapshotContext
  readonly #replicas: Replicas

  /** @internal */
  constructor (context: SnapshotContext, replicas: Replicas) {
    this.#context = context
    this.#replicas = replicas
  }

  /**
   * Restores a snapshot to a scratch file beside the snapshots, as on a blank machine: all of it from one storage. Then its
   * integrity and foreign keys are checked, the application's migrations applied, and its `validate` asked. The report is kept,
   * and written to `drills` in the recovery folder as JSON and Markdown.
   * @returns also where the drill failed: that is an outcome
   * @throws FST_SNAPSHOT_BUSY while another drill runs, FST_SNAPSHOT_CANCELLED
   */
  async runDrill (options: DrillOptions = {}): Promise<DrillReport> {
    requireFit(DrillArguments, options, 'options')
    this.#context.catalog.requireOpen()
    const { snapshot = 'latest', storage } = options
    const find = async (): ReturnType<typeof findSnapshotBy> => {
      const row = await findSnapshotBy(this.#context, this.#replicas, snapshot)
      requireRestorable(row, false)
      return row
    }
    return await this.#context.queue.runBeside(async signal => await runDrill(this.#context, { find, storage }, signal)).finally(() => { this.#replicas.wake() })
  }

  /** The last hundred drills, the newest first. */
  listDrills (): DrillReport[] {
    const { catalog, settings: { databaseName } } = this.#context
    return listDrills(catalog, databaseName, DRILLS_SHOWN)
  }
}
