import { forgetMaintenance, readMaintenance, recordMaintenance } from '../catalog/maintenance.ts'
import type { SnapshotContext } from './context.ts'
import type { MaintenanceState } from './maintenance.ts'

/** Whether the application of a database takes changes, as the catalog has it. */
export function maintenanceState ({ catalog, logger, settings: { databaseName: database } }: SnapshotContext): MaintenanceState {
  return {
    read: () => readMaintenance(catalog, database),
    enter (reason) {
      const { since } = recordMaintenance(catalog, { database, reason, since: new Date().toISOString() })
      logger.warn({ reason }, 'The application takes no changes from now on')
      return { reason, since }
    },
    exit () {
      if (readMaintenance(catalog, database) === null) return
      forgetMaintenance(catalog, database)
      logger.warn({}, 'The application takes changes again')
    }
  }
}
